import { expect, test } from 'vitest';
import { node } from '../../backends/node.js';
import type { Aead } from '../../src/backend.js';

/** Nonces and plaintexts that differ from each other by their number. */
const nonce = (i: number): Uint8Array => new Uint8Array(12).fill(i);
const plaintext = (i: number): Uint8Array => new Uint8Array(69).fill(i);
const AAD = Uint8Array.of(1, 2, 3);

/** Ciphertext and tag together. */
function sealed(aead: Aead, i: number): Uint8Array {
  return Buffer.concat(aead.seal(nonce(i), AAD, [plaintext(i)]));
}

const ciphers = ['aesGcm', 'chaCha20Poly1305'] as const;

test.each(ciphers)('what is made ahead under %s changes no result', (cipher) => {
  const key = new Uint8Array(32).fill(7);
  const [plain, prepared] = [node[cipher](key), node[cipher](key)];
  for (let i = 0; i < 5; i++) {
    prepared.prepareSeal?.(nonce(i));
    prepared.prepareOpen?.(nonce(i));
    const ciphertext = sealed(plain, i);
    expect(sealed(prepared, i)).toEqual(ciphertext);
    expect(prepared.open(nonce(i), AAD, ciphertext)).toEqual(plaintext(i));
  }
});

test.each(ciphers)('what is made ahead under %s for one nonce never serves another', (cipher) => {
  const key = new Uint8Array(32).fill(7);
  const [plain, prepared] = [node[cipher](key), node[cipher](key)];
  prepared.prepareSeal?.(nonce(1));
  prepared.prepareOpen?.(nonce(1));
  expect(sealed(prepared, 2)).toEqual(sealed(plain, 2));
  expect(prepared.open(nonce(2), AAD, sealed(plain, 2))).toEqual(plaintext(2));
  // nor is it used twice, nor after a failure
  prepared.prepareOpen?.(nonce(3));
  expect(prepared.open(nonce(3), AAD, sealed(plain, 4))).toBeNull();
  expect(prepared.open(nonce(3), AAD, sealed(plain, 3))).toEqual(plaintext(3));
  prepared.prepareSeal?.(nonce(5));
  expect(sealed(prepared, 5)).toEqual(sealed(prepared, 5));
});

test('a nonce of a wrong length is refused ahead too', () => {
  const aead = node.aesGcm(new Uint8Array(32));
  expect(() => aead.prepareSeal?.(new Uint8Array(11))).toThrow(RangeError);
  expect(() => aead.prepareOpen?.(new Uint8Array(13))).toThrow(RangeError);
});

test('of very many keys the ones used last have ciphers made ahead, and all work', () => {
  const keys = Array.from({ length: 500 }, (_, i) => new Uint8Array(32).fill(i));
  const aeads = keys.map((key) => node.aesGcm(key));
  for (const aead of aeads) {
    aead.prepareSeal?.(nonce(1));
    aead.prepareOpen?.(nonce(1));
  }
  aeads.forEach((aead, i) => {
    const ciphertext = sealed(node.aesGcm(keys[i] as Uint8Array), 1);
    expect(sealed(aead, 1)).toEqual(ciphertext);
    expect(aead.open(nonce(1), AAD, ciphertext)).toEqual(plaintext(1));
    aead.wipe?.();
  });
});
