/**
 * The backend over @noble/ciphers, @noble/hashes, @noble/curves and @noble/post-quantum, with RSA padding and primes
 * of micro-rsa-dsa-dh. JavaScript without any dependency on the platform but its random source: not constant-time,
 * so do not use it for a server on a network; RSA private operations take 10 to 100 ms each and hold up the event loop.
 *
 * @module secure-sockets/backends/noble
 */
import { ecb, gcm } from '@noble/ciphers/aes.js';
import { concatBytes } from '@noble/ciphers/utils.js';
import type { Aead, Backend, BlockCipher } from '../src/backend.js';
import { nullIf, requireLength, requireNonce, requireWholeBlocks } from './checks.js';
import * as fallbacks from './fallbacks.js';
import { mlKem768 } from './fallbacks-ml-kem.js';
import { nobleHashes } from './noble-hashes.js';
import { generateRsaKey, rsaPrivateKey, rsaPublicKey } from './noble-rsa.js';
import { joinRecord, NONE } from './pieces.js';
import { markShipped } from './shipped.js';

/** The backend over the `@noble` packages. */
export const noble: Backend = /* @__PURE__ */ markShipped({
  name: 'noble',
  native: false,
  fallbacks: {},
  preferredAead: 'chaCha20Poly1305',
  ...nobleHashes,
  aesEcb,
  aesGcm,
  chaCha20Poly1305: fallbacks.chaCha20Poly1305,
  x25519: (privateKey) =>
    fallbacks.x25519(privateKey ? Uint8Array.from(privateKey) : nobleHashes.randomBytes(32)),
  mlKem768: () => mlKem768(nobleHashes.randomBytes),
  generateRsaKey,
  rsaPublicKey,
  rsaPrivateKey,
});

function aesEcb(key: Uint8Array): BlockCipher {
  requireLength('AES key', key, 16, 24, 32);
  const secret = new Uint8Array(key);
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
      requireNonce(nonce);
      const whole = plaintext.length === 1 ? (plaintext[0] as Uint8Array) : concatBytes(...plaintext);
      return joinRecord(prefix, [gcm(secret, nonce, associatedData).encrypt(whole)]);
    },
    open(nonce, associatedData, ciphertext) {
      requireNonce(nonce);
      if (ciphertext.length < 16) return null;
      return nullIf(/invalid tag$/, () => gcm(secret, nonce, associatedData).decrypt(ciphertext));
    },
    wipe: () => void secret.fill(0),
  };
}
