import crypto, {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
} from 'node:crypto';
import type { DecapsulationKey, KeyAgreement, KeyEncapsulation } from '../src/backend.js';
import { nullIf, requireLength } from './checks.js';
import { fromBase64url, plain, toBase64url } from './node-bytes.js';

/**
 * X25519. JWK is the cheapest way in for public keys: 5 us against 140 for DER on Node 20. The public half of a new key
 * comes out as JWK too, but from the job that makes the pair. Exported afterwards as DER it costs twice as much as the pair;
 * as JWK it may stand still for ever on Node 20, which holds the key's lock while it makes the strings: the garbage
 * collector, if it runs then and finds the job that made the key, waits for that lock.
 */
export function x25519(privateKey?: Uint8Array): KeyAgreement {
  const own = privateKey === undefined ? generate() : importPrivate(privateKey);
  return {
    publicKey: own.publicKey,
    agree(peerPublicKey) {
      requireLength('X25519 public key', peerPublicKey, 32);
      const jwk = { kty: 'OKP', crv: 'X25519', x: toBase64url(peerPublicKey) };
      const publicKey = createPublicKey({ key: jwk, format: 'jwk' });
      // OpenSSL refuses to return a secret that is all zero, and fails for no other reason; the same on Bun, in its words.
      return nullIf(/failed during derivation|^diffieHellman operation failed/, () =>
        plain(diffieHellman({ privateKey: own.privateKey, publicKey })),
      );
    },
  };
}

/** node:crypto's own ML-KEM-768 (Node 24.7 and later with OpenSSL 3.5), `undefined` where it has none. */
export const nativeMlKem768: KeyEncapsulation | undefined = native();

interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

/** What @types/node of the lowest supported Node does not know. */
interface KemFunctions {
  generateKeyPairSync(type: 'ml-kem-768'): KeyPair;
  encapsulate(key: KeyObject): { ciphertext: Uint8Array; sharedKey: Uint8Array };
  decapsulate(key: KeyObject, ciphertext: Uint8Array): Uint8Array;
}

// DER up to where the key begins: PrivateKeyInfo with the seed alone (RFC 8410 and RFC 9935), SubjectPublicKeyInfo.
const X25519_PKCS8 = Buffer.from('302e020100300506032b656e04220420', 'hex');
const ML_KEM_768_PKCS8 = Buffer.from('3054020100300b060960864801650304040204428040', 'hex');
const ML_KEM_768_SPKI = Buffer.from('308204b2300b0609608648016503040402038204a100', 'hex');

/** An X25519 key, and the bytes of its public half. */
interface AgreementKey {
  readonly privateKey: KeyObject;
  readonly publicKey: Uint8Array;
}

/** @types/node knows no pair of which only one half is encoded. */
const generateEncoded = generateKeyPairSync as unknown as (
  type: 'x25519',
  options: { publicKeyEncoding: { format: 'jwk' } },
) => { publicKey: JsonWebKey; privateKey: KeyObject };

function generate(): AgreementKey {
  const { publicKey, privateKey } = generateEncoded('x25519', { publicKeyEncoding: { format: 'jwk' } });
  return { privateKey, publicKey: fromBase64url(publicKey.x) };
}

function importPrivate(bytes: Uint8Array): AgreementKey {
  requireLength('X25519 private key', bytes, 32);
  const { privateKey, publicKey } = keyPair(X25519_PKCS8, bytes);
  return { privateKey, publicKey: fromBase64url(publicKey.export({ format: 'jwk' }).x) };
}

function keyPair(pkcs8Prefix: Uint8Array, secret: Uint8Array): KeyPair {
  const key = Buffer.concat([pkcs8Prefix, secret]);
  const privateKey = createPrivateKey({ key, format: 'der', type: 'pkcs8' });
  return { privateKey, publicKey: createPublicKey(privateKey) };
}

/** Tried rather than asked: `SubtleCrypto.supports` warns, and a version number says nothing about the OpenSSL below. */
function native(): KeyEncapsulation | undefined {
  const functions = crypto as unknown as Partial<KemFunctions>;
  if (functions.encapsulate === undefined || functions.decapsulate === undefined) return undefined;
  const kem = functions as KemFunctions;
  const supported = nullIf(/'type' must be a supported key type/, () =>
    kem.generateKeyPairSync('ml-kem-768'),
  );
  return supported === null ? undefined : overNode(kem);
}

function overNode(kem: KemFunctions): KeyEncapsulation {
  return {
    keyPair(seed) {
      if (seed === undefined) return decapsulationKey(kem, kem.generateKeyPairSync('ml-kem-768'));
      requireLength('ML-KEM-768 seed', seed, 64);
      return decapsulationKey(kem, keyPair(ML_KEM_768_PKCS8, seed));
    },
    encapsulate(encapsulationKey) {
      requireLength('ML-KEM-768 encapsulation key', encapsulationKey, 1184);
      const key = Buffer.concat([ML_KEM_768_SPKI, encapsulationKey]);
      // With prefix and length right, only the check of FIPS 203 7.2 can keep OpenSSL from reading it.
      const read = () => createPublicKey({ key, format: 'der', type: 'spki' });
      const publicKey = nullIf(/^Failed to read asymmetric key/, read);
      if (publicKey === null) return null;
      const { ciphertext, sharedKey } = kem.encapsulate(publicKey);
      return { ciphertext: plain(ciphertext), sharedSecret: plain(sharedKey) };
    },
  };
}

function decapsulationKey(kem: KemFunctions, { publicKey, privateKey }: KeyPair): DecapsulationKey {
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  return {
    encapsulationKey: new Uint8Array(spki.subarray(ML_KEM_768_SPKI.length)),
    decapsulate(ciphertext) {
      requireLength('ML-KEM-768 ciphertext', ciphertext, 1088);
      return plain(kem.decapsulate(privateKey, ciphertext));
    },
  };
}
