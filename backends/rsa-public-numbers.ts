import type { RsaPublicNumbers } from '../src/backend.js';
import { bitLength, isOdd } from '../src/numbers.js';

/** The smallest modulus that is a key, in bits. */
export const MIN_BITS = 512;
/** The largest modulus OpenSSL computes with, in bits. */
export const MAX_BITS = 16384;

/** Bits of the modulus. Throws a `RangeError` on numbers that cannot be an RSA public key. */
export function checkPublicNumbers({ n, e }: RsaPublicNumbers): number {
  const bits = minimalBits('n', n);
  if (bits < MIN_BITS || bits > MAX_BITS)
    throw new RangeError(`RSA modulus must have ${MIN_BITS} to ${MAX_BITS} bits, got ${bits}`);
  requireOdd('n', n);
  // OpenSSL takes no longer exponent together with a modulus of more than 3072 bits.
  if (minimalBits('e', e) > 64) throw new RangeError(`RSA exponent e must have at most 64 bits`);
  requireOdd('e', e);
  if (e.length === 1 && e[0] === 1) throw new RangeError('RSA exponent e must be at least 3');
  return bits;
}

/** Bits of a minimal unsigned integer; throws a `RangeError` on another. */
export function minimalBits(name: string, integer: Uint8Array): number {
  if (integer.length > 0 && integer[0] !== 0) return bitLength(integer);
  throw new RangeError(`RSA number ${name} must be positive and without leading zero bytes`);
}

function requireOdd(name: string, integer: Uint8Array): void {
  if (!isOdd(integer)) throw new RangeError(`RSA number ${name} must be odd`);
}
