import type { Bytes } from './bytes.js';
import { Queue } from './queue.js';
import type { Batch } from './script.js';

/** Overhead of one queued message beside its bytes: an object, and a slot in the queue. */
export const MESSAGE_OVERHEAD = 128;

/** What a batch costs beside its messages: objects, and memory of its own down to the allocator's and the system's. */
export const BATCH_OVERHEAD = 1024;

/** Messages that have arrived and not yet been read. They are cut out of their batch when read, not before. */
export class Inbox {
  readonly #batches = new Queue<Batch>();
  #cost = 0;

  /**
   * Bytes that the messages waiting keep in memory, those of the same batch that have been read among them; each
   * message that waits counted with {@link MESSAGE_OVERHEAD} more, each batch with {@link BATCH_OVERHEAD}.
   */
  get cost(): number {
    return this.#cost;
  }

  push(batch: Batch): void {
    if (batch.count === 0) return;
    this.#cost += batch.held + batch.count * MESSAGE_OVERHEAD + BATCH_OVERHEAD;
    this.#batches.push(batch);
  }

  shift(): Bytes | undefined {
    const batch = this.#batches.first;
    if (batch === undefined) return undefined;
    const held = batch.held;
    const message = batch.next();
    this.#cost -= held - batch.held + MESSAGE_OVERHEAD;
    if (batch.count === 0) {
      this.#batches.take();
      this.#cost -= BATCH_OVERHEAD;
    }
    return message;
  }

  clear(): void {
    this.#batches.clear();
    this.#cost = 0;
  }
}
