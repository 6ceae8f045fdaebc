import type { PortableClient } from '../client/client.js';
import { onAbort } from '../connection/on-abort.js';
import type { SecureSocketError } from '../errors.js';

/** How to accept. */
export interface AcceptOptions {
  /** Aborts the wait; `accept` rejects with its reason and no client is lost. */
  readonly signal?: AbortSignal | undefined;
}

interface AcceptWaiter<Client> {
  readonly resolve: (client: Client | null) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Clients that are ready and callers that wait for one: one of the two queues is always empty.
 *
 * An aborted `accept` must not lose a client. So a waiter leaves the queue in the same step in which it is aborted,
 * and a client is handed over in the same step in which its waiter leaves: no promise stands between the two.
 */
export class AcceptQueue<Client extends PortableClient> {
  #clients: Client[] = [];
  readonly #acceptWaiters = new Set<AcceptWaiter<Client>>();
  #end: SecureSocketError | undefined;

  /** Clients waiting. */
  get length(): number {
    return this.#clients.length;
  }

  put(client: Client): void {
    if (this.#end) {
      client.destroy(this.#end);
      return;
    }
    for (const waiter of this.#acceptWaiters) {
      this.#acceptWaiters.delete(waiter);
      waiter.resolve(client);
      return;
    }
    this.#clients.push(client);
  }

  /** The next client; rejects when there will be none. */
  async take(signal?: AbortSignal): Promise<Client> {
    const client = await this.takeOrEnd(signal);
    if (client === null) throw this.#end;
    return client;
  }

  /** The next client, or `null` when there will be none. */
  takeOrEnd(signal?: AbortSignal): Promise<Client | null> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    const client = this.#clients.shift();
    if (client !== undefined) return Promise.resolve(client);
    if (this.#end) return Promise.resolve(null);
    return new Promise((resolve, reject) => this.#wait({ resolve, reject }, signal));
  }

  /** There will be no more. Gives back the clients that no one has accepted. */
  end(error: SecureSocketError): readonly Client[] {
    this.#end = error;
    const left = this.#clients;
    this.#clients = [];
    const acceptWaiters = [...this.#acceptWaiters];
    this.#acceptWaiters.clear();
    for (const { resolve } of acceptWaiters) resolve(null);
    return left;
  }

  #wait(waiter: AcceptWaiter<Client>, signal: AbortSignal | undefined): void {
    if (signal === undefined) {
      this.#acceptWaiters.add(waiter);
      return;
    }
    const stop = onAbort(signal, () => {
      this.#acceptWaiters.delete(waiting);
      waiter.reject(signal.reason);
    });
    const waiting: AcceptWaiter<Client> = {
      resolve: (client) => {
        stop();
        waiter.resolve(client);
      },
      reject: waiter.reject,
    };
    this.#acceptWaiters.add(waiting);
  }
}
