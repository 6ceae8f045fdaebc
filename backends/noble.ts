/**
 * The backend over @noble/ciphers, @noble/hashes, @noble/curves and @noble/post-quantum, with RSA padding and primes
 * of micro-rsa-dsa-dh. JavaScript without any dependency on the platform but its random source: not constant-time,
 * so do not use it for a server on a network; RSA private operations take 10 to 100 ms each and hold up the event loop.
 *
 * @module secure-sockets/backends/noble
 */
import { ecb, gcm } from '@noble/ciphers/aes.js';
import { concatBytes, equalBytes } from '@noble/ciphers/utils.js';
import { expand, extract } from '@noble/hashes/hkdf.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { randomBytes as fewRandomBytes } from '@noble/hashes/utils.js';
import type { Aead, Backend, BlockCipher } from '../src/backend.js';
import { nullIf, requireCount, requireLength, requireWholeBlocks } from './checks.js';
import * as fallbacks from './fallbacks.js';
import { generateRsaKey, rsaPrivateKey, rsaPublicKey } from './noble-rsa.js';
import { joinRecord, NONE } from './pieces.js';

/** The backend over the `@noble` packages. */
export const noble: Backend = {
  name: 'noble',
  native: false,
  fallbacks: {},
  preferredAead: 'chaCha20Poly1305',
  randomBytes,
  equal: equalBytes,
  sha256: (data) => sha256(data),
  hmacSha256: (key, data) => hmac(sha256, key, data),
  hkdfExtract: (salt, inputKeyMaterial) => extract(sha256, inputKeyMaterial, salt),
  hkdfExpand(pseudoRandomKey, info, length) {
    requireCount('HKDF output length', length, 255 * 32);
    return expand(sha256, pseudoRandomKey, info, length);
  },
  aesEcb,
  aesGcm,
  chaCha20Poly1305: fallbacks.chaCha20Poly1305,
  x25519: (privateKey) => fallbacks.x25519(privateKey ? Uint8Array.from(privateKey) : randomBytes(32)),
  mlKem768: () => fallbacks.mlKem768(randomBytes),
  generateRsaKey,
  rsaPublicKey,
  rsaPrivateKey,
};

/** Browsers give at most this many random bytes a call. */
const RANDOM_QUOTA = 65_536;

function randomBytes(length: number): Uint8Array {
  requireCount('number of random bytes', length, 2 ** 31 - 1);
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += RANDOM_QUOTA)
    bytes.set(fewRandomBytes(Math.min(RANDOM_QUOTA, length - at)), at);
  return bytes;
}

function aesEcb(key: Uint8Array): BlockCipher {
  requireLength('AES key', key, 16, 24, 32);
  const secret = key.slice();
  const run = (direction: 'encrypt' | 'decrypt', blocks: Uint8Array): Uint8Array => {
    requireWholeBlocks(blocks);
    // An object encrypts once and then refuses.
    return ecb(secret, { disablePadding: true })[direction](blocks);
  };
  return { encrypt: (blocks) => run('encrypt', blocks), decrypt: (blocks) => run('decrypt', blocks) };
}

function aesGcm(key: Uint8Array): Aead {
  requireLength('AES-256-GCM key', key, 32);
  const secret = Uint8Array.from(key);
  return {
    seal(nonce, associatedData, plaintext, prefix = NONE) {
      requireLength('nonce', nonce, 12);
      const whole = plaintext.length === 1 ? (plaintext[0] as Uint8Array) : concatBytes(...plaintext);
      return joinRecord(prefix, [gcm(secret, nonce, associatedData).encrypt(whole)]);
    },
    open(nonce, associatedData, ciphertext) {
      requireLength('nonce', nonce, 12);
      if (ciphertext.length < 16) return null;
      return nullIf(/invalid tag$/, () => gcm(secret, nonce, associatedData).decrypt(ciphertext));
    },
    wipe: () => void secret.fill(0),
  };
}
