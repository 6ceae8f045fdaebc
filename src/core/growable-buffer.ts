import type { Bytes } from './bytes.js';

const NONE: Bytes = new Uint8Array(0);

/** Memory for bytes that are still arriving: room for those that have come, and as many again, but no more than all. */
export class GrowableBuffer {
  readonly #length: number;
  #bytes = NONE;
  #have = 0;

  /** `length`: how many bytes it will be in the end. */
  constructor(length: number) {
    this.#length = length;
  }

  /** Bytes that have yet to come. */
  get missing(): number {
    return this.#length - this.#have;
  }

  /** Bytes of memory held. */
  get held(): number {
    return this.#bytes.length;
  }

  /** Adds no more than are missing. */
  append(bytes: Uint8Array): void {
    const have = this.#have + bytes.length;
    if (have > this.#bytes.length) {
      const larger = new Uint8Array(Math.min(this.#length, 2 * have));
      larger.set(this.#bytes.subarray(0, this.#have));
      this.#bytes = larger;
    }
    this.#bytes.set(bytes, this.#have);
    this.#have = have;
  }

  /** All of it, once nothing is missing. */
  get bytes(): Bytes {
    return this.#bytes;
  }
}
