/**
 * Makes memory that several messages share safe from being transferred: a program that moves one message to a worker
 * must not take the others along. Absent where the platform has no way to do that; then nothing is shared.
 */
export type ProtectMemory = (memory: ArrayBufferLike) => void;

/** A message that is kept pins at most so many bytes beyond its own. */
export const SLAB: number = 16 * 1024;
/** Up to here an array lies in JavaScript's own heap, and one of its own costs no more than a view. */
const ON_HEAP = 64;
/** From here on a message is copied alone: a slab would hold few of them. */
const COPIED_ALONE = 4 * 1024;

/**
 * Cuts messages out of the plaintext of a record, or of a group of frames. A message belongs to the program that
 * receives it: it may be kept, overwritten or transferred, and no other message notices. So each has memory of its own,
 * or is a view of protected memory. Which it is depends on cost: an array of more than 64 bytes takes a microsecond
 * where a view takes a twentieth of that, and a slab is protected once for the many messages that it holds.
 */
export class MessageMemory {
  readonly #plaintext: Uint8Array;
  readonly #isAlone: boolean;
  readonly #protect: ProtectMemory | undefined;
  /** Memory to hand out views of: which, how far its places are from the plaintext's, and where it ends there. */
  #slab: ArrayBufferLike | undefined;
  #slabOffset = 0;
  #slabEnd = -1;

  /** `isAlone`: there is only one message in it. */
  constructor(plaintext: Uint8Array, isAlone: boolean, protect: ProtectMemory | undefined) {
    // a plain view: the `slice` of a Buffer would not copy
    this.#plaintext = new Uint8Array(plaintext.buffer, plaintext.byteOffset, plaintext.length);
    this.#isAlone = isAlone;
    this.#protect = protect;
  }

  /** Calls go from the beginning to the end. */
  cut(from: number, length: number): Uint8Array {
    const end = from + length;
    if (length <= ON_HEAP) return this.#plaintext.slice(from, end);
    const wouldPin = this.#plaintext.buffer.byteLength - length;
    if (this.#isAlone && wouldPin <= SLAB) return this.#plaintext.subarray(from, end);
    if (this.#protect === undefined || length >= COPIED_ALONE) return this.#plaintext.slice(from, end);
    if (end > this.#slabEnd) this.#nextSlab(from, this.#protect);
    return new Uint8Array(this.#slab as ArrayBufferLike, this.#slabOffset + from, length);
  }

  /** The plaintext itself if it is small, else a copy of the next part of it. */
  #nextSlab(from: number, protect: ProtectMemory): void {
    const isSmall = this.#plaintext.buffer.byteLength <= SLAB;
    const slab = isSmall ? this.#plaintext : this.#plaintext.slice(from, from + SLAB);
    this.#slab = slab.buffer;
    this.#slabOffset = isSmall ? slab.byteOffset : -from;
    this.#slabEnd = isSmall ? slab.length : from + slab.length;
    protect(slab.buffer);
  }
}
