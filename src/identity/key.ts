import type {
  Backend,
  RsaPrivateKey,
  RsaPrivateNumbers,
  RsaPublicKey,
  RsaPublicNumbers,
} from '../backend.js';
import { inTime } from '../connection/in-time.js';
import { isArrayBuffer, isBytes } from '../core/bytes.js';
import { decodeSpki, encodeSpki } from '../core/encodings/der.js';
import { checkClassicKey, checkPrivateKey, checkSealedKey } from '../core/encodings/rsa-key.js';
import { reasonOf, SecureSocketError } from '../errors.js';
import { bitLength } from '../numbers.js';
import type { IdentityRole } from './roles.js';

/** A key and its role, as an identity is made of it. The private half is numbers, or a way to use it. */
export type KeyMaterial = NumberedKey | OperatedKey;

/** A key whose numbers are at hand. */
export interface NumberedKey {
  readonly role: IdentityRole;
  readonly numbers: RsaPrivateNumbers;
}

/** A key that is held and used elsewhere: by the platform, a hardware module or an agent. */
export interface OperatedKey {
  readonly role: 'server' | 'client';
  readonly spki: Uint8Array;
  readonly operations: KeyOperations;
  /** The platform's own objects, if it is the platform that keeps the key. */
  readonly keyPair?: WebKeyPair;
}

/** What a key is used for: a client's signs, a server's decrypts. */
export interface KeyOperations {
  readonly sign?: Signer['sign'];
  readonly decrypt?: Decrypter['decrypt'];
}

