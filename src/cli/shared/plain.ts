import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { onAbort } from '../../connection/on-abort.js';
import { type DirectReads, fromDirectSocket, fromDuplex } from '../../transports/duplex.node.js';
import { onread, plainSettings, readDirectly } from '../../transports/tcp.node.js';
import type { Transport } from '../../transports/transport.js';
import { type Address, formatAddress } from './address.js';

/**
 * How often a plain connection that is not read from is asked whether it was reset, in milliseconds. Without a tunnel the
 * other end would learn of it at once, even if it does not read either.
 */
export const PLAIN_PROBE_INTERVAL = 1000;

/** A plain connection of a tunnel: nothing is read before its transport is started. */
export class Plain {
  readonly transport: Transport;
  readonly #socket: Socket;
  #reason: Error | undefined;

  constructor(socket: Socket, reads: DirectReads | undefined) {
    this.#socket = socket;
    this.transport = reads ? fromDirectSocket(socket, reads) : fromDuplex(socket);
  }

  get remoteAddress(): string | undefined {
    return this.transport.remoteAddress;
  }

  get remotePort(): number | undefined {
    return this.transport.remotePort;
  }

  /** The reason for destroying it, if there was one. */
  get reason(): Error | undefined {
    return this.#reason;
  }

  /** Destroys it. Over TCP the peer sees a reset, not an end; Unix domain sockets have no reset. */
  destroy(reason?: Error): void {
    this.#reason ??= reason;
    if (this.transport.remoteAddress === undefined) this.#socket.destroy();
    else this.#socket.resetAndDestroy();
  }
}

/** A connection accepted with `pauseOnConnect` and `allowHalfOpen`. */
export function adoptPlain(accepted: Socket): Plain {
  const { socket, reads } = readDirectly(accepted);
  return new Plain(socket, reads);
}

/** Opens a connection within a time limit; aborts when `stop` does. */
export async function dialPlain(to: Address, limits: DialLimits): Promise<Plain> {
  const reads: DirectReads = { events: undefined };
  return new Plain(await dialSocket(to, limits, { onread: onread(reads) }), reads);
}

/** How long to wait for a connection. */
export interface DialLimits {
  /** In milliseconds. */
  readonly timeout: number;
  /** Aborts the attempt. */
  readonly stop: AbortSignal;
}

/** The same as a paused socket, whose errors are handled from then on. */
export function dialSocket(
  to: Address,
  { timeout, stop }: DialLimits,
  more: Partial<ReadsInto> = {},
): Promise<Socket> {
  const options = { ...to, ...more, allowHalfOpen: true, noDelay: true, ...plainSettings };
  // paused: only the relay reads from it
  const socket = connect(options as NetConnectOpts).pause();
  return new Promise((resolve, reject) => {
    const late = new Error(`${formatAddress(to)} did not answer within ${timeout} ms`);
    const timer = setTimeout(() => socket.destroy(late), timeout);
    const abort = (): void => void socket.destroy(stop.reason);
    const unfollow = onAbort(stop, abort);
    if (stop.aborted) abort();
    const settle = (): void => {
      clearTimeout(timer);
      unfollow();
    };
    socket.once('connect', () => {
      settle();
      resolve(socket);
    });
    // later errors are reported with the close, and rejecting has no effect then
    socket.on('error', (error) => {
      settle();
      reject(error);
    });
  });
}

interface ReadsInto {
  readonly onread: ReturnType<typeof onread>;
}
