import { connect, createServer, type NetConnectOpts, type Server, Socket } from 'node:net';
import { printable } from '../errors.js';
import type { Cancellation } from './cancellation.js';
import { type DirectReads, fromDirectSocket, fromDuplex } from './duplex.node.js';
import type { Transport } from './transport.js';
import { checkUnixPath } from './unix-path.node.js';

/** A TCP address. */
export interface TcpAddress {
  /** 1 to 65535; a server may bind 0 and be given a free one. */
  readonly port: number;
  /** A name or an IPv4 or IPv6 address. Default `'localhost'` for a client; every address for a server. */
  readonly host?: string | undefined;
}

/** The address of a Unix domain socket. */
export interface UnixAddress {
  /** Where in the file system; at most 107 bytes on Linux, 103 on macOS and the BSDs. */
  readonly path: string;
  /** For a server: whether to remove a socket that a server has left there, if no one listens at it. Default false. */
  readonly unlink?: boolean | undefined;
}

/** What connections need of the options of a client or a server. */
export interface TcpSettings {
  readonly keepAlive: boolean;
  readonly keepAliveInitialDelay: number;
}

/** The plain connections of the command: a machine that has gone must not hold a place for the system's two hours. */
export const plainSettings: TcpSettings = { keepAlive: true, keepAliveInitialDelay: 60_000 };

/** Opens a connection; every failure is the system's own error, its code at least, or the reason of `giveUp`. */
export async function dial(
  settings: TcpSettings,
  to: TcpAddress | UnixAddress,
  giveUp: Cancellation,
): Promise<Transport> {
  const reads: DirectReads = { events: undefined };
  const common = {
    allowHalfOpen: true,
    noDelay: true,
    ...keepAliveOptions(settings),
    onread: onread(reads),
  };
  const options: NetConnectOpts =
    'path' in to ? { ...common, path: to.path } : { ...common, port: to.port, host: to.host ?? 'localhost' };
  if ('path' in to) checkUnixPath(to.path);
  return new Promise((resolve, reject) => {
    if (giveUp.isCancelled) throw giveUp.reason;
    // paused: nothing is read before the transport has a receiver for its events
    const socket = connect(options).pause();
    const settle = (act: () => void): void => {
      stop();
      socket.off('connect', connected).off('error', fail);
      act();
    };
    const fail = (error: unknown): void =>
      settle(() => {
        // a late error of an abandoned socket is ignored
        socket.on('error', () => {});
        socket.destroy();
        reject(explainAttempts(error, to));
      });
    const connected = (): void => settle(() => resolve(fromDirectSocket(socket, reads)));
    const stop = giveUp.onCancel(fail);
    socket.on('error', fail).on('connect', connected);
  });
}

/** A name may have several addresses, of which none answered: Node's error for that has no text. */
function explainAttempts(error: unknown, to: TcpAddress | UnixAddress): unknown {
  if (!(error instanceof AggregateError) || !('port' in to)) return error;
  const attempts = error.errors as (NodeJS.ErrnoException & { address?: string; port?: number })[];
  const tried = attempts.map(({ address, port, code, message }) =>
    address === undefined ? message : `${address} port ${port}: ${code}`,
  );
  const text = `no address of ${to.host ?? 'localhost'} port ${to.port} could be reached (${tried.join('; ')})`;
  const code = (error as NodeJS.ErrnoException).code ?? attempts[0]?.code;
  return Object.assign(new Error(printable(text), { cause: error }), { code, errors: attempts });
}

/** A server, not listening yet, whose sockets are paused, stay half open, and have the options that a client's have. */
export function createTcpServer(settings: TcpSettings): Server {
  const { keepAlive, keepAliveInitialDelay } = keepAliveOptions(settings);
  const server = createServer({
    allowHalfOpen: true,
    noDelay: true,
    keepAlive,
    keepAliveInitialDelay,
    pauseOnConnect: true,
  });
  // Deno (2.9.6) gives an accepted socket none of these options
  if (process.versions.deno !== undefined)
    server.on('connection', (socket) => {
      socket.setNoDelay(true).setKeepAlive(keepAlive, keepAliveInitialDelay);
    });
  return server;
}

/** What an accepted socket has inside; undocumented, so every part is looked for before it is used. */
interface Inner {
  _handle?: { useUserBuffer?: unknown; readStart?: unknown } | null;
}

/** The transport of a socket that a server has accepted with `pauseOnConnect`. */
export function fromAccepted(accepted: Socket): Transport {
  // of the socket that has asked the system for some of them, and while it has its handle
  const { remoteAddress, remotePort, localAddress, localPort } = accepted;
  const { socket, reads } = readDirectly(accepted);
  if (reads === undefined) return fromDuplex(socket);
  return fromDirectSocket(socket, reads, { remoteAddress, remotePort, localAddress, localPort });
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

/**
 * Option of a socket that is to read into one buffer of the process, whose content is dealt with before the next read;
 * or where the receiver says.
 *
 * Without it Node allocates memory for each read of each socket, at first 64 KiB, which is for the garbage collector to
 * free. One buffer serves all sockets, since the reads of one thread follow each other; that is why bytes are valid
 * during the call only. A large record is read to where it is decrypted from (`target`), so that it is not copied out
 * of the buffer.
 */
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

/**
 * As sockets take them: Node cuts the delay to whole seconds, and libuv refuses 0 of them, which Node does not report (20
 * to 26), so that the system's own delay would apply, two hours.
 */
function keepAliveOptions({ keepAlive, keepAliveInitialDelay }: TcpSettings): TcpSettings {
  return { keepAlive, keepAliveInitialDelay: Math.ceil(keepAliveInitialDelay / 1000) * 1000 };
}
