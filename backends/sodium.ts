/**
 * The backend over libsodium (sodium-native) and node:crypto: ChaCha20-Poly1305, X25519 and SHA-256 of the first, RSA,
 * AES, ML-KEM and random bytes of the second. Native and constant-time. A record costs no object here, and a handshake
 * a third less: take it for servers with many connections that talk in small messages.
 *
 * @module secure-sockets/backends/sodium
 */
import library from 'sodium-native';
import type { Backend, KeyAgreement } from '../src/backend.js';
import { nullIf, requireLength } from './checks.js';
import { expand } from './hkdf.js';
import { hmacOver } from './hmac.js';
import { node } from './node.js';
import { markShipped } from './shipped.js';
import { SodiumAead } from './sodium-aead.js';

const hmacSha256 = hmacOver((output, input) => library.crypto_hash_sha256(output, input));

/** The libsodium backend. sodium-native is an optional peer dependency: install it beside this package. */
export const sodium: Backend = /* @__PURE__ */ markShipped({
  ...node,
  name: 'sodium',
  preferredAead: 'chaCha20Poly1305',
  lacks: [],
  sha256,
  hmacSha256,
  hkdfExtract: hmacSha256,
  hkdfExpand: (pseudoRandomKey, info, length) => expand(hmacSha256, pseudoRandomKey, info, length),
  chaCha20Poly1305: (key) => new SodiumAead(key, makeLarge),
  x25519,
});

/** Bun has the cipher from libsodium alone. */
const makeLarge = node.lacks?.includes('chaCha20Poly1305') ? undefined : node.chaCha20Poly1305;

// What is given to the library for the first time is moved by Node to memory that does not move: not worth it for a few bytes.
const digest = new Uint8Array(32);

function sha256(data: Uint8Array): Uint8Array {
  library.crypto_hash_sha256(digest, data);
  const result = digest.slice();
  digest.fill(0);
  return result;
}

function x25519(given?: Uint8Array): KeyAgreement {
  const secret = given === undefined ? node.randomBytes(32) : Uint8Array.from(given);
  requireLength('X25519 private key', secret, 32);
  const publicKey = new Uint8Array(32);
  library.crypto_scalarmult_base(publicKey, secret);
  return {
    publicKey,
    agree(peerPublicKey) {
      requireLength('X25519 public key', peerPublicKey, 32);
      const shared = new Uint8Array(32);
      return nullIf(/^status: -1$/, () => {
        library.crypto_scalarmult(shared, secret, peerPublicKey);
        return shared;
      });
    },
    wipe: () => void secret.fill(0),
  };
}
