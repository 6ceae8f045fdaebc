// Threads that compute, and a queue in which the work waits for one of them.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import PQueue from 'p-queue';

/** A pool of `size` threads, each running `file`, which answers each message with one. */
export class Pool {
  #idle;
  #queue;

  constructor(file, size) {
    this.#idle = Array.from({ length: size }, () => new Worker(file));
    // at most one task per thread runs at once, so a task whose turn comes always finds an idle thread
    this.#queue = new PQueue({ concurrency: size });
  }

  /** Work that waits for a thread. */
  get waiting() {
    return this.#queue.size;
  }

  /** The result of `work` in a thread. */
  run(work) {
    return this.#queue.add(async () => {
      const worker = this.#idle.pop();
      try {
        worker.postMessage(work);
        const [answer] = await once(worker, 'message');
        return answer;
      } finally {
        this.#idle.push(worker);
      }
    });
  }

  /** Ends the threads when all waiting work is done. */
  async close() {
    await this.#queue.onIdle();
    await Promise.all(this.#idle.map((worker) => worker.terminate()));
  }
}
