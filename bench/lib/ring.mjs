const MOST_BYTES = 256 * 1024;

/**
 * The messages of a test: a ring of different ones, which both ends generate alike. The receiver knows what the n-th
 * message must be, so that it detects loss, repetition, reordering and damage.
 */
export function makeRing(size) {
  const count = 2 ** Math.max(2, Math.min(10, Math.floor(Math.log2(MOST_BYTES / size))));
  const memory = new Uint8Array(count * size);
  fill(new Uint32Array(memory.buffer, 0, memory.length >>> 2));
  const messages = Array.from({ length: count }, (_, i) => memory.subarray(i * size, (i + 1) * size));
  return { messages, mask: count - 1 };
}

/** Marsaglia's xorshift32: not random, but without patterns that a compressor could use. */
function fill(words) {
  let state = 0x9e3779b9;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
}

/** Counts what arrives and compares it, all of it or one byte in every 4 KiB at changing places. */
export class Inspector {
  #ring;
  #compareAll;
  #checksum = 0;
  count = 0;
  bytes = 0;

  constructor(ring, compareAll) {
    this.#ring = ring;
    this.#compareAll = compareAll;
  }

  /** A checksum of the compared bytes, in their order. */
  get checksum() {
    return this.#checksum >>> 0;
  }

  take(message) {
    const expected = this.#ring.messages[this.count & this.#ring.mask];
    if (message.length !== expected.length) this.#fail(`has ${message.length} bytes, not ${expected.length}`);
    if (this.#compareAll && Buffer.compare(message, expected) !== 0) this.#fail('was changed');
    let sum = this.#checksum;
    for (let i = (this.count * 31) % message.length; i < message.length; i += 4096) {
      if (message[i] !== expected[i]) this.#fail(`was changed at byte ${i}`);
      sum = (Math.imul(sum, 33) + message[i]) | 0;
    }
    this.#checksum = sum;
    this.count++;
    this.bytes += message.length;
  }

  #fail(how) {
    throw new Error(`message ${this.count} ${how}`);
  }
}
