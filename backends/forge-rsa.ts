import forge from 'node-forge';
import type { RsaPrivateKey, RsaPrivateNumbers, RsaPublicKey, RsaPublicNumbers } from '../src/backend.js';
import { isBelow } from '../src/numbers.js';
import { decryptionFailed, nullIf, requirePssRoom, requireRepresentative, requireRoom } from './checks.js';
import { fromBinary, toBinary } from './forge-bytes.js';
import { checkModulusLength, checkPrivateNumbers, mapNumbers, toOctets } from './rsa-numbers.js';
import { checkPublicNumbers } from './rsa-public-numbers.js';

/** A new key by forge's generator, which hands the work to the platform where that has one. */
export async function generateRsaKey(modulusLength: number): Promise<RsaPrivateNumbers> {
  checkModulusLength(modulusLength);
  const { privateKey } = await new Promise<forge.pki.rsa.KeyPair>((resolve, reject) => {
    const settle = (error: Error | null, pair: forge.pki.rsa.KeyPair): void =>
      error ? reject(error) : resolve(pair);
    forge.pki.rsa.generateKeyPair({ bits: modulusLength, e: 65537 }, settle);
  });
  const { n, e, d, p, q, dP, dQ, qInv } = privateKey;
  return mapNumbers({ n, e, d, p, q, dp: dP, dq: dQ, qi: qInv }, octets);
}

/** Public operations of forge. */
export function rsaPublicKey(numbers: RsaPublicNumbers): RsaPublicKey {
  const modulusLength = checkPublicNumbers(numbers);
  const n = new Uint8Array(numbers.n);
  const key = forge.pki.setRsaPublicKey(integer(numbers.n), integer(numbers.e));
  return {
    modulusLength,
    encryptPkcs1(message) {
      requireRoom(message, n.length - 11);
      return fromBinary(key.encrypt(toBinary(message), 'RSAES-PKCS1-V1_5'));
    },
    encryptOaep(message, label) {
      requireRoom(message, n.length - 66);
      return fromBinary(key.encrypt(toBinary(message), 'RSA-OAEP', oaep(label)));
    },
    verifyPss(message, signature) {
      if (signature.length !== n.length || !isBelow(signature, n)) return false;
      return key.verify(sha256Of(message).digest().getBytes(), toBinary(signature), strictPss);
    },
  };
}

/** Private operations of forge, which blinds only keys that have their primes. They take the main thread. */
export function rsaPrivateKey(numbers: RsaPrivateNumbers): RsaPrivateKey {
  const modulusLength = checkPrivateNumbers(numbers);
  const n = new Uint8Array(numbers.n);
  const key = importPrivate(numbers);
  const publicKey = rsaPublicKey(numbers);
  return {
    modulusLength,
    async decryptRaw(ciphertext) {
      requireRepresentative(ciphertext, n);
      return fromBinary(key.decrypt(toBinary(ciphertext), 'RAW'));
    },
    async decryptOaep(ciphertext, label) {
      try {
        return fromBinary(key.decrypt(toBinary(ciphertext), 'RSA-OAEP', oaep(label)));
      } catch {
        throw decryptionFailed();
      }
    },
    async signPss(message) {
      requirePssRoom(modulusLength);
      const signature = fromBinary(key.sign(sha256Of(message), pss()));
      // A wrong result of the CRT would give away the primes; forge does not check it.
      if (!publicKey.verifyPss(message, signature)) throw new Error('signature computed wrong, not released');
      return signature;
    },
  };
}

type Integer = forge.jsbn.BigInteger;
type EightIntegers = [Integer, Integer, Integer, Integer, Integer, Integer, Integer, Integer];

/** @types/node-forge gives it the parameters of `setRsaPublicKey`. */
const setRsaPrivateKey = forge.pki.setRsaPrivateKey as unknown as (
  ...numbers: EightIntegers
) => forge.pki.rsa.PrivateKey;

/** The larger prime first: forge makes up for a smaller one by adding it until it is larger, even 2^64 times. */
function importPrivate(numbers: RsaPrivateNumbers): forge.pki.rsa.PrivateKey {
  const { n, e, d, p, q, dp, dq, qi } = mapNumbers(numbers, integer);
  if (p.compareTo(q) > 0) return setRsaPrivateKey(n, e, d, p, q, dp, dq, qi);
  return setRsaPrivateKey(n, e, d, q, p, dq, dp, p.modInverse(q));
}

function sha256Of(message: Uint8Array): forge.md.MessageDigest {
  const hash = forge.md.sha256.create();
  hash.update(toBinary(message));
  return hash;
}

/** The two hash objects must not be the same one: forge uses both at once. */
function oaep(label: Uint8Array): object {
  return { label: toBinary(label), md: forge.md.sha256.create(), mgf1: { md: forge.md.sha256.create() } };
}

function pss(): forge.pss.PSS {
  const mgf = forge.mgf.mgf1.create(forge.md.sha256.create());
  return forge.pss.create({ md: forge.md.sha256.create(), mgf, saltLength: 32 });
}

const strictPss = {
  /** forge throws where an encoding is wrong, and overlooks the byte before it that a modulus of 8m+1 bits leaves. */
  verify(digest: string, encoded: string, modulusLength: number): boolean {
    const before = encoded.slice(0, -Math.ceil((modulusLength - 1) / 8));
    if (before !== '' && before !== '\0') return false;
    const consistent = (): boolean => pss().verify(digest, encoded, modulusLength);
    return nullIf(/^Inconsistent|0xBC|beyond keysize|^Leftmost octets/, consistent) ?? false;
  },
};

function integer(octets: Uint8Array): Integer {
  return new forge.jsbn.BigInteger(forge.util.bytesToHex(toBinary(octets)), 16);
}

function octets(integer: Integer): Uint8Array {
  return toOctets(BigInt(`0x${integer.toString(16)}`));
}
