/**
 * The backend over the Web Cryptography API, for browsers, workers, Deno and edge runtimes: RSA, X25519, ML-KEM-768 and
 * records are the platform's where it has them, off the main thread where it does that. What the platform does not have, or
 * has in no synchronous form where one is needed, is JavaScript of @noble, which is not constant-time: hashes,
 * ChaCha20-Poly1305, and the small records of a server.
 *
 * @module secure-sockets/backends/web
 */

import type { Aead, Backend, RsaPrivateKey, RsaPublicKey } from '../src/backend.js';
import { noble } from './noble.js';
import { checkPrivateNumbers } from './rsa-numbers.js';
import { markShipped } from './shipped.js';
import { loadMlKem768, webFallbacks } from './web-client.js';
import { subtle } from './web-crypto.js';
import { WebGcm } from './web-gcm.js';
import { mlKem768Later } from './web-ml-kem.js';
import { generateRsaKey, platformPrivateKey, platformPublicKey } from './web-rsa.js';
import { x25519Later } from './web-x25519.js';

/** The Web Cryptography backend, the default where there is no node:crypto. */
export const web: Backend = /* @__PURE__ */ markShipped({
  ...noble,
  name: 'web',
  fallbacks: webFallbacks,
  preferredAead: 'aesGcm',
  aesGcm: (key: Uint8Array): Aead => new WebGcm(key, noble.aesGcm),
  x25519Later,
  mlKem768: loadMlKem768,
  mlKem768Later,
  generateRsaKey,
  rsaPublicKey(numbers): RsaPublicKey {
    const key = noble.rsaPublicKey(numbers);
    return subtle ? { ...key, later: platformPublicKey(subtle, numbers) } : key;
  },
  rsaPrivateKey: (numbers): RsaPrivateKey =>
    subtle ? platformPrivateKey(subtle, numbers, checkPrivateNumbers(numbers)) : noble.rsaPrivateKey(numbers),
});
