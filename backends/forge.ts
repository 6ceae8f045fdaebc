/**
 * The backend over node-forge, with X25519, ML-KEM-768 and ChaCha20-Poly1305 fallbacks from @noble. JavaScript: not
 * constant-time, so do not use it for a server on a network; RSA private operations take 50 to 400 ms each and hold up
 * the event loop.
 *
 * @module secure-sockets/backends/forge
 */
import forgeLibrary from 'node-forge';
import type { Aead, Backend, BlockCipher } from '../src/backend.js';
import { requireCount, requireLength, requireNonce, requireWholeBlocks } from './checks.js';
import { equal } from './equal.js';
import * as fallbacks from './fallbacks.js';
import { mlKem768 } from './fallbacks-ml-kem.js';
import { digest, drain, fromBinary, toBinary, updateInto } from './forge-bytes.js';
import { generateRsaKey, rsaPrivateKey, rsaPublicKey } from './forge-rsa.js';
import { expand } from './hkdf.js';
import { lengthOf, NONE, write } from './pieces.js';
import { markShipped } from './shipped.js';

/** The node-forge backend. node-forge is an optional peer dependency: install it beside this package. */
export const forge: Backend = /* @__PURE__ */ markShipped({
  name: 'forge',
  native: false,
  fallbacks: {
    x25519: '@noble/curves',
    mlKem768: '@noble/post-quantum',
    chaCha20Poly1305: '@noble/ciphers',
  },
  preferredAead: 'chaCha20Poly1305',
  randomBytes,
  equal,
  sha256: (data) => digest(forgeLibrary.md.sha256.create(), data),
  hmacSha256,
  hkdfExtract: hmacSha256,
  hkdfExpand: (pseudoRandomKey, info, length) => expand(hmacSha256, pseudoRandomKey, info, length),
  aesEcb,
  aesGcm,
  chaCha20Poly1305: fallbacks.chaCha20Poly1305,
  x25519: (privateKey) => fallbacks.x25519(privateKey ? Uint8Array.from(privateKey) : randomBytes(32)),
  mlKem768: () => mlKem768(randomBytes),
  generateRsaKey,
  rsaPublicKey,
  rsaPrivateKey,
});

function randomBytes(length: number): Uint8Array {
  requireCount('number of random bytes', length, 2 ** 31 - 1);
  return fromBinary(forgeLibrary.random.getBytesSync(length));
}

function hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array {
  const hmac = forgeLibrary.hmac.create();
  hmac.start('sha256', toBinary(key));
  return digest(hmac, data);
}

function aesEcb(key: Uint8Array): BlockCipher {
  requireLength('AES key', key, 16, 24, 32);
  const cipher = forgeLibrary.cipher.createCipher('AES-ECB', toBinary(key));
  const decipher = forgeLibrary.cipher.createDecipher('AES-ECB', toBinary(key));
  return {
    encrypt: (blocks) => wholeBlocks(cipher, blocks),
    decrypt: (blocks) => wholeBlocks(decipher, blocks),
  };
}

/** Never calls `finish`, which would pad. */
function wholeBlocks(cipher: forgeLibrary.cipher.BlockCipher, blocks: Uint8Array): Uint8Array {
  requireWholeBlocks(blocks);
  cipher.start();
  const output = new Uint8Array(blocks.length);
  updateInto(cipher, blocks, output);
  return output;
}

function aesGcm(key: Uint8Array): Aead {
  requireLength('AES-256-GCM key', key, 32);
  const cipher = forgeLibrary.cipher.createCipher('AES-GCM', toBinary(key));
  const decipher = forgeLibrary.cipher.createDecipher('AES-GCM', toBinary(key));
  return {
    seal(nonce, associatedData, plaintext, prefix = NONE) {
      cipher.start(gcmOptions(nonce, associatedData));
      const end = prefix.length + lengthOf(plaintext);
      const record = new Uint8Array(end + 16);
      write([prefix, ...plaintext], record, 0);
      const text = record.subarray(prefix.length, end);
      const written = updateInto(cipher, text, text);
      cipher.finish();
      drain(cipher, text, written);
      record.set(fromBinary(cipher.mode.tag.getBytes()), end);
      return [record];
    },
    open(nonce, associatedData, ciphertext) {
      const options = gcmOptions(nonce, associatedData);
      const end = ciphertext.length - 16;
      if (end < 0) return null;
      decipher.start({ ...options, tag: forgeLibrary.util.createBuffer(toBinary(ciphertext.subarray(end))) });
      const output = new Uint8Array(end);
      const written = updateInto(decipher, ciphertext.subarray(0, end), output);
      if (!decipher.finish()) return null;
      drain(decipher, output, written);
      return output;
    },
  };
}

function gcmOptions(nonce: Uint8Array, associatedData: Uint8Array): forgeLibrary.cipher.StartOptions {
  requireNonce(nonce);
  return { iv: toBinary(nonce), additionalData: toBinary(associatedData), tagLength: 128 };
}
