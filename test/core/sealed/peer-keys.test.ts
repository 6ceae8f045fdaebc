import { describe, expect, it } from 'vitest';
import { node } from '../../../backends/node.js';
import type { Backend, RsaPublicNumbers } from '../../../src/backend.js';
import { encodeSpki } from '../../../src/core/encodings/der.js';
import { importPeerKey } from '../../../src/core/sealed/handshake.js';
import { spkiOf } from '../../helpers/sealed-ends.js';

/** A backend of its own, which counts the keys that it makes. */
function countKeys(): { backend: Backend; made: () => number } {
  let count = 0;
  const rsaPublicKey = (numbers: RsaPublicNumbers): ReturnType<Backend['rsaPublicKey']> => {
    count++;
    return node.rsaPublicKey(numbers);
  };
  return { backend: { ...node, rsaPublicKey }, made: () => count };
}

/** Keys that differ in their last byte but one. */
function someKey(index: number): Uint8Array {
  const n = new Uint8Array(256).fill(0x55);
  n[0] = 0x80;
  n[254] = index;
  return encodeSpki({ n, e: Uint8Array.of(1, 0, 1) });
}

describe("a peer's key", () => {
  it('is made once and found again, whatever becomes of the bytes it was in', () => {
    const { backend, made } = countKeys();
    const spki = spkiOf('server2048');
    const key = importPeerKey(backend, spki);
    expect(key.modulusLength).toBe(2048);
    spki.fill(0);
    expect(importPeerKey(backend, spkiOf('server2048'))).toBe(key);
    expect(made()).toBe(1);
  });

  it('is never taken for another one, nor for one that is longer or shorter', () => {
    const { backend, made } = countKeys();
    const [one, two] = [importPeerKey(backend, someKey(1)), importPeerKey(backend, someKey(2))];
    expect(one).not.toBe(two);
    expect(importPeerKey(backend, someKey(1))).toBe(one);
    expect(importPeerKey(backend, someKey(2))).toBe(two);
    expect(made()).toBe(2);
    const known = someKey(1);
    for (const other of [known.subarray(0, -1), Uint8Array.of(...known, 0), new Uint8Array(0)])
      expect(() => importPeerKey(backend, other)).toThrow(expect.objectContaining({ code: 'BAD_KEY' }));
  });

  it('is of the backend that made it', () => {
    const [one, two] = [countKeys(), countKeys()];
    const key = importPeerKey(one.backend, someKey(1));
    expect(importPeerKey(two.backend, someKey(1))).not.toBe(key);
    expect([one.made(), two.made()]).toEqual([1, 1]);
  });

  it('is one of eight that are kept: unauthenticated clients cannot fill the memory', () => {
    const { backend, made } = countKeys();
    for (let i = 0; i < 9; i++) importPeerKey(backend, someKey(i));
    for (let i = 8; i >= 1; i--) importPeerKey(backend, someKey(i));
    expect(made()).toBe(9);
    importPeerKey(backend, someKey(0));
    expect(made()).toBe(10);
  });

  it('that is refused is refused again', () => {
    const cause = new RangeError('as an example');
    let tries = 0;
    const backend: Backend = {
      ...node,
      rsaPublicKey: () => {
        tries++;
        throw cause;
      },
    };
    for (const round of [1, 2]) {
      expect(() => importPeerKey(backend, someKey(1))).toThrow(
        expect.objectContaining({
          code: 'BAD_KEY',
          cause,
          message: 'the components of the RSA key are inconsistent',
        }),
      );
      expect(tries).toBe(round);
    }
  });

  it('has to be one that sealed takes', () => {
    const weak = encodeSpki({ n: new Uint8Array(128).fill(0x81), e: Uint8Array.of(1, 0, 1) });
    expect(() => importPeerKey(node, weak)).toThrow(expect.objectContaining({ code: 'BAD_KEY' }));
  });
});
