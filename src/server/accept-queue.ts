import type { SecureClient } from '../client/client.node.js';
import type { SecureSocketError } from '../errors.js';

/** How to accept. */
export interface AcceptOptions {
  /** Aborts the wait; `accept` rejects with its reason and no client is lost. */
  readonly signal?: AbortSignal;
}

interface Taker {
  readonly resolve: (client: SecureClient | null) => void;
  readonly reject: (error: unknown) => void;
}

/** Clients that are ready and callers that wait for one: one of the two lines is always empty. */
export class AcceptQueue {
  #clients: SecureClient[] = [];
  readonly #takers = new Set<Taker>();
  #end: SecureSocketError | undefined;

  /** Clients waiting. */
  get length(): number {
    return this.#clients.length;
  }

  put(client: SecureClient): void {
    if (this.#end) {
      client.destroy(this.#end);
      return;
    }
    for (const taker of this.#takers) {
      this.#takers.delete(taker);
      taker.resolve(client);
      return;
    }
    this.#clients.push(client);
  }

  /** The next client; rejects when there will be none. */
  async take(signal?: AbortSignal): Promise<SecureClient> {
    const client = await this.takeOrEnd(signal);
    if (client === null) throw this.#end;
    return client;
  }

  /** The next client, or `null` when there will be none. */
  takeOrEnd(signal?: AbortSignal): Promise<SecureClient | null> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    const client = this.#clients.shift();
    if (client !== undefined) return Promise.resolve(client);
    if (this.#end) return Promise.resolve(null);
    return new Promise((resolve, reject) => this.#wait({ resolve, reject }, signal));
  }

  /** There will be no more; clients nobody has taken are dropped. */
  end(error: SecureSocketError): void {
    this.#end = error;
    this.#clients = [];
    const takers = [...this.#takers];
    this.#takers.clear();
    for (const { resolve } of takers) resolve(null);
  }

  #wait(taker: Taker, signal: AbortSignal | undefined): void {
    if (signal === undefined) {
      this.#takers.add(taker);
      return;
    }
    const abort = (): void => {
      this.#takers.delete(waiting);
      taker.reject(signal.reason);
    };
    const waiting: Taker = {
      resolve: (client) => {
        signal.removeEventListener('abort', abort);
        taker.resolve(client);
      },
      reject: taker.reject,
    };
    signal.addEventListener('abort', abort, { once: true });
    this.#takers.add(waiting);
  }
}
