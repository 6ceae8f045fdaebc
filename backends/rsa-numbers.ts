import type { RsaPrivateNumbers } from '../src/backend.js';
import { belongTogether } from '../src/rsa-components.js';
import { checkPublicNumbers, MAX_BITS, MIN_BITS, minimalBits } from './rsa-public-numbers.js';

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
