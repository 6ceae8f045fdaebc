import type { Backend, KeyEncapsulation } from '../src/backend.js';
import { nobleHashes } from './noble-hashes.js';
import { checkPublicNumbers } from './rsa-public-numbers.js';
import { LoadedChaCha } from './web-chacha.js';
import { type Subtle, subtle } from './web-crypto.js';
import { WebGcm } from './web-gcm.js';
import { load, noImmediateForm } from './web-loading.js';
import { mlKem768Later } from './web-ml-kem.js';
import { generateRsaKey, platformPrivateKey, platformPublicKey } from './web-rsa.js';
import { x25519Later } from './web-x25519.js';

export { loadBy } from './web-loading.js';

/** What the web backend takes from other libraries. */
export const webFallbacks: Backend['fallbacks'] = {
  chaCha20Poly1305: '@noble/ciphers',
  x25519: '@noble/curves',
  mlKem768: '@noble/post-quantum',
};

/** ML-KEM-768 in JavaScript, which is two pieces of code. */
export function loadMlKem768(): Promise<KeyEncapsulation> {
  return load(import('./fallbacks-ml-kem.js').then(({ mlKem768 }) => mlKem768(nobleHashes.randomBytes)));
}

/**
 * As much of the web backend as sealed clients need on a platform with Web Cryptography: most of it in its later form
 * alone, and no more JavaScript than hashes. A page does not load for its client what only others need.
 */
export const webClient: Backend = {
  ...nobleHashes,
  name: 'web',
  native: false,
  fallbacks: webFallbacks,
  preferredAead: 'aesGcm',
  aesEcb: missing,
  aesGcm: (key) => new WebGcm(key),
  chaCha20Poly1305: (key) => new LoadedChaCha(key),
  x25519: missing,
  x25519Later,
  mlKem768: loadMlKem768,
  mlKem768Later,
  generateRsaKey,
  rsaPublicKey: (numbers) => ({
    modulusLength: checkPublicNumbers(numbers),
    encryptPkcs1: missing,
    encryptOaep: missing,
    verifyPss: missing,
    later: platformPublicKey(subtle as Subtle, numbers),
  }),
  // whether its numbers belong together is seen where a key is read and at its first use, by code that most pages need not have
  rsaPrivateKey: (numbers) => platformPrivateKey(subtle as Subtle, numbers, checkPublicNumbers(numbers)),
};

/** Whether the platform has what {@link webClient} needs: pages have it over https, and from localhost. */
export const isWebClientEnough: boolean = subtle !== undefined;

function missing(): never {
  throw noImmediateForm();
}
