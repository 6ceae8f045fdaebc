import { createServer, type Server, type Socket } from 'node:net';
import type { SecureClient } from '../client/client.node.js';
import { PrivateKeyQueue } from '../connection/private-key-queue.js';
import type { Script } from '../core/script.js';
import { defaultBackend } from '../defaults.node.js';
import { traceLimit } from '../diagnostics.node.js';
import { badArgument, type ErrorCode, kindOf, SecureSocketError } from '../errors.js';
import { readServerOptions, type ServerOptions, type ServerSettings } from '../options/options.js';
import { planServer, privateKeyConcurrency } from '../options/scripts.node.js';
import { readAddress } from '../transports/address.js';
import { fromAccepted, type TcpAddress, type UnixAddress } from '../transports/tcp.node.js';
import { isTransport, type Transport } from '../transports/transport.js';
import { type AcceptOptions, AcceptQueue } from './accept-queue.js';
import { ConnectionAcceptor, type Origin } from './connection-acceptor.node.js';

/** Node's own default: connections that the system, and then `accept()`, may leave waiting. */
const BACKLOG = 511;

/** How to close a server. */
export interface ServerCloseOptions {
  /** How long clients may take to end in order, in milliseconds, before they are destroyed. Default 5000. */
  readonly timeout?: number;
}

/** A server's counters. */
export interface ServerStats {
  /** Handshakes under way. */
  readonly pending: number;
  /** Clients whose handshake is done and that nobody has accepted yet. */
  readonly waiting: number;
  /** Connections whose handshake is done and that are not over. */
  readonly open: number;
  /** Handshakes done since the start. */
  readonly handshakesCompleted: number;
  /** Connections that did not become clients, by error code; `SYSTEM` counts errors of the system. */
  readonly rejected: Readonly<Partial<Record<ErrorCode | 'SYSTEM', number>>>;
  /** RSA private operations since the start. */
  readonly privateKeyOperations: number;
  /** RSA private operations that wait for their turn. */
  readonly privateKeyOperationsWaiting: number;
  /** Bytes held for all connections, in both directions. */
  readonly buffered: number;
  /** Bytes received on the wire. */
  readonly bytesRead: number;
  /** Bytes written to the wire. */
  readonly bytesWritten: number;
}

/**
 * Listens, does the handshakes side by side and hands out connected clients, in the order in which they became ready.
 * Iterating over it accepts until it is closed.
 */
export class SecureServer implements AsyncIterable<SecureClient> {
  readonly #settings: ServerSettings;
  readonly #privateKeyQueue: PrivateKeyQueue;
  readonly #accepted = new AcceptQueue();
  #acceptor: ConnectionAcceptor | undefined;
  #preparing: Promise<ConnectionAcceptor> | undefined;
  #bound: TcpAddress | UnixAddress | undefined;
  #server: Server | undefined;
  #isListening = false;
  /** Whether clients can come: it listens, or a transport was attached. */
  #isOpen = false;
  #fingerprint: string | undefined;
  #backlog = BACKLOG;
  #closing: Promise<void> | undefined;

