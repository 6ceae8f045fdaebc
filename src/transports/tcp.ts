import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { SecureSocketError } from '../errors.js';

/** A TCP address. */
export interface TcpAddress {
  /** 1 to 65535; a server may bind 0 and be given a free one. */
  readonly port: number;
  /** A name or an IPv4 or IPv6 address. Default `'localhost'` for a client; every address for a server. */
  readonly host?: string;
}

/** The address of a Unix domain socket. */
export interface UnixAddress {
  readonly path: string;
}

/** What dialling needs of a client's options. */
export interface DialSettings {
  readonly handshakeTimeout: number;
  readonly keepAlive: boolean;
  readonly keepAliveInitialDelay: number;
}

/** Opens a socket; every failure is the system's own error, `signal.reason` or HANDSHAKE_TIMEOUT. */
export function dial(
  settings: DialSettings,
  to: TcpAddress | UnixAddress,
  signal: AbortSignal | undefined,
): Promise<Socket> {
  const { handshakeTimeout, keepAlive, keepAliveInitialDelay } = settings;
  const common = { allowHalfOpen: true, noDelay: true, keepAlive, keepAliveInitialDelay };
  const options: NetConnectOpts =
    'path' in to ? { ...common, path: to.path } : { ...common, port: to.port, host: to.host ?? 'localhost' };
  return new Promise((resolve, reject) => {
    const socket = connect(options);
    const settle = (act: () => void): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
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
    const abort = (): void => fail(signal?.reason);
    const timer = setTimeout(
      () => fail(new SecureSocketError('HANDSHAKE_TIMEOUT', `no connection within ${handshakeTimeout} ms`)),
      handshakeTimeout,
    );
    signal?.addEventListener('abort', abort, { once: true });
    socket.once('error', fail);
    socket.once('connect', () => settle(() => resolve(socket)));
  });
}
