import type { KeyEncapsulation } from '../src/backend.js';
import { nullIf, requireLength } from './checks.js';

/** ML-KEM-768 of @noble/post-quantum, which is loaded by the first call. */
export async function mlKem768(randomBytes: (length: number) => Uint8Array): Promise<KeyEncapsulation> {
  const { ml_kem768: kem } = await import('@noble/post-quantum/ml-kem.js');
  return {
    keyPair(given) {
      const seed = given ? Uint8Array.from(given) : randomBytes(64);
      requireLength('ML-KEM-768 seed', seed, 64);
      const { publicKey, secretKey } = kem.keygen(seed);
      seed.fill(0);
      return {
        encapsulationKey: publicKey,
        decapsulate(ciphertext) {
          requireLength('ML-KEM-768 ciphertext', ciphertext, 1088);
          return moveSecret(kem.decapsulate(ciphertext, secretKey));
        },
        wipe: () => void secretKey.fill(0),
      };
    },
    encapsulate(encapsulationKey) {
      requireLength('ML-KEM-768 encapsulation key', encapsulationKey, 1184);
      return nullIf(/wrong publicKey modulus$/, () => {
        const random = randomBytes(32);
        const { cipherText, sharedSecret } = kem.encapsulate(encapsulationKey, random);
        random.fill(0);
        return { ciphertext: cipherText, sharedSecret: moveSecret(sharedSecret) };
      });
    },
  };
}

/** A secret that lies in larger memory, in memory of its own. */
function moveSecret(secret: Uint8Array): Uint8Array {
  const own = secret.slice();
  secret.fill(0);
  return own;
}