/** A client's key that is kept elsewhere, such as in a hardware module or an agent. */
export interface Signer {
  /** The public key as SubjectPublicKeyInfo: DER, or PEM. */
  readonly spki: Uint8Array | string;
  /**
   * The signature of a message: RSASSA-PSS (RFC 8017 8.1.1) with SHA-256, MGF1 with SHA-256, and 32 bytes of salt. It
   * is verified before it is used.
   */
  sign(message: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

/** A server's key that is kept elsewhere, such as in a hardware module. */
export interface Decrypter {
  /** The public key as SubjectPublicKeyInfo: DER, or PEM. */
  readonly spki: Uint8Array | string;
  /**
   * What a ciphertext holds: RSAES-OAEP (RFC 8017 7.1.2) with SHA-256, MGF1 with SHA-256, and this label. `null` for
   * one that cannot be decrypted, which a peer may have sent on purpose; a rejection says that the key cannot be
   * used.
   */
  decrypt(ciphertext: Uint8Array, label: Uint8Array): Uint8Array | null | Promise<Uint8Array | null>;
}

/** What a `CryptoKey` of the Web Cryptography API has. */
export interface WebKey {
  /** `'public'` or `'private'`. */
  readonly type: string;
  /** Whether the platform gives the key away. */
  readonly extractable: boolean;
  /** What it is for. */
  readonly algorithm: WebKeyAlgorithm;
  /** What it may be used for. */
  readonly usages: readonly string[];
}

/** A `KeyAlgorithm` of the Web Cryptography API. */
export interface WebKeyAlgorithm {
  /** Such as `'RSA-PSS'`. */
  readonly name: string;
}

/** A `CryptoKeyPair` of the Web Cryptography API. */
export interface WebKeyPair {
  /** Public. */
  readonly publicKey: WebKey;
  /** Kept. */
  readonly privateKey: WebKey;
}

/** A key of an identity that the platform holds: it goes where a `CryptoKey` is taken. */
export interface PlatformKey extends WebKey {
  /** `'public'` or `'private'`. */
  readonly type: 'public' | 'private';
  /** What it may be used for. */
  readonly usages: ('encrypt' | 'decrypt' | 'sign' | 'verify')[];
}

/** The key pair of an identity that the platform holds: it goes where a `CryptoKeyPair` is taken. */
export interface PlatformKeyPair extends WebKeyPair {
  /** Public. */
  readonly publicKey: PlatformKey;
  /** Kept. */
  readonly privateKey: PlatformKey;
}

/** The public key of a material as SubjectPublicKeyInfo, a copy. Throws BAD_IDENTITY if it is none for its role. */
export function checkSpki(material: KeyMaterial): Uint8Array {
  let numbers: RsaPublicNumbers;
  try {
    numbers = 'numbers' in material ? material.numbers : decodeSpki(material.spki);
    if (material.role === 'classic-server') checkClassicKey(numbers, 512);
    else checkSealedKey(numbers);
  } catch (error) {
    const text = reasonOf(error);
    throw new SecureSocketError('BAD_IDENTITY', `no key for role ${material.role}: ${text}`, {
      cause: error,
    });
  }
  if ('numbers' in material) checkPrivateKey(material.numbers);
  return encodeSpki(numbers);
}

/** The private operations of a key, on a backend. */
export function operationsOf(material: KeyMaterial, backend: Backend): RsaPrivateKey {
  if ('numbers' in material) return backend.rsaPrivateKey(material.numbers);
  const numbers = decodeSpki(material.spki);
  return keyFrom(material.operations, backend.rsaPublicKey(numbers), bitLength(numbers.n));
}

/** Whatever the keeper of a key answers, what goes on is right or a clear error. */
function keyFrom({ sign, decrypt }: KeyOperations, key: RsaPublicKey, bits: number): RsaPrivateKey {
  return {
    modulusLength: bits,
    decryptRaw: () => Promise.reject(cannot('decrypt for the classic protocol')),
    async decryptOaep(ciphertext, label) {
      if (decrypt === undefined) throw cannot('decrypt');
      const message = await askInTime(() => decrypt(ciphertext.slice(), label.slice()), 'decrypt');
      if (message === null) throw new Error('decryption failed');
      return bytesOf(message, 'decrypt', bits / 8);
    },
    async signPss(message) {
      if (sign === undefined) throw cannot('sign');
      const signature = bytesOf(await askInTime(() => sign(message.slice()), 'sign'), 'sign', bits / 8);
      const isLong = signature.length === bits / 8;
      if (isLong && (await (key.later ?? key).verifyPss(message, signature))) return signature;
      const wanted = 'RSASSA-PSS with SHA-256, MGF1 with SHA-256 and 32 bytes of salt';
      throw badIdentity(`sign() gave a signature that its spki does not verify as ${wanted}`);
    },
  };
}

/** A keeper that never answers must not hold one of a server's few turns for ever. */
const TIMEOUT = 30_000;

async function askInTime<Result>(ask: () => Result | Promise<Result>, what: string): Promise<Result> {
  const late = (): Error => new Error(`no answer within ${TIMEOUT} ms`);
  try {
    // the connection, or listen(), that waits keeps the process as long as it does
    return await inTime((async () => ask())(), TIMEOUT, late, false);
  } catch (error) {
    const reason = reasonOf(error);
    throw new SecureSocketError('BAD_IDENTITY', `the key could not ${what}: ${reason}`, { cause: error });
  }
}

/** A copy; of nothing longer than the key, as which no answer is right. */
function bytesOf(value: unknown, what: string, longest: number): Uint8Array {
  const bytes = isArrayBuffer(value) ? new Uint8Array(value) : value;
  if (!isBytes(bytes))
    throw badIdentity(`${what}() must give a Uint8Array, and gave ${value === null ? 'null' : typeof value}`);
  if (bytes.length <= longest) return new Uint8Array(bytes);
  throw badIdentity(`${what}() gave ${bytes.length} bytes, which are more than the ${longest} of its key`);
}

function cannot(what: string): SecureSocketError {
  return badIdentity(`this key was given without a way to ${what}`);
}

function badIdentity(message: string): SecureSocketError {
  return new SecureSocketError('BAD_IDENTITY', message);
}
