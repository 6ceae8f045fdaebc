import { x25519 as curve } from '@noble/curves/ed25519.js';
import type { KeyAgreement, KeyEncapsulation } from '../src/backend.js';
import { nullIf, requireLength } from './checks.js';

/** X25519 of @noble/curves. */
export function x25519(privateKey: Uint8Array): KeyAgreement {
  requireLength('X25519 private key', privateKey, 32);
  const secret = privateKey.slice();
  return {
    publicKey: curve.getPublicKey(secret),
    agree(peerPublicKey) {
      requireLength('X25519 public key', peerPublicKey, 32);
      return nullIf(/^invalid private or public key/, () => curve.getSharedSecret(secret, peerPublicKey));
    },
  };
}

/** ML-KEM-768 of @noble/post-quantum, which is loaded by the first call. */
export async function mlKem768(randomBytes: (length: number) => Uint8Array): Promise<KeyEncapsulation> {
  const { ml_kem768: kem } = await import('@noble/post-quantum/ml-kem.js');
  return {
    keyPair(seed = randomBytes(64)) {
      requireLength('ML-KEM-768 seed', seed, 64);
      const { publicKey, secretKey } = kem.keygen(seed);
      return {
        encapsulationKey: publicKey,
        decapsulate(ciphertext) {
          requireLength('ML-KEM-768 ciphertext', ciphertext, 1088);
          return kem.decapsulate(ciphertext, secretKey).slice();
        },
      };
    },
    encapsulate(encapsulationKey) {
      requireLength('ML-KEM-768 encapsulation key', encapsulationKey, 1184);
      return nullIf(/wrong publicKey modulus$/, () => {
        const { cipherText, sharedSecret } = kem.encapsulate(encapsulationKey, randomBytes(32));
        return { ciphertext: cipherText, sharedSecret: sharedSecret.slice() };
      });
    },
  };
}
