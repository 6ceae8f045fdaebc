import { createServer, type Server } from 'node:net';
import { SecureClient } from '../client/client.node.js';
import { defaultBackend } from '../defaults.node.js';
import { badArgument, SecureSocketError } from '../errors.js';
import type { ServerOptions } from '../options/options.js';
import { nodePlans } from '../options/scripts.node.js';
import { readAddress } from '../transports/address.js';
import { fromAccepted, type TcpAddress, type UnixAddress } from '../transports/tcp.node.js';
import { checkUnixPath, explainInUse, unlinkIfLeftBehind } from '../transports/unix-path.node.js';
import {
  notListening,
  PortableServer,
  type ServerAccess,
  type ServerPlatform,
  serverAccess,
} from './server.js';

/** Node's own default: connections that the system, and then `accept()`, may leave waiting. */
const BACKLOG = 511;

const platform: ServerPlatform<SecureClient> = {
  backend: defaultBackend,
  plan: nodePlans.planServer,
  client: () => new SecureClient(),
};

/**
 * Listens, does the handshakes side by side and hands out connected clients, in the order in which they became ready.
 * Iterating over it accepts until it is closed.
 */
export class SecureServer extends PortableServer<SecureClient> {
  readonly #access: ServerAccess = serverAccess(this);
  #bound: TcpAddress | UnixAddress | undefined;
  #server: Server | undefined;
  #isListening = false;

  /** Throws BAD_OPTION. */
  constructor(options: ServerOptions = {}) {
    super(options, platform);
  }

  /** Says where to listen. Nothing is opened yet: an address in use shows when `listen()` is called. */
  async bind(address: TcpAddress | UnixAddress): Promise<void> {
    this.#access.throwIfClosed();
    if (this.#server) throw new SecureSocketError('ALREADY_LISTENING', 'bind() comes before listen()');
    this.#bound = readAddress(address, 0);
  }

  /**
   * Makes the key ready and begins to listen, at the address given here or to `bind()`. `backlog` bounds the connections
   * that wait, in the system for their handshake and here for `accept()`; default 511. Rejects with the system's error
   * (`EADDRINUSE`).
   */
  async listen(to: number | TcpAddress | UnixAddress = BACKLOG, backlog: number = BACKLOG): Promise<void> {
    this.#access.throwIfClosed();
    if (this.#server) throw new SecureSocketError('ALREADY_LISTENING', 'listen() was called before');
    const most = checkBacklog(typeof to === 'number' ? to : backlog);
    if (typeof to !== 'number') this.#bound = readAddress(to, 0);
    const address = this.#bound;
    if (address === undefined)
      throw new SecureSocketError(
        'NOT_BOUND',
        'there is no address: await bind({ port }) first, or listen({ port })',
      );
    await this.#listen(address, most);
  }

  /** Where it listens, with the real port. A misuse error before `listen()` has resolved. */
  get address(): Required<TcpAddress> | UnixAddress {
    const address = this.#isListening ? this.#server?.address() : null;
    if (address === null || address === undefined) throw notListening('address');
    return typeof address === 'string' ? { path: address } : { host: address.address, port: address.port };
  }

  async #listen(address: TcpAddress | UnixAddress, backlog: number): Promise<void> {
    const { settings, prepare, report, throwIfClosed } = this.#access;
    const { keepAlive, keepAliveInitialDelay } = settings;
    const server = createServer({
      allowHalfOpen: true,
      noDelay: true,
      keepAlive,
      keepAliveInitialDelay,
      pauseOnConnect: true,
    });
    this.#server = server;
    try {
      const acceptor = await prepare();
      if ('path' in address) await prepareUnixPath(address);
      await opened(server, address, backlog);
      throwIfClosed();
      server.on('connection', (socket) => acceptor.receive(socket, fromAccepted));
    } catch (error) {
      this.#server = undefined;
      if (server.listening) server.close();
      throw 'path' in address ? await explainInUse(error as Error, address.path) : error;
    }
    this.#isListening = true;
    this.#access.listens(backlog, () => this.#stop(server));
    // out of file descriptors and the like: the server goes on listening
    server.on('error', (error) => report(error, { remoteAddress: undefined, remotePort: undefined }));
  }

  #stop(server: Server): Promise<void> {
    this.#isListening = false;
    return new Promise((resolve) => server.close(() => resolve()));
  }
}

/** Resolves when the server listens. */
function opened(server: Server, address: TcpAddress | UnixAddress, backlog: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const closed = (): void => reject(new SecureSocketError('CLOSED', 'the server is closed'));
    server.once('error', reject);
    // a server that is closed before it listens says nothing else
    server.once('close', closed);
    const where = 'path' in address ? { path: address.path } : address;
    server.listen({ ...where, backlog }, () => {
      server.off('error', reject);
      server.off('close', closed);
      resolve();
    });
  });
}

async function prepareUnixPath({ path, unlink }: UnixAddress): Promise<void> {
  checkUnixPath(path);
  if (unlink === true) await unlinkIfLeftBehind(path);
}

function checkBacklog(backlog: number): number {
  if (Number.isInteger(backlog) && backlog >= 1) return backlog;
  throw badArgument(`backlog must be a whole number of connections, at least 1, not ${String(backlog)}`);
}
