/** Messages up to this length are copied together, longer ones are encrypted where they lie. */
export const SMALL_MESSAGE: number = 32 * 1024;
const SIZE = 64 * 1024;
const SPARE_BUFFERS = 16;

const spare: Uint8Array[] = [];

/**
 * Plaintext on its way to the cipher. The memory is shared by all connections, one after the other: a connection
 * holds some only between the first message of a tick and the flush, and none while it is idle.
 */
export class Staging {
  #buffer: Uint8Array | undefined;
  #used = 0;

  get used(): number {
    return this.#used;
  }

  /** The memory, to be written to where `reserve` says. */
  get buffer(): Uint8Array {
    this.#buffer ??= spare.pop() ?? new Uint8Array(SIZE);
    return this.#buffer;
  }

  /** Where in `buffer` there is room for `length` bytes; -1 if what is there must be taken out first. */
  reserve(length: number): number {
    const at = this.#used;
    if (at + length > SIZE) return -1;
    this.#used = at + length;
    return at;
  }

  /** What was written, valid until `release`. */
  get bytes(): Uint8Array {
    return this.#buffer === undefined ? new Uint8Array(0) : this.#buffer.subarray(0, this.#used);
  }

  /** Gives the memory back, wiped: the next user must find nothing in it. */
  release(): void {
    if (this.#buffer === undefined) return;
    this.#buffer.fill(0, 0, this.#used);
    if (spare.length < SPARE_BUFFERS) spare.push(this.#buffer);
    this.#buffer = undefined;
    this.#used = 0;
  }
}