  /** Throws BAD_OPTION. */
  constructor(options: ServerOptions = {}) {
    this.#settings = readServerOptions(options, defaultBackend);
    const { backend, maxPendingHandshakes, protocol } = this.#settings;
    const concurrency = privateKeyConcurrency(this.#settings);
    // the raw operation of classic has no way off the main thread before Node 24.7
    const isOffThread = backend.native && protocol === 'sealed';
    this.#privateKeyQueue = new PrivateKeyQueue(concurrency, maxPendingHandshakes, isOffThread);
  }

  /** Says where to listen. Nothing is opened yet: an address in use shows when `listen()` is called. */
  async bind(address: TcpAddress | UnixAddress): Promise<void> {
    this.#throwIfClosed();
    if (this.#server) throw new SecureSocketError('ALREADY_LISTENING', 'bind() comes before listen()');
    this.#bound = readAddress(address, 0);
  }

  /**
   * Makes the key ready and begins to listen, at the address given here or to `bind()`. `backlog` bounds the connections
   * that wait, in the system for their handshake and here for `accept()`; default 511. Rejects with the system's error
   * (`EADDRINUSE`).
   */
  async listen(to: number | TcpAddress | UnixAddress = BACKLOG, backlog: number = BACKLOG): Promise<void> {
    this.#throwIfClosed();
    if (this.#server) throw new SecureSocketError('ALREADY_LISTENING', 'listen() was called before');
    if (typeof to === 'number') this.#backlog = checkBacklog(to);
    else {
      this.#backlog = checkBacklog(backlog);
      this.#bound = readAddress(to, 0);
    }
    const address = this.#bound;
    if (address === undefined)
      throw new SecureSocketError(
        'NOT_BOUND',
        'there is no address: await bind({ port }) first, or listen({ port })',
      );
    const { keepAlive, keepAliveInitialDelay } = this.#settings;
    const server = createServer({
      allowHalfOpen: true,
      noDelay: true,
      keepAlive,
      keepAliveInitialDelay,
      pauseOnConnect: true,
    });
    this.#server = server;
    try {
      await this.#prepare();
      await opened(server, address, this.#backlog);
      this.#throwIfClosed();
    } catch (error) {
      this.#server = undefined;
      if (server.listening) server.close();
      throw error;
    }
    this.#isListening = true;
    this.#isOpen = true;
    server.on('connection', (socket) => this.#connected(socket));
    // out of file descriptors and the like: the server goes on listening
    server.on('error', (error) => this.#report(error, { remoteAddress: undefined, remotePort: undefined }));
  }

  /**
   * Takes a connection that did not come through `listen()`: the server's end of a transport of one's own. Like every
   * other it does its handshake and then comes out of `accept()`. Needs no `listen()`.
   */
  async attach(transport: Transport): Promise<void> {
    if (!isTransport(transport))
      throw badArgument(`attach() takes a Transport, such as fromDuplex() makes, not ${kindOf(transport)}`);
    try {
      const acceptor = await this.#prepare();
      this.#isOpen = true;
      acceptor.attach(transport);
    } catch (error) {
      transport.destroy();
      throw error;
    }
  }

  /**
   * The next client whose handshake is done. A peer that fails, stalls or vanishes on the way is reported to
   * `onHandshakeError` and never seen here. Several calls may wait. Rejects with CLOSED when the server is closed.
   */
  accept(options: AcceptOptions = {}): Promise<SecureClient> {
    if (!this.#isOpen && !this.#closing) return Promise.reject(notListening('accept()'));
    return this.#accepted.take(options.signal);
  }

  /**
   * Stops listening, ends handshakes, lets `accept()` reject, closes all clients and destroys those that have not ended
   * after `timeout`. Idempotent, never rejects.
   */
  close(options: ServerCloseOptions = {}): Promise<void> {
    this.#closing ??= this.#close(options.timeout ?? 5000);
    return this.#closing;
  }

  /** Accepted clients, until the server is closed. */
  async *[Symbol.asyncIterator](): AsyncIterator<SecureClient> {
    if (!this.#isOpen && !this.#closing) throw notListening('iteration');
    for (;;) {
      const client = await this.#accepted.takeOrEnd();
      if (client === null) return;
      yield client;
    }
  }

  /** `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Where it listens, with the real port. A misuse error before `listen()` has resolved. */
  get address(): Required<TcpAddress> | UnixAddress {
    const address = this.#isListening ? this.#server?.address() : null;
    if (address === null || address === undefined) throw notListening('address');
    return typeof address === 'string' ? { path: address } : { host: address.address, port: address.port };
  }

  /** `SHA256:` and the base64 of its public key's SHA-256, for clients to pin. A misuse error before `listen()` has resolved. */
  get fingerprint(): string {
    if (this.#fingerprint === undefined || !this.#isOpen) throw notListening('fingerprint');
    return this.#fingerprint;
  }

  /** Counters of this server: what it does now, and what it has done since `listen()`. */
  get stats(): ServerStats {
    const acceptor = this.#acceptor;
    return {
      pending: acceptor?.pending ?? 0,
      waiting: this.#accepted.length,
      open: acceptor?.open ?? 0,
      handshakesCompleted: acceptor?.handshakesCompleted ?? 0,
      rejected: acceptor?.rejected ?? {},
      privateKeyOperations: this.#privateKeyQueue.count,
      privateKeyOperationsWaiting: this.#privateKeyQueue.waiting,
      buffered: acceptor?.buffered ?? 0,
      bytesRead: acceptor?.bytesRead ?? 0,
      bytesWritten: acceptor?.bytesWritten ?? 0,
    };
  }

  /** Makes the key and what else connections share, once. */
  async #prepare(): Promise<ConnectionAcceptor> {
    this.#throwIfClosed();
    this.#preparing ??= planServer(this.#settings, this.#privateKeyQueue).then((plan) => {
      this.#fingerprint = plan.fingerprint;
      this.#acceptor = this.#makeIntake(plan.script);
      return this.#acceptor;
    });
    try {
      const acceptor = await this.#preparing;
      this.#throwIfClosed();
      return acceptor;
    } catch (error) {
      this.#preparing = undefined;
      throw error;
    }
  }

  #makeIntake(script: () => Script): ConnectionAcceptor {
    return new ConnectionAcceptor({
      settings: this.#settings,
      privateKeyQueue: this.#privateKeyQueue,
      accepted: this.#accepted,
      backlog: () => this.#backlog,
      script,
      report: (error, from) => this.#report(error, from),
      limited: (limit, { remoteAddress }) => traceLimit({ server: this, limit, remoteAddress }),
    });
  }

  #connected(socket: Socket): void {
    this.#acceptor?.receive(socket, fromAccepted);
  }

  #report(error: Error, from: Origin): void {
    if (this.#closing) return;
    try {
      this.#settings.onHandshakeError?.(error, from);
    } catch (thrown) {
      // any stranger can cause a call: a mistake in it must not end the process
      process.emitWarning(`onHandshakeError threw: ${String(thrown)}`, { code: 'SECURE_SOCKETS_CALLBACK' });
    }
  }

  async #close(timeout: number): Promise<void> {
    const server = this.#server;
    this.#isListening = false;
    this.#accepted.end(new SecureSocketError('CLOSED', 'the server is closed'));
    const gone = server?.listening
      ? new Promise<void>((resolve) => server.close(() => resolve()))
      : undefined;
    await this.#acceptor?.close(timeout);
    await gone;
  }

  #throwIfClosed(): void {
    if (this.#closing) throw new SecureSocketError('CLOSED', 'the server is closed');
  }
}

/** Resolves when the server listens. */
function opened(server: Server, address: TcpAddress | UnixAddress, backlog: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const closed = (): void => reject(new SecureSocketError('CLOSED', 'the server is closed'));
    server.once('error', reject);
    // a server that is closed before it listens says nothing else
    server.once('close', closed);
    server.listen({ ...address, backlog }, () => {
      server.off('error', reject);
      server.off('close', closed);
      resolve();
    });
  });
}

function checkBacklog(backlog: number): number {
  if (Number.isInteger(backlog) && backlog >= 1) return backlog;
  throw badArgument(`backlog must be a whole number of connections, at least 1, not ${String(backlog)}`);
}

function notListening(what: string): SecureSocketError {
  return new SecureSocketError('NOT_LISTENING', `${what} needs a server that listens: await listen() first`);
}
