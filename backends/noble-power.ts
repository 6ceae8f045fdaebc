import { randomBytes } from '@noble/hashes/utils.js';
import { invert, pow } from 'micro-rsa-dsa-dh/utils.js';
import type { RsaPrivateNumbers } from '../src/backend.js';
import { toInteger } from '../src/numbers.js';
import { mapNumbers } from './rsa-numbers.js';

/** A private key as `privatePower` wants it. */
export interface CrtKey {
  readonly n: bigint;
  readonly e: bigint;
  readonly p: Power;
  readonly q: Power;
  /** q^-1 mod p. */
  readonly qi: bigint;
  /** Bytes of the modulus. */
  readonly length: number;
}

/** x^exponent mod modulus with a secret exponent of public length. */
interface Power {
  readonly modulus: bigint;
  /** The exponent in digits of five bits, as many as the modulus has. */
  readonly digits: readonly number[];
}

/** Prepares a key whose numbers were checked. */
export function crtKey(numbers: RsaPrivateNumbers): CrtKey {
  const { n, e, p, q, dp, dq, qi } = mapNumbers(numbers, toInteger);
  return { n, e, p: secretPower(dp, p), q: secretPower(dq, q), qi, length: numbers.n.length };
}

/**
 * RSADP and RSASP1 (RFC 8017 5.1.2, 5.2.1) with the CRT, of a number below n. The base is blinded by a fresh r, so
 * that the numbers computed with are unknown to the sender of the ciphertext; BigInt is not constant-time all the same.
 * The result is raised to e again and compared, because a wrong one would give away the primes.
 */
export function privatePower({ n, e, p, q, qi, length }: CrtKey, base: bigint): bigint {
  const r = toInteger(randomBytes(length + 8)) % n;
  const blinded = (base * pow(r, e, n)) % n;
  const modP = raise(p, blinded);
  const modQ = raise(q, blinded);
  const h = (qi * (p.modulus + modP - (modQ % p.modulus))) % p.modulus;
  const result = ((modQ + q.modulus * h) * invert(r, n)) % n;
  if (pow(result, e, n) !== base) throw new Error('RSA result computed wrong, not released');
  return result;
}

function secretPower(exponent: bigint, modulus: bigint): Power {
  const length = modulus.toString(32).length;
  const text = exponent.toString(32).padStart(length, '0');
  return { modulus, digits: Array.from(text, (digit) => Number.parseInt(digit, 32)) };
}

/** Five squarings and one multiplication for every digit, zero too. */
function raise({ modulus, digits }: Power, base: bigint): bigint {
  const table = [1n];
  for (let index = 1; index < 32; index++) table.push(((table[index - 1] as bigint) * base) % modulus);
  let result = 1n;
  for (const digit of digits) {
    for (let square = 0; square < 5; square++) result = (result * result) % modulus;
    result = (result * (table[digit] as bigint)) % modulus;
  }
  return result;
}
