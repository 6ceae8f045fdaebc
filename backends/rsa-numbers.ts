import type { RsaPrivateNumbers, RsaPublicNumbers } from '../src/backend.js';
import { belongTogether, bitLength, isOdd } from '../src/numbers.js';

const MIN_BITS = 512;
/** The largest modulus OpenSSL computes with. */
const MAX_BITS = 16384;

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

/** Bits of the modulus. Throws a `RangeError` on numbers that do not belong together (RFC 8017 3.2). */
export function checkPrivateNumbers(numbers: RsaPrivateNumbers): number {
  const bits = checkPublicNumbers(numbers);
  for (const name of NAMES) minimalBits(name, numbers[name]);
  if (!belongTogether(numbers)) throw new RangeError('RSA private key: its numbers do not belong together');
  return bits;
}

/** Throws a `RangeError` on a size of which no key can be made. */
export function checkModulusLength(bits: number): void {
  if (Number.isInteger(bits) && bits >= MIN_BITS && bits <= MAX_BITS && bits % 8 === 0) return;
  throw new RangeError(`modulus length must be a multiple of 8 from ${MIN_BITS} to ${MAX_BITS}, got ${bits}`);
}

/** The same eight numbers in another form. */
export function mapNumbers<From, To>(
  numbers: Readonly<Record<Name, From>>,
  change: (number: From) => To,
): Record<Name, To> {
  return Object.fromEntries(NAMES.map((name) => [name, change(numbers[name])])) as Record<Name, To>;
}

/** I2OSP (RFC 8017 4.1) into exactly `length` bytes, or into as few as it takes. */
export function toOctets(integer: bigint, length?: number): Uint8Array {
  const hex = integer.toString(16);
  const digits = hex.padStart(length === undefined ? hex.length + (hex.length % 2) : 2 * length, '0');
  return Uint8Array.from({ length: digits.length / 2 }, (_, index) =>
    Number.parseInt(digits.slice(2 * index, 2 * index + 2), 16),
  );
}

type Name = keyof RsaPrivateNumbers;

const NAMES: readonly Name[] = ['n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi'];

/** Bits of a minimal unsigned integer. */
function minimalBits(name: string, integer: Uint8Array): number {
  if (integer.length > 0 && integer[0] !== 0) return bitLength(integer);
  throw new RangeError(`RSA number ${name} must be positive and without leading zero bytes`);
}

function requireOdd(name: string, integer: Uint8Array): void {
  if (!isOdd(integer)) throw new RangeError(`RSA number ${name} must be odd`);
}
