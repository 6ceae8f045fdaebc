/**
 * The backend over node:crypto: native, constant-time where OpenSSL is, RSA private operations off the main thread
 * where Node has a way.
 *
 * @module secure-sockets/backends/node
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createSecretKey,
  type KeyObject,
  randomFillSync,
  timingSafeEqual,
} from 'node:crypto';
import type { Aead, Backend, BlockCipher, KeyEncapsulation } from '../src/backend.js';
import { nullIf, requireCount, requireLength, requireWholeBlocks } from './checks.js';
import { expand } from './hkdf.js';
import { nativeMlKem768, x25519 } from './node-agreement.js';
import { plain } from './node-bytes.js';
import { generateRsaKey, rsaPrivateKey, rsaPublicKey } from './node-rsa.js';

/** The node:crypto backend, the default on Node. */
export const node: Backend = {
  name: 'node',
  native: true,
  borrowed: nativeMlKem768 === undefined ? { mlKem768: '@noble/post-quantum' } : {},
  randomBytes,
  equal: (a, b) => a.length === b.length && timingSafeEqual(a, b),
  sha256: (data) => plain(createHash('sha256').update(data).digest()),
  hmacSha256,
  hkdfExtract: hmacSha256,
  hkdfExpand: (pseudoRandomKey, info, length) => expand(hmacSha256, pseudoRandomKey, info, length),
  aesEcb,
  aesGcm,
  x25519,
  mlKem768,
  generateRsaKey,
  rsaPublicKey,
  rsaPrivateKey,
};

function randomBytes(length: number): Uint8Array {
  requireCount('number of random bytes', length, 2 ** 31 - 1);
  return randomFillSync(new Uint8Array(length));
}

function hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array {
  return plain(createHmac('sha256', key).update(data).digest());
}

/** One cipher object a direction serves all calls: without padding or chaining it holds nothing back between them. */
function aesEcb(key: Uint8Array): BlockCipher {
  requireLength('AES key', key, 16, 24, 32);
  const secret = createSecretKey(key);
  const algorithm = `aes-${8 * key.length}-ecb`;
  let cipher: ReturnType<typeof createCipheriv> | undefined;
  let decipher: ReturnType<typeof createDecipheriv> | undefined;
  return {
    encrypt(blocks) {
      requireWholeBlocks(blocks);
      cipher ??= createCipheriv(algorithm, secret, null).setAutoPadding(false);
      return plain(cipher.update(blocks));
    },
    decrypt(blocks) {
      requireWholeBlocks(blocks);
      decipher ??= createDecipheriv(algorithm, secret, null).setAutoPadding(false);
      return plain(decipher.update(blocks));
    },
  };
}

/** Without it Node takes truncated tags. */
const FULL_TAG = { authTagLength: 16 } as const;

function aesGcm(key: Uint8Array): Aead {
  requireLength('AES-256-GCM key', key, 32);
  const secret = createSecretKey(key);
  return {
    seal(nonce, associatedData, plaintext) {
      requireLength('nonce', nonce, 12);
      const cipher = createCipheriv('aes-256-gcm', secret, nonce, FULL_TAG);
      if (associatedData.length > 0) cipher.setAAD(associatedData);
      const pieces: Uint8Array[] = [];
      for (const piece of plaintext) if (piece.length > 0) pieces.push(plain(cipher.update(piece)));
      cipher.final();
      pieces.push(plain(cipher.getAuthTag()));
      return pieces;
    },
    open(nonce, associatedData, ciphertext) {
      const pieces = openGcm(secret, nonce, associatedData, ciphertext, ciphertext.length);
      return pieces === null ? null : (pieces[0] as Uint8Array);
    },
    openInPieces(nonce, associatedData, ciphertext, pieceLength) {
      return openGcm(secret, nonce, associatedData, ciphertext, pieceLength);
    },
  };
}

/** Nothing of the pieces leaves before the tag over all of them is verified. */
function openGcm(
  secret: KeyObject,
  nonce: Uint8Array,
  associatedData: Uint8Array,
  ciphertext: Uint8Array,
  pieceLength: number,
): Uint8Array[] | null {
  requireLength('nonce', nonce, 12);
  const end = ciphertext.length - 16;
  if (end < 0) return null;
  const decipher = createDecipheriv('aes-256-gcm', secret, nonce, FULL_TAG);
  if (associatedData.length > 0) decipher.setAAD(associatedData);
  decipher.setAuthTag(ciphertext.subarray(end));
  const pieces: Uint8Array[] = [];
  let at = 0;
  do {
    const next = Math.min(end, at + pieceLength);
    pieces.push(plain(decipher.update(ciphertext.subarray(at, next))));
    at = next;
  } while (at < end);
  return nullIf(/unable to authenticate data$/, () => {
    decipher.final();
    return pieces;
  });
}

async function mlKem768(): Promise<KeyEncapsulation> {
  if (nativeMlKem768 !== undefined) return nativeMlKem768;
  const borrowed = await import('./borrowed.js');
  return borrowed.mlKem768(randomBytes);
}
