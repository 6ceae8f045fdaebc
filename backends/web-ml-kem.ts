import type { Encapsulated, LaterDecapsulationKey, LaterKeyEncapsulation } from '../src/backend.js';
import { type KemSubtle, nodeMajor, subtle } from './web-crypto.js';
import { load } from './web-loading.js';

/**
 * ML-KEM-768 of the platform, `undefined` where it has none. Asked by `SubtleCrypto.supports`, which is there where ML-KEM
 * is, and answers at once. Node warns of both, and has ML-KEM in node:crypto. A page does not load what it is made of
 * where it is not used.
 */
export const mlKem768Later: LaterKeyEncapsulation | undefined =
  nodeMajor === undefined && isSupported() ? { keyPair: makeKeyPair, encapsulate } : undefined;

function isSupported(): boolean {
  const { SubtleCrypto } = globalThis as {
    SubtleCrypto?: { supports?(operation: string, algorithm: object): boolean };
  };
  return subtle !== undefined && SubtleCrypto?.supports?.('encapsulateBits', { name: 'ML-KEM-768' }) === true;
}

/** What is given is the caller's again after the call, before anything is loaded; what is loaded copies it in turn. */
async function makeKeyPair(seed?: Uint8Array): Promise<LaterDecapsulationKey> {
  const own = seed && new Uint8Array(seed);
  const pair = (await loadMlKem()).keyPair(own);
  own?.fill(0);
  return pair;
}

async function encapsulate(encapsulationKey: Uint8Array): Promise<Encapsulated | null> {
  const own = new Uint8Array(encapsulationKey);
  return (await loadMlKem()).encapsulate(own);
}

async function loadMlKem(): Promise<LaterKeyEncapsulation> {
  const { platformMlKem768 } = await load(import('./web-platform-ml-kem.js'));
  return platformMlKem768(subtle as KemSubtle);
}
