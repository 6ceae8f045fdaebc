import { Queue } from './queue.js';

const EMPTY: Uint8Array = new Uint8Array(0);
/** A request of at least the first and at most the second number of bytes gets all its memory at once. */
const FULL_ALLOCATION = 64 * 1024;
const LARGEST_FULL_ALLOCATION = 1024 * 1024 + 2 * FULL_ALLOCATION;

/** What a chunk costs beside its bytes. */
const CHUNK_COST = 128;
/** From this length on it is worth a call to give memory back. */
const WORTH_DISCARDING = 4 * 1024;

/**
 * The last large storage that was done with, of whichever connection: ciphertext, which the next one may write over.
 * Fresh memory has to be found and cleared by the system, at a tenth of what a stream of large messages costs.
 */
let spare: Uint8Array | undefined;

/**
 * Bytes between a transport and a script. What arrives is looked at where it lies; only what is left over when
 * the reader has to wait is copied into storage of its own. Storage follows the bytes received, not those asked for,
 * until 64 KiB of a larger request have come.
 *
 * Buffer ownership: a chunk is lent. It stays the transport's, which reads the next bytes over it, of this connection
 * or of another, so `keep` must come before the call that brought the chunk returns; until then `take` and `peek`
 * give views of the chunk itself. The store belongs to the queue, but views of it are as short-lived: the next call
 * may move its bytes to the front or write over them. The store comes before the chunk in the stream, and a request
 * that begins in one and ends in the other is gathered in the store.
 *
 * A given chunk is the queue's own from then on: it is not copied but waits, and others may wait behind it. What has been
 * taken of it is a view of it until the next call, too; then, once nothing of a large one is left, its memory goes
 * back to the system (`discard`) and does not wait for the garbage collector.
 *
 * Only bytes of the wire pass here, in sealed and classic all of them ciphertext or public. That is why a store that is
 * done with may serve another connection, as `spare`, without being wiped.
 */
export class ByteQueue {
  #store: Uint8Array = EMPTY;
  #start = 0;
  #end = 0;
  /** The chunk being looked at, from a place on; unless it was given, it is not ours, and gone after keep(). */
  #chunk: Uint8Array = EMPTY;
  #at = 0;
  #isGiven = false;
  /** Given chunks behind it, and their bytes. */
  readonly #behind = new Queue<Uint8Array>();
  #bytesBehind = 0;

  get length(): number {
    return this.#end - this.#start + this.#chunk.length - this.#at + this.#bytesBehind;
  }

  /** Bytes of memory held. */
  get capacity(): number {
    return this.#store.length + this.given;
  }

