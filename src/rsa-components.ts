import type { RsaPrivateNumbers } from './backend.js';
import { toInteger } from './numbers.js';

/** Whether the eight numbers of an RSA private key belong together (RFC 8017 3.2). Does not test p and q for primality. */
export function belongTogether(key: RsaPrivateNumbers): boolean {
  const [n, e, d, qi] = [toInteger(key.n), toInteger(key.e), toInteger(key.d), toInteger(key.qi)];
  const [p, q, dp, dq] = [toInteger(key.p), toInteger(key.q), toInteger(key.dp), toInteger(key.dq)];
  const fits = (prime: bigint, exponent: bigint): boolean =>
    exponent === d % (prime - 1n) && (e * exponent) % (prime - 1n) === 1n;
  const related = p > 1n && q > 1n && p * q === n && d < n && fits(p, dp) && fits(q, dq);
  return related && qi < p && (qi * q) % p === 1n;
}
