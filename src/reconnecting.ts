import { SecureClient } from './client.js';
import { type ErrorCode, SecureSocketError } from './errors.js';
import type { ClientOptions } from './options.js';
import type { TcpAddress, UnixAddress } from './transports/tcp.js';

/** How to reconnect. Times in milliseconds. */
export interface ReconnectOptions {
  /** The wait after a first failure; it doubles with each that follows at once. Default 250. */
  readonly initialDelay?: number;
  /** The longest wait. Default 30000. */
  readonly maxDelay?: number;
  /** Ends it all: the iteration throws its reason. */
  readonly signal?: AbortSignal;
  /** Told of every failure that is followed by another attempt, and of the wait until then. */
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

/**
 * Connected clients, one after the other: each time the loop's body is done with one, it is closed and another is
 * connected, after a wait that grows and varies at random. Ends by `break`, or by throwing what another attempt would
 * not change: an untrusted server, a refused client, a wrong option. Messages on their way when a connection fails
 * are not sent again.
 */
export async function* reconnecting(
  to: TcpAddress | UnixAddress,
  clientOptions: ClientOptions,
  options: ReconnectOptions = {},
): AsyncGenerator<SecureClient, never, undefined> {
  const { initialDelay = 250, maxDelay = 30_000, signal, onError } = options;
  let delay = initialDelay;
  for (;;) {
    const client = new SecureClient(clientOptions);
    const begun = performance.now();
    try {
      await client.connect(to, signal && { signal });
      yield client;
      // a connection that broke at once is a failure too, and does not shorten the wait
      if (performance.now() - begun > delay) delay = initialDelay;
    } catch (error) {
      if (isFatal(error, signal)) throw error;
      onError?.(error, delay);
    } finally {
      await client.close();
    }
    await wait(delay * (0.5 + Math.random() / 2), signal);
    delay = Math.min(maxDelay, delay * 2);
  }
}

function isFatal(error: unknown, signal: AbortSignal | undefined): boolean {
  if (signal?.aborted || error instanceof TypeError) return true;
  return error instanceof SecureSocketError && (error.blame === 'caller' || FATAL.has(error.code));
}

function wait(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
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
