import PQueue from 'p-queue';
import { SecureSocketError } from './errors.js';
import { nextTurn } from './turn.js';

/**
 * Bounds what costs a server the most: RSA private operations. A few run at once, a bounded number waits, the rest
 * is refused. Between two of them on the main thread all others have their turn.
 */
export class PrivateKeyQueue {
  readonly #queue: PQueue;
  readonly #maxWaiting: number;
  readonly #isOffThread: boolean;
  #count = 0;

  /** `isOffThread`: the operations do not run on the main thread. */
  constructor(concurrency: number, maxWaiting: number, isOffThread: boolean) {
    this.#queue = new PQueue({ concurrency });
    this.#maxWaiting = maxWaiting;
    this.#isOffThread = isOffThread;
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

  /** Runs `operation` when its turn comes, unless `isOver` says that nobody waits for it by then. */
  async run(operation: () => unknown, isOver: () => boolean): Promise<unknown> {
    if (this.isFull) throw new SecureSocketError('BUSY', `${this.#maxWaiting} RSA operations wait already`);
    return this.#queue.add(async () => {
      if (!this.#isOffThread) await new Promise<void>(nextTurn);
      if (isOver()) return undefined;
      this.#count++;
      return operation();
    });
  }
}
