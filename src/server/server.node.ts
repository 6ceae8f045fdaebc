import type { AddressInfo, Server } from 'node:net';
import { refuseMore } from '../arguments.js';
import { SecureClient } from '../client/client.node.js';
import { defaultBackend } from '../defaults.node.js';
import { SecureSocketError } from '../errors.js';
import type { ServerOptions } from '../options/options.js';
import { nodeScripts } from '../options/scripts.node.js';
import { planServer } from '../options/server-scripts.js';
import { readAddress } from '../transports/address.js';
import { createTcpServer, fromAccepted, type TcpAddress, type UnixAddress } from '../transports/tcp.node.js';
import { checkUnixPath, explainInUse, unlinkIfLeftBehind } from '../transports/unix-path.node.js';
import { notListening, serverClosed } from './going-away.js';
import { PortableServer, type ServerAccess, type ServerPlatform, serverAccess } from './server.js';

const platform: ServerPlatform<SecureClient> = {
  backend: defaultBackend,
  plan: (settings, queue) => planServer(nodeScripts, settings, queue),
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
  #address: Required<TcpAddress> | UnixAddress | undefined;
  #isRef = true;

  /** Throws BAD_OPTION. */
  constructor(options: ServerOptions = {}) {
    super(options, platform);
  }

  /** Says where to listen. Nothing is opened yet: an address in use shows when `listen()` is called. */
  async bind(address: TcpAddress | UnixAddress, ...more: []): Promise<void> {
    refuseMore('bind()', more, '{ host, port } or { path }');
    this.#access.throwIfClosed();
    if (this.#server) throw new SecureSocketError('ALREADY_LISTENING', 'bind() comes before listen()');
    this.#bound = readAddress(address, 0);
  }

  /**
   * Makes the key ready and begins to listen: at a port, at an address, or where `bind()` said. Rejects with the
   * system's error (`EADDRINUSE`).
   */
  async listen(to?: number | TcpAddress | UnixAddress, ...more: []): Promise<void> {
    refuseMore('listen()', more, '{ host, port } or { path }; options are those of new SecureServer()');
    this.#access.throwIfClosed();
    if (this.#server) throw new SecureSocketError('ALREADY_LISTENING', 'listen() was called before');
    if (to !== undefined) this.#bound = readAddress(typeof to === 'number' ? { port: to } : to, 0);
    const address = this.#bound;
    if (address === undefined)
      throw new SecureSocketError(
        'NOT_BOUND',
        'there is no address: await bind({ port }) first, or listen({ port })',
      );
    await this.#listen(address);
  }

  /** Keeps the process alive while it listens, as it does by default. Clients have a `ref()` of their own. */
  ref(): this {
    return this.#setRef(true);
  }

  /** Lets the process end although it listens. */
  unref(): this {
    return this.#setRef(false);
  }

  /** Where it listens or has listened, with the real port. A misuse error before `listen()` has resolved. */
  get address(): Required<TcpAddress> | UnixAddress {
    if (this.#address === undefined) throw notListening('address');
    return { ...this.#address };
  }

  async #listen(address: TcpAddress | UnixAddress): Promise<void> {
    const { settings, prepare, report, throwIfClosed } = this.#access;
    const server = createTcpServer(settings);
    this.#server = server;
    this.#setRef(this.#isRef);
    try {
      const acceptor = await prepare();
      if ('path' in address) await prepareUnixPath(address);
      await openServer(server, address, settings.backlog);
      throwIfClosed();
      server.on('connection', (socket) => acceptor.receive(socket, fromAccepted));
    } catch (error) {
      this.#server = undefined;
      if (server.listening) server.close();
      throw 'path' in address ? await explainInUse(error as Error, address.path) : error;
    }
    this.#address = addressOf(server);
    this.#access.listens(
      () => this.#stop(server),
      () => this.address,
    );
    // out of file descriptors and the like: the server goes on listening
    server.on('error', (error) => report(error, { remoteAddress: undefined, remotePort: undefined }));
  }

  #setRef(isRef: boolean): this {
    this.#isRef = isRef;
    if (isRef) this.#server?.ref();
    else this.#server?.unref();
    return this;
  }

  #stop(server: Server): Promise<void> {
    return new Promise((resolve) => server.close(() => resolve()));
  }
}

/** What is told when a limit has turned something away. */
export interface LimitDiagnostics {
  /** The server that has the limit. */
  readonly server: SecureServer;
  /** The option or the error code that stands for the limit. */
  readonly limit: string;
  /** Whom it was turned against. */
  readonly remoteAddress: string | undefined;
}

/** Resolves when the server listens. */
function openServer(server: Server, address: TcpAddress | UnixAddress, backlog: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const onClose = (): void => reject(serverClosed());
    server.once('error', reject);
    // a server that is closed before it listens says nothing else
    server.once('close', onClose);
    const where = 'path' in address ? { path: address.path } : address;
    server.listen({ ...where, backlog }, () => {
      server.off('error', reject);
      server.off('close', onClose);
      resolve();
    });
  });
}

function addressOf(server: Server): Required<TcpAddress> | UnixAddress {
  const address = server.address() as AddressInfo | string;
  return typeof address === 'string' ? { path: address } : { host: address.address, port: address.port };
}

async function prepareUnixPath({ path, unlink }: UnixAddress): Promise<void> {
  checkUnixPath(path);
  if (unlink === true) await unlinkIfLeftBehind(path);
}
