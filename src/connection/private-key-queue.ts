import PQueue from 'p-queue';
import { SecureSocketError } from '../errors.js';
import { onNextLoop } from '../turn.js';
import { settleWithin } from './in-time.js';

/** After an operation on the main thread it is left to others for so many times as long. */
const COOLDOWN = 9;
/** But no longer, in milliseconds. */
const MAX_COOLDOWN = 10;

/**
 * Bounds what costs a server the most: RSA private operations. A few run at once, a bounded number waits, the rest
 * is refused. Between two of them on the main thread all others have their turn.
 *
 * On the main thread an operation takes a millisecond or a hundred, by backend, and any client can ask for one. The
 * pause after each is nine times as long as it took, so that operations get a tenth of the thread, but 10 ms at most:
 * on a slow backend a longer one would keep honest clients waiting beyond their handshake's deadline.
 */
export class PrivateKeyQueue {
  readonly #queue: PQueue;
  readonly #maxWaiting: number;
  readonly #isOffThread: boolean;
  readonly #maxDuration: number;
  #count = 0;
  #cooldownUntil = 0;

  /**
   * `isOffThread`: the operations do not run on the main thread. One that has not settled after `maxDuration`
   * milliseconds, as a key that is kept elsewhere may never do, no longer keeps others waiting: its result is
   * `undefined`.
   */
  constructor(
    concurrency: number,
    maxWaiting: number,
    isOffThread: boolean,
    maxDuration: number = Number.POSITIVE_INFINITY,
  ) {
    this.#queue = new PQueue({ concurrency });
    this.#maxWaiting = maxWaiting;
    this.#isOffThread = isOffThread;
    this.#maxDuration = maxDuration;
  }

  /** Whether another operation would be refused. */
  get isFull(): boolean {
    return this.#queue.size >= this.#maxWaiting;
  }

  /** Operations waiting for their turn. */
  get waiting(): number {
    return this.#queue.size;
  }

  /** Operations begun since the start. */
  get count(): number {
    return this.#count;
  }

  /** Runs `operation` when its turn comes, unless `isOver` says that its result is not needed by then. */
  async run(operation: () => unknown, isOver: () => boolean): Promise<unknown> {
    if (this.isFull)
      throw new SecureSocketError('BUSY', `${this.#maxWaiting} RSA operations are already queued`);
    return this.#queue.add(async () => {
      if (this.#isOffThread) return isOver() ? undefined : this.#begin(operation);
      await this.#others();
      if (isOver()) return undefined;
      const begun = performance.now();
      const result = await this.#begin(operation);
      const now = performance.now();
      this.#cooldownUntil = now + Math.min(COOLDOWN * (now - begun), MAX_COOLDOWN);
      return result;
    });
  }

  #begin(operation: () => unknown): unknown {
    this.#count++;
    const result = operation();
    const isBounded = this.#maxDuration !== Number.POSITIVE_INFINITY;
    return isBounded && result instanceof Promise ? settleWithin(this.#maxDuration, result, false) : result;
  }

  /** A turn at least, and a cooldown that grows with what the operation before has taken from them. */
  async #others(): Promise<void> {
    await new Promise<void>(onNextLoop);
    const cooldown = Math.ceil(this.#cooldownUntil - performance.now());
    if (cooldown > 0) await new Promise((resolve) => setTimeout(resolve, cooldown));
  }
}
