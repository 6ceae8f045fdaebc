import { type ErrorCode, SecureSocketError } from '../errors.js';
import { badOption, callback, integer } from '../options/rules.js';
import type { PortableClient } from './client.js';
import type { ConnectOptions } from './establish.js';

/** How to reconnect. Times in milliseconds. */
export interface ReconnectOptions {
  /** The wait after a first failure; it doubles with each that follows at once. Default 250. */
  readonly initialDelay?: number;
  /** The longest wait. Default 30000. */
  readonly maxDelay?: number;
  /** Ends it all: the client in use is destroyed, and the iteration throws the signal's reason. */
  readonly signal?: AbortSignal;
  /** Told of every failure to connect that is followed by another attempt, and of the wait until then. */
  readonly onError?: (error: unknown, delay: number) => void;
}

/** Errors that another attempt would only meet again. */
const FATAL: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'BAD_KEY',
  'NO_COMMON_SUITE',
  'NOT_SEALED',
  'UNAUTHORIZED_CLIENT',
  'UNTRUSTED_SERVER',
]);

/** How a new client is made, and connected. */
export interface ConnectionAttempts<Client> {
  readonly client: () => Client;
  readonly connect: (client: Client, options: ConnectOptions) => Promise<void>;
}

/** Connected clients, one after the other, as `reconnecting` describes it. */
export async function* connectingAgain<Client extends PortableClient>(
  attempts: ConnectionAttempts<Client>,
  options: ReconnectOptions,
): AsyncGenerator<Client, never, undefined> {
  const { signal, onError } = options;
  const waits = new Waits(options);
  for (;;) {
    const client = attempts.client();
    const abort = (): void => client.destroy(signal?.reason);
    let wait = 0;
    let isLeft = true;
    try {
      await attempts.connect(client, signal ? { signal } : {});
      signal?.addEventListener('abort', abort, { once: true });
      const begun = performance.now();
      yield client;
      isLeft = false;
      wait = waits.after(performance.now() - begun);
    } catch (error) {
      isLeft = false;
      signal?.throwIfAborted();
      if (isFatal(error)) throw error;
      wait = waits.after(0);
      onError?.(error, wait);
    } finally {
      signal?.removeEventListener('abort', abort);
      const closed = client.close();
      // who leaves the loop, by an error that has to be told, does not wait for the peer
      if (!isLeft) await closed;
    }
    await sleep(wait, signal);
  }
}

/** How long to wait before the next attempt: twice as long each time, less up to a half by chance. */
class Waits {
  readonly #first: number;
  readonly #longest: number;
  #next: number;

  constructor(options: ReconnectOptions) {
    const { initialDelay = 250, maxDelay = 30_000, onError = () => {} } = options;
    const milliseconds = integer(1, 2 ** 31 - 1, 'milliseconds');
    for (const [name, value, validate] of [
      ['initialDelay', initialDelay, milliseconds],
      ['maxDelay', maxDelay, milliseconds],
      ['onError', onError, callback('(error, delay) => void')],
    ] as const) {
      const wanted = validate(value);
      if (wanted !== undefined) throw badOption(`${name} of reconnecting() must be ${wanted}`);
    }
    this.#first = Math.min(initialDelay, maxDelay);
    this.#longest = maxDelay;
    this.#next = this.#first;
  }

  /** A connection that broke at once is a failure too, and does not shorten the wait. */
  after(lifetime: number): number {
    if (lifetime > this.#next) this.#next = this.#first;
    const wait = this.#next * (1 - Math.random() / 2);
    this.#next = Math.min(this.#longest, this.#next * 2);
    return wait;
  }
}

function isFatal(error: unknown): boolean {
  if (error instanceof TypeError) return true;
  return error instanceof SecureSocketError && (error.blame === 'caller' || FATAL.has(error.code));
}

function sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const abort = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, milliseconds);
    signal?.addEventListener('abort', abort, { once: true });
  });
}
