import { asPlain, type Bytes } from './bytes.js';

/**
 * Makes memory that several messages share safe from being transferred: a program that moves one message to a worker
 * must not take the others along. Absent where the platform has no way to do that; then nothing is shared.
 */
export type ProtectMemory = (memory: ArrayBufferLike) => void;

/** A message that is kept pins at most so many bytes beyond its own. */
export const SLAB: number = 16 * 1024;
/** Up to here an array lies in JavaScript's own heap, and one of its own costs no more than a view. */
export const ON_HEAP: number = 64;
/** From here on a message is copied alone: a slab would hold few of them. */
const COPIED_ALONE = 4 * 1024;
/** So many messages at least make a slab worth its allocation. */
const WORTH_SHARING = 3;

/** What is to be cut yet, the next message included. */
export interface Remainder {
  readonly count: number;
  readonly bytes: number;
}

/**
 * Cuts messages out of the plaintext of a record, or of a group of frames. A message belongs to the program that
 * receives it: it may be kept, overwritten or transferred, its whole `buffer` too, and neither another message nor the
 * connection may suffer. So nothing that is still to be read lies in memory that was handed out, and each message has
 * memory of its own or a place in a protected slab that it is copied to when it is cut. Which it is depends on cost: an
 * array of more than 64 bytes takes a microsecond where a view takes a twentieth of that, and a slab is made and
 * protected once for the many messages that it holds.
 */
export class MessageMemory {
  readonly #plaintext: Uint8Array;
  readonly #protect: ProtectMemory | undefined;
  #slab: Bytes | undefined;
  #used = 0;

  constructor(plaintext: Uint8Array, protect: ProtectMemory | undefined) {
    this.#plaintext = asPlain(plaintext);
    this.#protect = protect;
  }

  /** Bytes of memory held until the last message is cut. */
  get held(): number {
    return this.#plaintext.length;
  }

  /** The message of `length` bytes at a place. */
  cut(from: number, length: number, left: Remainder): Bytes {
    if (length <= ON_HEAP) return this.#plaintext.slice(from, from + length);
    const source = this.#plaintext.subarray(from, from + length);
    // the last one may have the memory itself, if that is no more than as much again
    if (left.count === 1 && source.buffer.byteLength - length <= Math.min(length, SLAB))
      return source as Bytes; // what a cipher has made is no shared memory
    if (this.#protect === undefined || length >= COPIED_ALONE) return source.slice();
    return this.#place(source, left, this.#protect);
  }

  #place(source: Uint8Array, left: Remainder, protect: ProtectMemory): Bytes {
    const { length } = source;
    // a slab that was detached, in spite of its protection, has no bytes left
    if (this.#slab === undefined || this.#used + length > this.#slab.length) {
      if (left.count < WORTH_SHARING) return source.slice();
      this.#slab = new Uint8Array(Math.min(SLAB, left.bytes));
      this.#used = 0;
      protect(this.#slab.buffer);
    }
    const at = this.#used;
    this.#slab.set(source, at);
    this.#used = at + length;
    return new Uint8Array(this.#slab.buffer, at, length);
  }
}
