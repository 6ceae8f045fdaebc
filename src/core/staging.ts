import type { Backend } from '../backend.js';

/** Messages up to this length are copied together; longer ones are encrypted in place. */
export const SMALL_MESSAGE: number = 32 * 1024;
/** One message or a few fit into the first, all of a busy tick into the second. */
const FEW = 4 * 1024;
const MANY = 64 * 1024;
const SPARE_BUFFERS = 16;

/**
 * How much of a large message is encrypted at once: what keeps the event loop busy for some milliseconds, at 1 to 6 GB
 * a second, or at 10 to 30 MB in JavaScript.
 */
export function partLengthOf({ native }: Pick<Backend, 'native'>): number {
  return native ? 4 * 1024 * 1024 : 128 * 1024;
}

const spare = new Map<number, Uint8Array[]>([
  [FEW, []],
  [MANY, []],
]);

/**
 * Plaintext waiting to be encrypted. All connections use the same few buffers in turn: a connection holds one only
 * between the first message of a tick and the flush, and none while it is idle, so ten thousand idle connections hold
 * no memory for sending. Since the next connection that gets the buffer may belong to another peer, `release`
 * overwrites what was used.
 */
export class Staging {
  #buffer: Uint8Array | undefined;
  #used = 0;

  get used(): number {
    return this.#used;
  }

  /** The memory, to be written to where `reserve` has said. */
  get buffer(): Uint8Array {
    return this.#buffer as Uint8Array;
  }

  /** Where in `buffer` there is room for `length` bytes; -1 if what is there must be taken out first. */
  reserve(length: number): number {
    const at = this.#used;
    const end = at + length;
    if (this.#buffer === undefined || end > this.#buffer.length) {
      if (end > MANY) return -1;
      this.#move(end > FEW ? MANY : FEW);
    }
    this.#used = end;
    return at;
  }

  /** What was written, valid until `release`. */
  get bytes(): Uint8Array {
    return this.#buffer === undefined ? new Uint8Array(0) : this.#buffer.subarray(0, this.#used);
  }

  /** Returns the memory, wiped: the next connection must not find this one's plaintext in it. */
  release(): void {
    if (this.#buffer === undefined) return;
    giveBack(this.#buffer, this.#used);
    this.#buffer = undefined;
    this.#used = 0;
  }

  #move(size: number): void {
    const buffer = spare.get(size)?.pop() ?? new Uint8Array(size);
    if (this.#buffer !== undefined) {
      buffer.set(this.bytes);
      giveBack(this.#buffer, this.#used);
    }
    this.#buffer = buffer;
  }
}

function giveBack(buffer: Uint8Array, used: number): void {
  buffer.fill(0, 0, used);
  const spares = spare.get(buffer.length) as Uint8Array[];
  if (spares.length < SPARE_BUFFERS) spares.push(buffer);
}
