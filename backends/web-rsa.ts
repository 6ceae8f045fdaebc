import type {
  LaterRsaPublicKey,
  RsaPrivateKey,
  RsaPrivateNumbers,
  RsaPublicNumbers,
} from '../src/backend.js';
import { requireRoom } from './checks.js';
import { OAEP, PSS, type Subtle, toBase64url } from './web-crypto.js';
import { load } from './web-loading.js';

/** A new key, made by the platform where it can. */
export async function generateRsaKey(modulusLength: number): Promise<RsaPrivateNumbers> {
  return (await load(import('./web-rsa-private.js'))).generateRsaKey(modulusLength);
}

/**
 * OAEP and PSS by the platform; the raw operation, which it lacks, in JavaScript. All of it is loaded by the first of them,
 * and checks the numbers again: the caller may do with less, and says how many bits the modulus has.
 */
export function platformPrivateKey(
  platform: Subtle,
  numbers: RsaPrivateNumbers,
  modulusLength: number,
): RsaPrivateKey {
  const own = structuredClone(numbers);
  let key: RsaPrivateKey | undefined;
  // the key is kept and not the promise: a network that failed once is asked again
  const loadKey = async (): Promise<RsaPrivateKey> => {
    key ??= new (await load(import('./web-rsa-private.js'))).PlatformKey(platform, own);
    return key;
  };
  return {
    modulusLength,
    async decryptRaw(ciphertext) {
      const copy = new Uint8Array(ciphertext);
      return (await loadKey()).decryptRaw(copy);
    },
    async decryptOaep(ciphertext, label) {
      const [copy, ownLabel] = [new Uint8Array(ciphertext), new Uint8Array(label)];
      return (await loadKey()).decryptOaep(copy, ownLabel);
    },
    async signPss(message) {
      const copy = new Uint8Array(message);
      return (await loadKey()).signPss(copy);
    },
  };
}

/** OAEP and PSS with a public key by the platform. */
export function platformPublicKey(platform: Subtle, numbers: RsaPublicNumbers): LaterRsaPublicKey {
  const jwk = { kty: 'RSA', n: toBase64url(numbers.n), e: toBase64url(numbers.e) };
  const room = numbers.n.length - 66;
  return {
    async encryptOaep(message, label) {
      requireRoom(message, room);
      const [copy, how] = [new Uint8Array(message), { name: OAEP.name, label: new Uint8Array(label) }];
      const key = await platform.importKey('jwk', jwk, OAEP, false, ['encrypt']);
      const ciphertext = await platform.encrypt(how, key, copy);
      copy.fill(0);
      return new Uint8Array(ciphertext);
    },
    async verifyPss(message, signature) {
      const [given, copy, how] = [
        new Uint8Array(signature),
        new Uint8Array(message),
        { name: PSS.name, saltLength: 32 },
      ];
      const key = await platform.importKey('jwk', jwk, PSS, false, ['verify']);
      return platform.verify(how, key, given, copy);
    },
  };
}
