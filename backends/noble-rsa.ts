import { sha256 } from '@noble/hashes/sha2.js';
import { randomBytes } from '@noble/hashes/utils.js';
import { isProbablePrimeRSA } from 'micro-rsa-dsa-dh/primality.js';
import { mgf1, OAEP, PKCS1_KEM, PSS } from 'micro-rsa-dsa-dh/rsa.js';
import { gcd, invert } from 'micro-rsa-dsa-dh/utils.js';
import type { RsaPrivateKey, RsaPrivateNumbers, RsaPublicKey, RsaPublicNumbers } from '../src/backend.js';
import { isBelow, toInteger } from '../src/numbers.js';
import { decryptionFailed, nullIf, requirePssRoom, requireRepresentative, requireRoom } from './checks.js';
import { decodeOaep, encodePss } from './noble-padding.js';
import { crtKey, privatePower } from './noble-power.js';
import { checkModulusLength, checkPrivateNumbers, mapNumbers, toOctets } from './rsa-numbers.js';
import { checkPublicNumbers } from './rsa-public-numbers.js';

/** A new key. The search leaves the event loop its turns. */
export async function generateRsaKey(modulusLength: number): Promise<RsaPrivateNumbers> {
  checkModulusLength(modulusLength);
  const half = modulusLength / 2;
  const p = await findPrime(half);
  let q = await findPrime(half);
  // FIPS 186-5 A.1.3 step 5.5.
  while (magnitude(p - q) <= 1n << BigInt(half - 100)) q = await findPrime(half);
  return p > q ? fromPrimes(p, q) : fromPrimes(q, p);
}

/** Public operations of micro-rsa-dsa-dh. */
export function rsaPublicKey(numbers: RsaPublicNumbers): RsaPublicKey {
  const modulusLength = checkPublicNumbers(numbers);
  const n = new Uint8Array(numbers.n);
  const key = { n: toInteger(numbers.n), e: toInteger(numbers.e) };
  return {
    modulusLength,
    encryptPkcs1(message) {
      requireRoom(message, n.length - 11);
      return PKCS1_KEM.encrypt(key, message);
    },
    encryptOaep(message, label) {
      requireRoom(message, n.length - 66);
      return OAEP(sha256, mgf1(sha256), label).encrypt(key, message);
    },
    verifyPss(message, signature) {
      if (signature.length !== n.length) return false;
      // The library throws if a modulus of 8m+1 bits leaves a byte before the encoding and that is not zero.
      return nullIf(/^integer too large$/, () => pss.verify(key, message, signature)) ?? false;
    },
  };
}

/** Private operations of our own, because the library's are neither blinded nor checked nor use the primes. */
export function rsaPrivateKey(numbers: RsaPrivateNumbers): RsaPrivateKey {
  const modulusLength = checkPrivateNumbers(numbers);
  const n = new Uint8Array(numbers.n);
  const key = crtKey(numbers);
  const raise = (octets: Uint8Array): Uint8Array => toOctets(privatePower(key, toInteger(octets)), n.length);
  return {
    modulusLength,
    async decryptRaw(ciphertext) {
      requireRepresentative(ciphertext, n);
      return raise(ciphertext);
    },
    async decryptOaep(ciphertext, label) {
      // one error for everything, and no more than one: which check has failed is Manger's oracle
      const possible = ciphertext.length === n.length && isBelow(ciphertext, n) && n.length >= 66;
      const message = possible ? decodeOaep(raise(ciphertext), label) : null;
      if (message === null) throw decryptionFailed();
      return message;
    },
    async signPss(message) {
      requirePssRoom(modulusLength);
      return raise(encodePss(message, randomBytes(32), modulusLength));
    },
  };
}

const E = 65537n;
const pss = PSS(sha256, mgf1(sha256), 32);

/** Milliseconds of search between two turns of the event loop. */
const TIMEOUT = 10;

/**
 * A prime with its two highest bits set, so that the product of two has exactly twice as many bits. Each candidate is
 * drawn anew instead of counting up from one: the gap before a prime would make some primes likelier than others.
 */
async function findPrime(bits: number): Promise<bigint> {
  const highest = 3n << BigInt(bits - 2);
  let due = performance.now() + TIMEOUT;
  for (;;) {
    const random = BigInt.asUintN(bits, toInteger(randomBytes(Math.ceil(bits / 8))));
    const candidate = random | highest | 1n;
    if (candidate % E !== 1n && isProbablePrimeRSA(candidate)) return candidate;
    if (performance.now() < due) continue;
    await new Promise((resolve) => setTimeout(resolve, 0));
    due = performance.now() + TIMEOUT;
  }
}

function fromPrimes(p: bigint, q: bigint): RsaPrivateNumbers {
  const [p1, q1] = [p - 1n, q - 1n];
  const d = invert(E, (p1 / gcd(p1, q1)) * q1);
  const numbers = { n: p * q, e: E, d, p, q, dp: d % p1, dq: d % q1, qi: invert(q, p) };
  return mapNumbers(numbers, (number) => toOctets(number));
}

function magnitude(difference: bigint): bigint {
  return difference < 0n ? -difference : difference;
}
