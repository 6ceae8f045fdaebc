// What one small record costs in node:crypto, piece by piece: run it with any Node to see where a ping-pong's time goes.
import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from 'node:crypto';
import { readArguments } from './lib/arguments.mjs';

const usage = 'Usage: node bench/small-records.mjs [--json]';
const { json } = readArguments(usage, { json: { type: 'boolean' } });

const key = createSecretKey(randomBytes(32));
const raw = randomBytes(32);
const aad = randomBytes(3);
const plaintext = randomBytes(69);
const options = { authTagLength: 16 };
const nonce = randomBytes(12);

function seal(cipher) {
  cipher.setAAD(aad);
  const body = cipher.update(plaintext);
  cipher.final();
  return [body, cipher.getAuthTag()];
}

const [ciphertext, tag] = seal(createCipheriv('aes-256-gcm', key, nonce, options));

function open(decipher) {
  decipher.setAAD(aad);
  decipher.setAuthTag(tag);
  const body = decipher.update(ciphertext);
  decipher.final();
  return body;
}

const made = [];
const ecb = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false);
const blocks = randomBytes(16 * 6);

const works = {
  'createCipheriv, KeyObject': () => createCipheriv('aes-256-gcm', key, nonce, options),
  'createCipheriv, bytes': () => createCipheriv('aes-256-gcm', raw, nonce, options),
  'createDecipheriv, KeyObject': () => createDecipheriv('aes-256-gcm', key, nonce, options),
  'seal 69 bytes, all of it': () => seal(createCipheriv('aes-256-gcm', key, nonce, options)),
  'open 69 bytes, all of it': () => open(createDecipheriv('aes-256-gcm', key, nonce, options)),
  'seal with a cipher made ahead': {
    before: (count) => {
      while (made.length < count) made.push(createCipheriv('aes-256-gcm', key, nonce, options));
    },
    run: () => seal(made.pop()),
  },
  'AES-ECB, 6 blocks, kept cipher': () => ecb.update(blocks),
};

const rounds = 41;
const count = 200;
const result = {};
for (const [name, work] of Object.entries(works)) {
  const { before = () => {}, run } = typeof work === 'function' ? { run: work } : work;
  const times = [];
  for (let round = 0; round < rounds + 10; round++) {
    before(count);
    const begun = process.hrtime.bigint();
    for (let i = 0; i < count; i++) run();
    if (round >= 10) times.push(Number(process.hrtime.bigint() - begun) / count / 1000);
  }
  times.sort((a, b) => a - b);
  result[name] = times[rounds >> 1];
}
if (json) console.log(JSON.stringify({ node: process.version, microseconds: result }));
else {
  console.log(`microseconds each, median of ${rounds} rounds of ${count}, Node ${process.version}`);
  for (const [name, time] of Object.entries(result)) console.log(`${time.toFixed(2).padStart(8)}  ${name}`);
}
