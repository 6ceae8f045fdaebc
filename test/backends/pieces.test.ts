import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { node } from '../../backends/node.js';
import { backends } from '../helpers/backends.js';

const ciphers = ['aesGcm', 'chaCha20Poly1305'] as const;
const withPieces = backends
  .flatMap((backend) => ciphers.map((cipher) => ({ backend, name: backend.name, cipher })))
  .filter(({ backend, cipher }) => backend[cipher](new Uint8Array(32)).openInPieces);

describe.each(withPieces)('$name: $cipher opened in pieces', ({ backend, cipher }) => {
  const aead = backend[cipher](randomBytes(32));
  const nonce = randomBytes(12);
  const associated = randomBytes(3);

  it.each([0, 1, 15, 16, 17, 100, 101, 1000])(
    'gives %i bytes in pieces of 100, each in memory of its own',
    (length) => {
      const plaintext = randomBytes(length);
      const ciphertext = Buffer.concat(aead.seal(nonce, associated, [plaintext]));
      const pieces = aead.openInPieces?.(nonce, associated, ciphertext, 100) ?? [];
      expect(Buffer.concat(pieces).equals(plaintext)).toBe(true);
      expect(pieces.length).toBe(Math.max(1, Math.ceil(length / 100)));
      expect(new Set(pieces.map((piece) => piece.buffer)).size).toBe(pieces.length);
      for (const piece of pieces) expect(piece.length).toBeLessThanOrEqual(100);
    },
  );

  it('gives nothing if any byte of any piece is wrong', () => {
    const ciphertext = Buffer.concat(aead.seal(nonce, associated, [randomBytes(350)]));
    for (let at = 0; at < ciphertext.length; at += 7) {
      const damaged = Buffer.from(ciphertext);
      damaged[at] = (damaged[at] as number) ^ 1;
      expect(aead.openInPieces?.(nonce, associated, damaged, 100)).toBeNull();
    }
    expect(aead.openInPieces?.(nonce, associated, new Uint8Array(15), 100)).toBeNull();
  });
});

it('the node backend opens both ciphers in pieces', () => {
  expect(withPieces.filter(({ backend }) => backend === node).map(({ cipher }) => cipher)).toEqual(ciphers);
});
