import type { Batch } from './script.js';

/** What keeping one message costs beside its bytes: an object, a place in a line. */
export const MESSAGE_OVERHEAD = 128;

/** What a batch costs beside its messages: objects, and memory of its own down to the allocator's and the system's. */
export const BATCH_OVERHEAD = 1024;

/** Messages that have arrived and not yet been read. They are cut out of their batch when read, not before. */
export class Inbox {
  #batches: Batch[] = [];
  #at = 0;
  #cost = 0;

  /** Bytes of the messages waiting, each counted with {@link MESSAGE_OVERHEAD}, and of their batches. */
  get cost(): number {
    return this.#cost;
  }

  push(batch: Batch): void {
    if (batch.count === 0) return;
    this.#cost += batch.bytes + batch.count * MESSAGE_OVERHEAD + BATCH_OVERHEAD;
    this.#batches.push(batch);
  }

  shift(): Uint8Array | undefined {
    const batch = this.#batches[this.#at];
    if (batch === undefined) return undefined;
    const message = batch.next();
    if (batch.count === 0) this.#advance();
    if (message !== undefined) this.#cost -= message.length + MESSAGE_OVERHEAD;
    return message;
  }

  clear(): void {
    this.#batches = [];
    this.#at = 0;
    this.#cost = 0;
  }

  /** Drops the batch just emptied. Places are given back in bulk, so that a long line is not moved up for each. */
  #advance(): void {
    this.#at++;
    this.#cost -= BATCH_OVERHEAD;
    if (this.#at === this.#batches.length) {
      this.#batches = [];
      this.#at = 0;
    } else if (this.#at === 1024) {
      this.#batches.splice(0, 1024);
      this.#at = 0;
    }
  }
}
