import type { Batch } from '../../src/core/script.js';

/** So many messages of one byte each, whose value counts down. */
export function batchOf(count: number): Batch {
  let left = count;
  return {
    get count() {
      return left;
    },
    get bytes() {
      return left;
    },
    get held() {
      return left;
    },
    next: () => (left > 0 ? Uint8Array.of(left-- & 255) : undefined),
  };
}
