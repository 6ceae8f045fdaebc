import { type ArgumentRules, abortSignal, callback, integer, readArguments } from '../arguments.js';
import { callSafely } from '../callbacks.js';
import { onAbort } from '../connection/on-abort.js';
import { badOption, type ErrorCode, type SecureSocketError } from '../errors.js';
import { Sessions } from '../sessions/sessions.js';
import type { PortableClient } from './client.js';
import type { ConnectOptions } from './establish.js';

/** How to reconnect. Times in milliseconds. */
export interface ReconnectOptions {
  /** The wait after a first failure; it doubles with each that follows at once. Default 250. */
  readonly initialDelay?: number | undefined;
  /** The longest wait. Default 30000. */
  readonly maxDelay?: number | undefined;
  /** Ends it all: the client in use is destroyed, and the iteration throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Told of every failure to connect that is followed by another attempt, and of the wait until then. */
  readonly onError?: ((error: unknown, delay: number) => void) | undefined;
}

const milliseconds = integer(1, 2 ** 31 - 1, 'milliseconds');
const rules: ArgumentRules<ReconnectOptions> = {
  initialDelay: milliseconds,
  maxDelay: milliseconds,
  signal: abortSignal,
  onError: callback('(error, delay) => void'),
};

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
export async function* reconnect<Client extends PortableClient>(
  attempts: ConnectionAttempts<Client>,
  options: ReconnectOptions,
): AsyncGenerator<Client, never, undefined> {
  const { signal, onError, ...delays } = readArguments(options, rules, 'reconnecting()', badOption);
  const waits = new Waits(delays);
  for (;;) {
    const client = attempts.client();
    const abort = (): void => client.destroy(signal?.reason);
    let unfollow: (() => void) | undefined;
    let wait = 0;
    let isLeft = true;
    try {
      await attempts.connect(client, signal ? { signal } : {});
      if (signal) unfollow = onAbort(signal, abort);
      // between the last step of connecting and here
      if (signal?.aborted) abort();
      throwIfAborted(signal);
      const begun = performance.now();
      yield client;
      isLeft = false;
      wait = waits.after(performance.now() - begun);
    } catch (error) {
      isLeft = false;
      throwIfAborted(signal);
      if (isFatal(error)) throw error;
      wait = waits.after(0);
      if (onError) callSafely('onError', () => onError(error, wait));
    } finally {
      const closed = client.close();
      // a loop that is left, perhaps by an error that has to be reported, does not wait for the peer
      if (!isLeft) await closed;
      // until then the signal destroys the client, so that no peer holds its reason back
      unfollow?.();
    }
    await sleep(wait, signal);
  }
}

/** The options of repeated connections, which resume if the protocol supports it. */
export function withSessions<Options extends object>(options: Options): Options {
  // what is no object of options is refused, as everything is, when the iteration begins
  const isObject = Object.prototype.toString.call(options) === '[object Object]';
  if (!isObject || ('protocol' in options && options.protocol === 'classic')) return options;
  const members = { sessions: new Sessions(), ...options };
  // with what they inherit, which is refused too
  return Object.create(Object.getPrototypeOf(options), Object.getOwnPropertyDescriptors(members));
}

/** How long to wait before the next attempt: twice as long each time, minus a random part of up to half. */
class Waits {
  readonly #first: number;
  readonly #longest: number;
  #next: number;

  constructor({ initialDelay = 250, maxDelay = 30_000 }: ReconnectOptions) {
    this.#first = Math.min(initialDelay, maxDelay);
    this.#longest = maxDelay;
    this.#next = this.#first;
  }

  /** A connection that broke at once is a failure too, and does not shorten the wait. */
  after(lifetime: number): number {
    if (lifetime > this.#next) this.#next = this.#first;
    const wait = Math.max(1, Math.floor(this.#next * (1 - Math.random() / 2)));
    this.#next = Math.min(this.#longest, this.#next * 2);
    return wait;
  }
}

/** A signal of a package for older platforms has no such method. */
function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw signal.reason;
}

function isFatal(error: unknown): boolean {
  const { code, blame } = Object(error) as Partial<SecureSocketError>;
  return blame === 'caller' || FATAL.has(code as ErrorCode);
}

function sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const timer = setTimeout(() => {
      unfollow?.();
      resolve();
    }, milliseconds);
    const unfollow =
      signal &&
      onAbort(signal, () => {
        clearTimeout(timer);
        reject(signal.reason);
      });
  });
}
