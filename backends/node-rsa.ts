import crypto, {
  constants,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type JsonWebKey,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
  sign,
  verify,
  webcrypto,
} from 'node:crypto';
import { promisify } from 'node:util';
import type { RsaPrivateKey, RsaPrivateNumbers, RsaPublicKey, RsaPublicNumbers } from '../src/backend.js';
import { decryptionFailed, requirePssRoom, requireRepresentative, requireRoom } from './checks.js';
import { fromBase64url, plain, toBase64url } from './node-bytes.js';
import { checkModulusLength, checkPrivateNumbers, mapNumbers } from './rsa-numbers.js';
import { checkPublicNumbers } from './rsa-public-numbers.js';

/** A new key, made in the thread pool. */
export async function generateRsaKey(modulusLength: number): Promise<RsaPrivateNumbers> {
  checkModulusLength(modulusLength);
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength, publicExponent: 65537 });
  // out by DER and in again: the export of a generated key as JWK may stand still for ever (see node-agreement.ts)
  const key = privateKey.export({ format: 'der', type: 'pkcs8' });
  const jwk = createPrivateKey({ key, format: 'der', type: 'pkcs8' }).export({ format: 'jwk' });
  key.fill(0);
  return mapNumbers(jwk as PrivateJwk, fromBase64url);
}

/** Public operations over a key imported once; as JWK in about 10 us, where DER costs 230 on Node 20. */
export function rsaPublicKey(numbers: RsaPublicNumbers): RsaPublicKey {
  const modulusLength = checkPublicNumbers(numbers);
  const k = numbers.n.length;
  const jwk = { kty: 'RSA', n: toBase64url(numbers.n), e: toBase64url(numbers.e) };
  const key = createPublicKey({ key: jwk, format: 'jwk' });
  return {
    modulusLength,
    encryptPkcs1(message) {
      requireRoom(message, k - 11);
      return plain(publicEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, message));
    },
    encryptOaep(message, label) {
      requireRoom(message, k - 66);
      return plain(publicEncrypt({ key, ...OAEP, oaepLabel: label }, message));
    },
    // OpenSSL also takes a signature that lacks leading zero bytes.
    verifyPss: (message, signature) =>
      signature.length === k && verify('sha256', message, { key, ...PSS }, signature),
  };
}

/** Private operations in the thread pool, except `decryptRaw` before Node 24.7. */
export function rsaPrivateKey(numbers: RsaPrivateNumbers): RsaPrivateKey {
  const modulusLength = checkPrivateNumbers(numbers);
  const n = new Uint8Array(numbers.n);
  const key = importPrivate({ kty: 'RSA', ...mapNumbers(numbers, toBase64url) });
  const rawKey = alternate(() => importPrivate(key.export({ format: 'jwk' })));
  const oaepKey = alternate(() => importForOaep(key.export({ format: 'jwk' })));
  return {
    modulusLength,
    async decryptRaw(ciphertext) {
      requireRepresentative(ciphertext, n);
      if (decapsulate === undefined) return decryptNow(key, ciphertext);
      const copy = new Uint8Array(ciphertext);
      return decryptSoon(await rawKey(), copy);
    },
    async decryptOaep(ciphertext, label) {
      if (ciphertext.length !== n.length) throw decryptionFailed();
      const parameters = { name: 'RSA-OAEP', label: new Uint8Array(label) };
      const copy = new Uint8Array(ciphertext);
      return subtle.decrypt(parameters, await oaepKey(), copy).then(
        (message) => new Uint8Array(message),
        () => Promise.reject(decryptionFailed()),
      );
    },
    async signPss(message) {
      requirePssRoom(modulusLength);
      return plain(await promisify(sign)('sha256', message, { key, ...PSS }));
    },
  };
}

type PrivateJwk = Record<keyof RsaPrivateNumbers, string>;

const { subtle } = webcrypto;
const OAEP = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' } as const;
const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 } as const;

type Done = (error: Error | null, sharedKey: Uint8Array) => void;
type Decapsulate = (key: KeyObject, ciphertext: Uint8Array, done: Done) => void;

/** There from Node 24.7 on, and unknown to @types/node of the lowest supported Node. */
const { decapsulate } = crypto as { readonly decapsulate?: Decapsulate };

function importPrivate(key: JsonWebKey): KeyObject {
  return createPrivateKey({ key, format: 'jwk' });
}

function importForOaep(jwk: JsonWebKey): Promise<webcrypto.CryptoKey> {
  return subtle.importKey('jwk', jwk, { name: 'RSA-OAEP', hash: 'SHA-256' }, false, ['decrypt']);
}

/**
 * Two copies of a key in turn, each made at its first use: operations on one copy wait for each other in the thread
 * pool, on two they do not (1.5 to 1.9 times as many a second on 2 cores).
 */
function alternate<Key>(make: () => Key | Promise<Key>): () => Promise<Key> {
  const keys: Key[] = [];
  let turn = 0;
  return async () => {
    turn = 1 - turn;
    const index = turn;
    // what has come is kept, and not what is to come: what failed once is tried again
    const key = keys[index] ?? (await make());
    keys[index] = key;
    return key;
  };
}

/** `privateDecrypt` has no asynchronous form. */
function decryptNow(key: KeyObject, ciphertext: Uint8Array): Uint8Array {
  return plain(privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, ciphertext));
}

/** For an RSA key decapsulation is RSASVE (NIST SP 800-56B 7.2.1.3), which is RSADP and nothing else. */
function decryptSoon(key: KeyObject, ciphertext: Uint8Array): Promise<Uint8Array> {
  return promisify(decapsulate as Decapsulate)(key, ciphertext).then(
    plain,
    // It refuses 0, 1 and n-1, for which RSADP has a result.
    () => decryptNow(key, ciphertext),
  );
}
