import type { KeyEncapsulation, LaterKeyEncapsulation } from '../../src/backend.js';

/** ML-KEM as of a platform that computes elsewhere, whatever runs the tests. */
export function laterKem(kem: KeyEncapsulation): LaterKeyEncapsulation {
  return {
    keyPair: async (seed) => {
      const { encapsulationKey, ...key } = kem.keyPair(seed);
      const wipe = key.wipe && { wipe: () => key.wipe?.() };
      return { encapsulationKey, decapsulate: async (ciphertext) => key.decapsulate(ciphertext), ...wipe };
    },
    encapsulate: async (encapsulationKey) => kem.encapsulate(encapsulationKey),
  };
}
