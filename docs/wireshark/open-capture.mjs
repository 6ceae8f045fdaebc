// Decrypts a capture for the dissector beside it: node open-capture.mjs CAPTURE KEYLOG > OPENED
//
// tshark and the dissector find the records, in order and in one piece; here they are decrypted with the lines of the
// option keylog. Only what carries the right tag is written. README.md has the formats. It needs tshark on the PATH.
import { spawn } from 'node:child_process';
import { createDecipheriv, createHmac } from 'node:crypto';
import { createReadStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

function fail(text, code) {
  console.error(`open-capture: ${text}`);
  process.exit(code);
}

/** Has tshark write every encrypted record: connection, direction, number, suite, bytes. */
async function exportRecords(from, to) {
  const script = fileURLToPath(new URL('secure-sockets.lua', import.meta.url));
  const options = ['-X', `lua_script:${script}`, '-X', `lua_script1:export=${to}`];
  const args = [...options, '-o', 'tcp.reassemble_out_of_order:TRUE', '-q', '-r', from];
  const child = spawn('tshark', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const errors = [];
  child.stderr.on('data', (text) => errors.push(text));
  const code = await new Promise((resolve, reject) => {
    child.on('error', (cause) => reject(new Error(`tshark cannot be started: ${cause.message}`, { cause })));
    child.on('close', resolve);
  });
  if (code !== 0) throw new Error(`tshark ended with ${code}: ${Buffer.concat(errors).toString().trim()}`);
}

/** The secrets of a key log by label and connection; lines that are something else are passed over. */
function readKeys(path) {
  const keys = new Map();
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const [, label, id, secret] =
      /^(SEALED1_\w+|CLASSIC_SESSION_KEY) ([0-9a-f]{64}) ((?:[0-9a-f]{2})+)\s*$/.exec(line) ?? [];
    if (label !== undefined) keys.set(`${label} ${id}`, Buffer.from(secret, 'hex'));
  }
  return keys;
}

async function openRecords(path, keys) {
  const directions = new Map();
  for await (const line of createInterface({ input: createReadStream(path) })) {
    const [id, from, number, suite, hex] = line.split(' ');
    const name = `${id} ${from}`;
    const Kind = suite === 'classic' ? ClassicDirection : SealedDirection;
    if (!directions.has(name)) directions.set(name, new Kind(id, from, suite, keys));
    const opened = directions.get(name).open(Buffer.from(hex, 'hex'));
    if (opened) process.stdout.write(`${name} ${number} ${opened.key} ${opened.plaintext.toString('hex')}\n`);
  }
}

/** One direction of a sealed connection (H3, R1): under which key its records are, and which number they have. */
class SealedDirection {
  #keys;
  #cipher;
  #stages;
  #current;

  constructor(id, from, suite, keys) {
    const letter = from === 'client' ? 'C' : 'S';
    const stage = (name, records) => ({
      name: `${letter}_${name}`.toLowerCase(),
      secret: keys.get(`SEALED1_${letter}_${name}_TRAFFIC ${id}`),
      records,
    });
    // a client sends two records under the second key of a full handshake, a server one; a resumed one has no such key
    this.#stages = suite.endsWith('+resumed')
      ? [stage('HS', 2), stage('AP', Infinity)]
      : [stage('HS', 1), stage('AHS', from === 'client' ? 2 : 1), stage('AP', Infinity)];
    this.#cipher = ['0103', '0104'].includes(suite.slice(0, 4)) ? 'chacha20-poly1305' : 'aes-256-gcm';
    this.#keys = 0;
  }

  /** The plaintext, type first, or nothing if there is no key for it or its tag is wrong. */
  open(record) {
    const key = this.#key();
    const sequence = key.sequence++;
    if (key.secret === undefined) return undefined;
    const plaintext = decrypt(this.#cipher, key.secret, sequence, record);
    if (plaintext?.[0] === KEY_UPDATE) this.#update(key);
    return plaintext && { key: key.label, plaintext };
  }

  #key() {
    if (this.#current === undefined || this.#current.sequence >= this.#current.records) {
      const { name, secret, records } = this.#stages.shift();
      this.#current = { label: name, name, secret, records, sequence: 0 };
    }
    return this.#current;
  }

  #update(key) {
    this.#keys++;
    const label = `${key.name}_${this.#keys}`;
    this.#current = { ...key, label, secret: expand(key.secret, 'traffic upd', 32), sequence: 0 };
  }
}

const KEY_UPDATE = 3;

function decrypt(cipher, secret, sequence, record) {
  const nonce = expand(secret, 'iv', 12);
  nonce.writeBigUInt64BE(nonce.readBigUInt64BE(4) ^ BigInt(sequence), 4);
  const decipher = createDecipheriv(cipher, expand(secret, 'key', 32), nonce, { authTagLength: 16 });
  decipher.setAAD(record.subarray(0, 3)).setAuthTag(record.subarray(-16));
  try {
    return Buffer.concat([decipher.update(record.subarray(3, -16)), decipher.final()]);
  } catch {
    return undefined; // not this key, or not what was sent
  }
}

/** HKDF-Expand-Label (H1), for at most one block. */
function expand(secret, label, length) {
  const name = Buffer.from(`sealed1 ${label}`);
  const info = Buffer.concat([Buffer.from([0, length, name.length]), name, Buffer.from([0, 1])]);
  return createHmac('sha256', secret).update(info).digest().subarray(0, length);
}

/** One direction of a classic connection (K3): no tag, so only the padding tells whether the key was right. */
class ClassicDirection {
  #key;

  constructor(id, _from, _suite, keys) {
    this.#key = keys.get(`CLASSIC_SESSION_KEY ${id}`);
  }

  open(ciphertext) {
    if (this.#key === undefined || ciphertext.length === 0 || ciphertext.length % 32 !== 0) return undefined;
    const decipher = createDecipheriv(`aes-${8 * this.#key.length}-ecb`, this.#key, null).setAutoPadding(
      false,
    );
    const padded = Buffer.concat([decipher.update(ciphertext), decipher.final()]);
    const count = padded.at(-1);
    if (count < 1 || count > 32 || padded.subarray(-count).some((byte) => byte !== count)) return undefined;
    return { key: 'session', plaintext: padded.subarray(0, -count) };
  }
}

const [capture, keylog] = process.argv.slice(2);
if (keylog === undefined) fail('usage: node open-capture.mjs CAPTURE KEYLOG > OPENED', 2);

const folder = mkdtempSync(join(tmpdir(), 'secure-sockets-capture-'));
try {
  const records = join(folder, 'records');
  await exportRecords(capture, records);
  await openRecords(records, readKeys(keylog));
} catch (error) {
  process.exitCode = 1;
  console.error(`open-capture: ${error.message}`);
} finally {
  rmSync(folder, { recursive: true });
}
