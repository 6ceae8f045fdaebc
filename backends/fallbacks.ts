import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { x25519 as curve } from '@noble/curves/ed25519.js';
import type { Aead, KeyAgreement } from '../src/backend.js';
import { nullIf, requireLength, requireNonce } from './checks.js';
import { lengthOf, NONE, write } from './pieces.js';

/** ChaCha20-Poly1305 of @noble/ciphers, which encrypts where it is told to. */
export function chaCha20Poly1305(key: Uint8Array): Aead {
  requireLength('ChaCha20-Poly1305 key', key, 32);
  const secret = Uint8Array.from(key);
  return {
    seal(nonce, associatedData, plaintext, prefix = NONE) {
      requireNonce(nonce);
      const length = lengthOf(plaintext);
      // noble is faster where the text begins at a multiple of four
      const lead = -prefix.length & 3;
      const from = lead + prefix.length;
      const memory = new Uint8Array(from + length + 16);
      write([prefix, ...plaintext], memory, lead);
      const text = memory.subarray(from, from + length);
      chacha20poly1305(secret, nonce, associatedData).encrypt(text, memory.subarray(from));
      return [memory.subarray(lead)];
    },
    open(nonce, associatedData, ciphertext) {
      requireNonce(nonce);
      if (ciphertext.length < 16) return null;
      return nullIf(/invalid tag$/, () =>
        chacha20poly1305(secret, nonce, associatedData).decrypt(ciphertext),
      );
    },
    wipe: () => void secret.fill(0),
  };
}

/** X25519 of @noble/curves. Takes over `secret`. */
export function x25519(secret: Uint8Array): KeyAgreement {
  requireLength('X25519 private key', secret, 32);
  return {
    publicKey: curve.getPublicKey(secret),
    agree(peerPublicKey) {
      requireLength('X25519 public key', peerPublicKey, 32);
      return nullIf(/^invalid private or public key/, () => curve.getSharedSecret(secret, peerPublicKey));
    },
    wipe: () => void secret.fill(0),
  };
}