  /** Bytes of the chunks that were given and are not used up, each counted with {@link CHUNK_COST} more. */
  get given(): number {
    if (!this.#isGiven) return 0;
    return this.#chunk.length + this.#bytesBehind + (this.#behind.count + 1) * CHUNK_COST;
  }

  /** Lends a chunk; `keep` must follow before the lender uses its memory again. */
  lend(chunk: Uint8Array): void {
    if (this.#isGiven) {
      // it comes behind what was given
      this.give(new Uint8Array(chunk));
      return;
    }
    if (this.#chunk.length > this.#at) this.keep(0);
    this.#chunk = chunk;
    this.#at = 0;
  }

  /** Takes a chunk over, whose memory must have no other user. */
  give(chunk: Uint8Array): void {
    if (this.#isGiven) {
      this.#behind.push(chunk);
      this.#bytesBehind += chunk.length;
      return;
    }
    this.keep(0);
    this.#chunk = chunk;
    this.#isGiven = true;
  }

  /** Copies what is left of the lent chunk. `wanted`: the size of the request it is part of. */
  keep(wanted: number): void {
    if (this.#isGiven) this.#advance();
    const length = this.#isGiven ? 0 : this.#chunk.length - this.#at;
    if (length > 0) {
      this.#reserve(length, wanted);
      this.#store.set(this.#rest(length), this.#end);
      this.#end += length;
    } else if (this.#start === this.#end && this.#store !== EMPTY) {
      // the script that took the last of it has asked for more since, so that its view is no longer in use
      spareIfLarge(this.#store);
      this.#release();
    }
    if (!this.#isGiven) this.#letGo();
  }

  /** Exactly `count` bytes, which must be there; valid until the next call. */
  take(count: number): Uint8Array {
    this.#gather(count);
    const isStored = this.#end > this.#start;
    const view = isStored ? this.#store.subarray(this.#start, this.#start + count) : this.#rest(count);
    this.drop(count);
    return view;
  }

  /** At least `count` contiguous bytes, which must be there, and what lies behind them; not taken. */
  peek(count: number): Uint8Array {
    this.#gather(count);
    if (this.#end > this.#start) return this.#store.subarray(this.#start, this.#end);
    return this.#at === 0 ? this.#chunk : this.#chunk.subarray(this.#at);
  }

  /** Takes the first `count` bytes of what `peek` gave. */
  drop(count: number): void {
    if (this.#end > this.#start) this.#start += count;
    else this.#at += count;
  }

  /**
   * Where the missing bytes of a request for `wanted` may be read to directly, if at least 64 KiB are missing and as
   * many have come. Report them with `addFilled`.
   */
  target(wanted: number): Uint8Array | undefined {
    const have = this.#end - this.#start;
    if (have < FULL_ALLOCATION || wanted - have < FULL_ALLOCATION) return undefined;
    if (this.#chunk.length > this.#at || this.#isGiven) return undefined;
    if (wanted > LARGEST_FULL_ALLOCATION) return undefined;
    this.#reserve(wanted - have, wanted);
    return this.#store.subarray(this.#end, this.#start + wanted);
  }

  /** `count` bytes were read into `target`. */
  addFilled(count: number): void {
    this.#end += count;
  }

  /** Drops everything. The storage is not reused: the transport may still be reading into `target`. */
  clear(): void {
    this.#letGo();
    this.#behind.clear();
    this.#bytesBehind = 0;
    this.#release();
  }

  /** The next bytes of the chunk. */
  #rest(count: number): Uint8Array {
    return this.#chunk.subarray(this.#at, this.#at + count);
  }

  /** Of the chunk, which the lender is going to use again. */
  #letGo(): void {
    this.#chunk = EMPTY;
    this.#at = 0;
    this.#isGiven = false;
  }

  /** On to the next given chunk, if nothing is left of the present one. Views of that are no longer in use. */
  #advance(): void {
    while (this.#isGiven && this.#at === this.#chunk.length) {
      discard(this.#chunk);
      this.#letGo();
      const next = this.#behind.take();
      if (next === undefined) return;
      this.#bytesBehind -= next.length;
      this.#chunk = next;
      this.#isGiven = true;
    }
  }

  #release(): void {
    this.#store = EMPTY;
    this.#start = this.#end = 0;
  }

  /** Sees to it that the next `count` bytes lie in one place: all in the store, or all in the chunk. */
  #gather(count: number): void {
    if (this.#isGiven) this.#advance();
    const have = this.#end - this.#start;
    if (have >= count || (have === 0 && this.#chunk.length - this.#at >= count)) return;
    for (let missing = count - have; missing > 0; ) {
      if (this.#isGiven) this.#advance();
      const part = this.#rest(missing);
      this.#reserve(part.length, count);
      this.#store.set(part, this.#end);
      this.#end += part.length;
      this.#at += part.length;
      missing -= part.length;
    }
  }

  /** Makes room for `more` bytes behind the stored ones: by moving them to the front, or in a larger store. */
  #reserve(more: number, wanted: number): void {
    if (this.#start === this.#end) this.#start = this.#end = 0;
    if (this.#end + more <= this.#store.length) return;
    const have = this.#end - this.#start;
    const capacity = capacityFor(have, have + more, wanted);
    const store = capacity > this.#store.length ? allocate(capacity) : this.#store;
    store.set(this.#store.subarray(this.#start, this.#end));
    this.#store = store;
    this.#start = 0;
    this.#end = have;
  }
}

/**
 * The size of a store that holds `have` bytes and must hold `need`, for a request of `wanted` bytes.
 *
 * An announced length costs a peer nothing, so by itself it allocates nothing: the store doubles with what has come,
 * and stops at the request. But doubling copies a large record several times over, and leaves no place that the
 * transport could read the rest into (`target`). So a request of up to a little more than 1 MiB, which is what a sender
 * makes of large messages, gets all its memory as soon as 64 KiB of it are there: the peer has paid for that.
 */
function capacityFor(have: number, need: number, wanted: number): number {
  const isPartOfRequest = wanted >= need;
  if (isPartOfRequest && need >= FULL_ALLOCATION && wanted <= LARGEST_FULL_ALLOCATION) return wanted;
  return Math.max(need, isPartOfRequest ? Math.min(2 * have, wanted) : 2 * have);
}

function spareIfLarge(store: Uint8Array): void {
  if (store.length >= FULL_ALLOCATION && store.length <= LARGEST_FULL_ALLOCATION) spare = store;
}

/** The spare memory, unless it is smaller or much larger: no more is to be held than follows from what has come. */
function allocate(length: number): Uint8Array {
  if (spare === undefined || spare.length < length || spare.length > length + FULL_ALLOCATION)
    return new Uint8Array(length);
  const memory = spare;
  spare = undefined;
  return memory;
}

/**
 * Gives memory back at once, where the platform can. A page that is sent a gigabyte would have hundreds of megabytes of
 * it as garbage: the memory of arrays counts little with a collector.
 */
function discard({ buffer, length }: Uint8Array): void {
  if (length < WORTH_DISCARDING || length < buffer.byteLength) return;
  (buffer as ArrayBufferLike & { transfer?(length: number): unknown }).transfer?.(0);
}
