import type { Chunk, LaterChunk } from '../core/script.js';
import { SMALL_CHUNK } from './chunks.js';

/**
 * What is encrypted, or is being encrypted elsewhere, and has yet to be given to the transport: in order.
 *
 * The order is that of the nonces, which the receiver counts by itself. So a record that is not there yet holds up all
 * behind it, even those that are, and stands here by itself, with its length: how many bytes wait is right before they
 * exist.
 */
export class Outbox {
  readonly #onArrival: () => void;
  readonly #onFailure: (error: unknown) => void;
  #entries: Chunk[] = [];
  #bytes = 0;

  /** `onArrival` is told when something that was waited for is there, `onFailure` when it never will be. */
  constructor(onArrival: () => void, onFailure: (error: unknown) => void) {
    this.#onArrival = onArrival;
    this.#onFailure = onFailure;
  }

  /** Bytes of all entries. */
  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  push(chunk: Chunk): void {
    this.#bytes += chunk.length;
    this.#entries.push(chunk);
    if ('bytes' in chunk) this.#await(chunk);
  }

  /** The next chunks that are there, up to `slice` bytes and a little more. */
  take(slice: number): Uint8Array[] {
    const taken: Uint8Array[] = [];
    let bytes = 0;
    for (const entry of this.#entries) {
      if (!isThere(entry) || (bytes >= slice && entry.length >= SMALL_CHUNK)) break;
      bytes += entry.length;
      taken.push(entry);
    }
    this.#entries = this.#entries.slice(taken.length);
    this.#bytes -= bytes;
    return taken;
  }

  clear(): void {
    this.#entries = [];
    this.#bytes = 0;
  }

  #await(later: LaterChunk): void {
    later.bytes.then(
      (chunks) => {
        const at = this.#entries.indexOf(later);
        // cleared meanwhile: the connection is over
        if (at < 0) return;
        this.#entries.splice(at, 1, ...chunks);
        if (at === 0) this.#onArrival();
      },
      (error: unknown) => {
        if (this.#entries.includes(later)) this.#onFailure(error);
      },
    );
  }
}

function isThere(entry: Chunk): entry is Uint8Array {
  return !('bytes' in entry);
}
