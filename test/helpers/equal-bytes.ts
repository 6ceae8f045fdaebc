import { expect } from 'vitest';

/**
 * Arrays of bytes are equal when their bytes are. Vitest compares them as it does objects, property by property, which
 * takes two seconds for a megabyte.
 */
expect.addEqualityTesters([
  (a, b) => (isBytes(a) && isBytes(b) && isSameKind(a, b) ? Buffer.compare(a, b) === 0 : undefined),
]);

function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array;
}

/** A Buffer and a Uint8Array are left to the matcher, of which some make a difference. */
function isSameKind(a: Uint8Array, b: Uint8Array): boolean {
  return a.constructor === b.constructor;
}
