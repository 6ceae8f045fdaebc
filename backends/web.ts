/**
 * The backend over the Web Cryptography API, for browsers, workers, Deno and edge runtimes: RSA, X25519 and large records
 * are the platform's, off the main thread where it does that. What the platform has in no synchronous form is JavaScript
 * of @noble, which is not constant-time: small records, hashes, and operations with public keys.
 *
 * @module secure-sockets/backends/web
 */
import type { Aead, Backend } from '../src/backend.js';
import * as fallbacks from './fallbacks.js';
import { noble } from './noble.js';
import { WebGcm } from './web-gcm.js';
import { generateRsaKey, rsaPrivateKey } from './web-rsa.js';

/** The Web Cryptography backend, the default where there is no node:crypto. */
export const web: Backend = {
  ...noble,
  name: 'web',
  fallbacks: {
    chaCha20Poly1305: '@noble/ciphers',
    x25519: '@noble/curves',
    mlKem768: '@noble/post-quantum',
  },
  preferredAead: 'aesGcm',
  aesGcm: (key: Uint8Array): Aead => new WebGcm(key),
  chaCha20Poly1305: fallbacks.chaCha20Poly1305,
  generateRsaKey,
  rsaPrivateKey,
};
