import { describe, expect, it } from 'vitest';
import { platformMlKem768 } from '../../backends/web-platform-ml-kem.js';
import type { Aead, LaterAead } from '../../src/backend.js';
import { backends, hex, join, pattern, testKey } from '../helpers/backends.js';

// The `slice` of a Buffer is a view: what makes its copies by that keeps, or overwrites, the caller's memory.

function buffer(length: number, seed = 1): Buffer {
  return Buffer.from(pattern(length, seed));
}

describe.each(backends)('$name, given Buffers', (backend) => {
  it('keeps no key of a cipher', () => {
    const [blocks, nonce, text] = [pattern(32), pattern(12), pattern(40)];
    const ecbKey = buffer(32);
    const ecb = backend.aesEcb(ecbKey);
    ecbKey.fill(0);
    expect(ecb.encrypt(blocks)).toEqual(backend.aesEcb(pattern(32)).encrypt(blocks));
    const ciphers = backend.lacks?.includes('chaCha20Poly1305') ? [] : [backend.chaCha20Poly1305];
    for (const make of [backend.aesGcm, ...ciphers]) {
      const key = buffer(32);
      const aead = make(key);
      key.fill(0);
      const sealed = join(aead.seal(nonce, new Uint8Array(0), [text]));
      expect(sealed).toEqual(join(make(pattern(32)).seal(nonce, new Uint8Array(0), [text])));
      aead.wipe?.();
    }
  });

  it('keeps no private key, and overwrites none', async () => {
    const x25519Key = buffer(32);
    const agreement = backend.x25519(x25519Key);
    agreement.wipe?.();
    expect(hex(x25519Key)).toBe(hex(pattern(32)));
    const seed = buffer(64);
    (await backend.mlKem768()).keyPair(seed);
    expect(hex(seed)).toBe(hex(pattern(64)));
  });

  it('keeps no number of an RSA key', async () => {
    const plain = testKey('2048');
    const given = Object.fromEntries(
      Object.entries(plain).map(([name, number]) => [name, Buffer.from(number)]),
    ) as unknown as typeof plain;
    const key = backend.rsaPrivateKey(given);
    const publicKey = backend.rsaPublicKey(given);
    for (const number of Object.values(given)) number.fill(0);
    const message = buffer(32);
    const ciphertext = await (publicKey.later ?? publicKey).encryptOaep(message, buffer(8, 2));
    expect(hex(message)).toBe(hex(pattern(32)));
    expect(hex(await key.decryptOaep(ciphertext, buffer(8, 2)))).toBe(hex(pattern(32)));
    const signature = await key.signPss(pattern(20));
    expect(await (publicKey.later ?? publicKey).verifyPss(pattern(20), signature)).toBe(true);
  });

  it('takes what it is given for asynchronous work before it returns', async () => {
    const key = backend.rsaPrivateKey(testKey('2048'));
    const publicKey = backend.rsaPublicKey(testKey('2048'));
    const [message, label] = [buffer(32), buffer(8, 2)];
    const encrypting = (publicKey.later ?? publicKey).encryptOaep(message, label);
    for (const given of [message, label]) given.fill(0);
    const ciphertext = Buffer.from(await encrypting);
    const ownLabel = buffer(8, 2);
    const decrypting = key.decryptOaep(ciphertext, ownLabel);
    for (const given of [ciphertext, ownLabel]) given.fill(0);
    expect(hex(await decrypting)).toBe(hex(pattern(32)));
    for (const make of [backend.aesGcm, backend.chaCha20Poly1305]) await checkLater(make);
  });
});

async function checkLater(make: (key: Uint8Array) => Aead): Promise<void> {
  const later = (): LaterAead | undefined => make(pattern(32)).later;
  const nonce = pattern(12);
  const none = new Uint8Array(0);
  const sealed = await later()?.seal(nonce, none, [pattern(300)]);
  if (sealed === undefined) return;
  const given = [buffer(12), buffer(300), Buffer.from(join(sealed))] as const;
  const sealing = later()?.seal(given[0], none, [given[1]]);
  const opening = later()?.open(given[0], none, given[2]);
  for (const one of given) one.fill(0);
  expect(join((await sealing) ?? [])).toEqual(join(sealed));
  expect(hex(await opening)).toBe(hex(pattern(300)));
}

it("a platform's ML-KEM leaves the seed that it is given", async () => {
  const seed = buffer(64);
  const seen: string[] = [];
  const platform = {
    importKey: async (_: string, data: Uint8Array) => {
      seen.push(hex(data));
      return { type: 'private' };
    },
    getPublicKey: async () => ({ type: 'public' }),
    exportKey: async () => new ArrayBuffer(1184),
  };
  await platformMlKem768(platform as never).keyPair(seed);
  expect([...seen, hex(seed)]).toEqual([hex(pattern(64)), hex(pattern(64))]);
});
