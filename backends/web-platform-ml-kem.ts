import type { Encapsulated, LaterDecapsulationKey, LaterKeyEncapsulation } from '../src/backend.js';
import { requireLength } from './checks.js';
import { isNamed, type KemSubtle, type WebCryptoKey } from './web-crypto.js';

const ML_KEM_768 = { name: 'ML-KEM-768' };

/** ML-KEM-768 of a platform that has it. Private keys do not leave it. */
export function platformMlKem768(platform: KemSubtle): LaterKeyEncapsulation {
  return {
    async keyPair(seed) {
      const pair = seed ? await fromSeed(platform, seed) : await generate(platform);
      return decapsulationKey(platform, pair);
    },
    async encapsulate(encapsulationKey) {
      requireLength('ML-KEM-768 encapsulation key', encapsulationKey, 1184);
      const given = new Uint8Array(encapsulationKey);
      // The length being right, nothing but the check of FIPS 203 7.2 can fail: at the import (Bun) or when used (Deno).
      const key = await nullIfNamed(
        'DataError',
        platform.importKey('raw-public', given, ML_KEM_768, false, ['encapsulateBits']),
      );
      return key && nullIfNamed('OperationError', encapsulate(platform, key));
    },
  };
}

interface KeyPair {
  readonly publicKey: WebCryptoKey;
  readonly privateKey: WebCryptoKey;
}

function generate(platform: KemSubtle): Promise<KeyPair> {
  return platform.generateKey(ML_KEM_768, false, ['encapsulateBits', 'decapsulateBits']);
}

async function fromSeed(platform: KemSubtle, seed: Uint8Array): Promise<KeyPair> {
  requireLength('ML-KEM-768 seed', seed, 64);
  const own = new Uint8Array(seed);
  const privateKey = await platform.importKey('raw-seed', own, ML_KEM_768, false, ['decapsulateBits']);
  own.fill(0);
  return { privateKey, publicKey: await platform.getPublicKey(privateKey, ['encapsulateBits']) };
}

async function decapsulationKey(
  platform: KemSubtle,
  { publicKey, privateKey }: KeyPair,
): Promise<LaterDecapsulationKey> {
  return {
    encapsulationKey: new Uint8Array(await platform.exportKey('raw-public', publicKey)),
    async decapsulate(ciphertext) {
      requireLength('ML-KEM-768 ciphertext', ciphertext, 1088);
      return new Uint8Array(
        await platform.decapsulateBits(ML_KEM_768, privateKey, new Uint8Array(ciphertext)),
      );
    },
  };
}

async function encapsulate(platform: KemSubtle, key: WebCryptoKey): Promise<Encapsulated> {
  const { ciphertext, sharedKey } = await platform.encapsulateBits(ML_KEM_768, key);
  return { ciphertext: new Uint8Array(ciphertext), sharedSecret: new Uint8Array(sharedKey) };
}

/** `null` for the one failure that is a result; any other rejection is one of the platform. */
async function nullIfNamed<Result>(name: string, computing: Promise<Result>): Promise<Result | null> {
  try {
    return await computing;
  } catch (error) {
    if (isNamed(error, name)) return null;
    throw error;
  }
}
