import { connect, type NetConnectOpts, Socket } from 'node:net';
import { type DirectReads, fromDirectSocket, fromDuplex } from './duplex.node.js';
import type { Transport } from './transport.js';

/** A TCP address. */
export interface TcpAddress {
  /** 1 to 65535; a server may bind 0 and be given a free one. */
  readonly port: number;
  /** A name or an IPv4 or IPv6 address. Default `'localhost'` for a client; every address for a server. */
  readonly host?: string;
}

/** The address of a Unix domain socket. */
export interface UnixAddress {
  /** Where in the file system. */
  readonly path: string;
}

/** What dialling needs of a client's options. */
export interface DialSettings {
  readonly keepAlive: boolean;
  readonly keepAliveInitialDelay: number;
}

/** Opens a connection; every failure is the system's own error or `signal.reason`. */
export function dial(
  settings: DialSettings,
  to: TcpAddress | UnixAddress,
  signal: AbortSignal,
): Promise<Transport> {
  const { keepAlive, keepAliveInitialDelay } = settings;
  const reads: DirectReads = { events: undefined };
  const common = {
    allowHalfOpen: true,
    noDelay: true,
    keepAlive,
    keepAliveInitialDelay,
    onread: onread(reads),
  };
  const options: NetConnectOpts =
    'path' in to ? { ...common, path: to.path } : { ...common, port: to.port, host: to.host ?? 'localhost' };
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    // paused: nothing is read before the transport has somebody to report to
    const socket = connect(options).pause();
    const settle = (act: () => void): void => {
      signal.removeEventListener('abort', abort);
      socket.removeAllListeners('connect').removeAllListeners('error');
      act();
    };
    const fail = (error: unknown): void =>
      settle(() => {
        // a late error of a socket given up is nobody's
        socket.on('error', () => {});
        socket.destroy();
        reject(error);
      });
    const abort = (): void => fail(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    socket.once('error', fail);
    socket.once('connect', () => settle(() => resolve(fromDirectSocket(socket, reads))));
  });
}

/** What an accepted socket has inside; undocumented, so every part is looked for before it is used. */
interface Inner {
  _handle?: { useUserBuffer?: unknown; readStart?: unknown } | null;
}

/** The transport of a socket that a server has accepted with `pauseOnConnect`. */
export function fromAccepted(accepted: Socket): Transport {
  const { socket, reads } = readDirectly(accepted);
  return reads ? fromDirectSocket(socket, reads) : fromDuplex(socket);
}

/**
 * Node offers `onread` to clients only: here the handle of a socket that was accepted, and not read from, is moved into
 * a socket made with it, where the handle can do that; otherwise it is the socket itself, to be read by its events.
 */
export function readDirectly(accepted: Socket): { socket: Socket; reads?: DirectReads } {
  const handle = (accepted as Inner)._handle;
  if (typeof handle?.useUserBuffer !== 'function' || typeof handle.readStart !== 'function')
    return { socket: accepted };
  const reads: DirectReads = { events: undefined };
  const options = { handle, allowHalfOpen: true, pauseOnCreate: true, onread: onread(reads) };
  const socket = new Socket(options as ConstructorParameters<typeof Socket>[0]);
  (accepted as Inner)._handle = null;
  accepted.destroy();
  return { socket, reads };
}

let shared: Uint8Array | undefined;
const SHARED_SIZE = 256 * 1024;

/** Option of a socket that is to read into one buffer of the process, whose content is dealt with before the next read; or where the receiver says. */
export function onread(reads: DirectReads): {
  buffer: () => Uint8Array;
  callback: (count: number, buffer: Uint8Array) => boolean;
} {
  return {
    buffer: () => {
      shared ??= new Uint8Array(SHARED_SIZE);
      return reads.events?.target?.() ?? shared;
    },
    callback: (count, buffer) => {
      reads.events?.data(buffer.subarray(0, count));
      return true;
    },
  };
}
