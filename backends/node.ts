/**
 * The backend over node:crypto: native, constant-time where OpenSSL is, RSA private operations off the main thread
 * where Node has a way.
 *
 * @module secure-sockets/backends/node
 */
import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  getCipherInfo,
  hash,
  randomFillSync,
  timingSafeEqual,
} from 'node:crypto';
import type { Backend, BlockCipher, KeyEncapsulation } from '../src/backend.js';
import { requireCount, requireLength, requireWholeBlocks } from './checks.js';
import { expand } from './hkdf.js';
import { hmacOver } from './hmac.js';
import { NodeAead } from './node-aead.js';
import { nativeMlKem768, x25519 } from './node-agreement.js';
import { plain } from './node-bytes.js';
import { isAesFast } from './node-processor.js';
import { generateRsaKey, rsaPrivateKey, rsaPublicKey } from './node-rsa.js';
import { markShipped } from './shipped.js';
import { mlKem768Later } from './web-ml-kem.js';

/**
 * Over `hash`, which makes no object: `createHmac` makes one for each of the thirty MACs of a handshake, which costs a tenth of
 * it in the first place and more when they are collected.
 */
const hmacSha256 = hmacOver((output, input) => {
  const digest = hash('sha256', input, 'buffer');
  output.set(digest);
  digest.fill(0);
});

/** The node:crypto backend, the default on Node. */
export const node: Backend = /* @__PURE__ */ markShipped({
  name: 'node',
  native: true,
  fallbacks: nativeMlKem768 === undefined ? { mlKem768: '@noble/post-quantum' } : {},
  // Bun's library has none
  lacks: getCipherInfo('chacha20-poly1305') === undefined ? ['chaCha20Poly1305'] : [],
  preferredAead: isAesFast() ? 'aesGcm' : 'chaCha20Poly1305',
  randomBytes,
  equal: (a, b) => a.length === b.length && timingSafeEqual(a, b),
  sha256: (data) => plain(hash('sha256', data, 'buffer')),
  hmacSha256,
  hkdfExtract: hmacSha256,
  hkdfExpand: (pseudoRandomKey, info, length) => expand(hmacSha256, pseudoRandomKey, info, length),
  aesEcb,
  aesGcm: (key) => new NodeAead('aes-256-gcm', key),
  chaCha20Poly1305: (key) => new NodeAead('chacha20-poly1305', key),
  x25519,
  mlKem768,
  // Bun and Deno have it in Web Cryptography alone
  mlKem768Later: nativeMlKem768 === undefined ? mlKem768Later : undefined,
  generateRsaKey,
  rsaPublicKey,
  rsaPrivateKey,
});

function randomBytes(length: number): Uint8Array {
  requireCount('number of random bytes', length, 2 ** 31 - 1);
  return randomFillSync(new Uint8Array(length));
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

async function mlKem768(): Promise<KeyEncapsulation> {
  if (nativeMlKem768 !== undefined) return nativeMlKem768;
  const fallback = await import('./fallbacks-ml-kem.js');
  return fallback.mlKem768(randomBytes);
}
