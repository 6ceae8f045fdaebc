import { createServer, type Server, type Socket } from 'node:net';
import { type AcceptOptions, AcceptQueue } from './accept-queue.js';
import { Admission } from './admission.js';
import { connectedClient, type SecureClient } from './client.js';
import { Connection, type ConnectionSettings } from './connection.js';
import type { Script } from './core/script.js';
import { defaultBackend } from './defaults.js';
import { badArgument, kindOf, SecureSocketError } from './errors.js';
import { readServerOptions, type ServerOptions, type ServerSettings } from './options.js';
import { PrivateKeyQueue } from './private-key-queue.js';
import { planServer, privateKeyConcurrency } from './protocols.js';
import { fromAccepted, type TcpAddress, type UnixAddress } from './transports/tcp.js';

/** Node's own default: connections that the system, and then `accept()`, may leave waiting. */
const BACKLOG = 511;

/** How to close a server. */
export interface ServerCloseOptions {
  /** How long clients may take to end in order, in milliseconds, before they are destroyed. Default 5000. */
  readonly timeout?: number;
}

/**
 * Listens, does the handshakes side by side and hands out connected clients, in the order in which they became ready.
 * Iterating over it accepts until it is closed.
 */
export class SecureServer implements AsyncIterable<SecureClient> {
  readonly #settings: ServerSettings;
  readonly #admission: Admission;
  readonly #privateKeyQueue: PrivateKeyQueue;
  readonly #connections = new Set<Connection>();
  readonly #accepted = new AcceptQueue();
  #bound: TcpAddress | UnixAddress | undefined;
  #server: Server | undefined;
  #isListening = false;
  #fingerprint: string | undefined;
  #script: (() => Script) | undefined;
  #backlog = BACKLOG;
  #closing: Promise<void> | undefined;

  /** Throws BAD_OPTION. */
  constructor(options: ServerOptions = {}) {
    this.#settings = readServerOptions(options, defaultBackend);
    const { backend, maxPendingHandshakes, maxPendingPerSource } = this.#settings;
    this.#admission = new Admission(maxPendingHandshakes, maxPendingPerSource);
    this.#privateKeyQueue = new PrivateKeyQueue(privateKeyConcurrency(backend), maxPendingHandshakes);
  }

  /** Says where to listen. Nothing is opened yet: an address in use shows when `listen()` is called. */
  async bind(address: TcpAddress | UnixAddress): Promise<void> {
    if (this.#server || this.#closing)
      throw new SecureSocketError('ALREADY_LISTENING', 'bind() comes before listen(), and once');
    this.#bound = checkAddress(address);
  }

  /**
   * Makes the key ready and begins to listen, at the address given here or to `bind()`. `backlog` bounds the connections
   * that wait, in the system for their handshake and here for `accept()`; default 511. Rejects with the system's error
   * (`EADDRINUSE`).
   */
  async listen(to: number | TcpAddress | UnixAddress = BACKLOG, backlog: number = BACKLOG): Promise<void> {
    if (this.#server || this.#closing)
      throw new SecureSocketError('ALREADY_LISTENING', 'listen() was called before');
    if (typeof to === 'number') this.#backlog = checkBacklog(to);
    else {
      this.#backlog = checkBacklog(backlog);
      this.#bound = checkAddress(to);
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
      const { script, fingerprint } = await planServer(this.#settings, this.#privateKeyQueue);
      this.#script = script;
      this.#throwIfClosed();
      await opened(server, address, this.#backlog);
      this.#throwIfClosed();
      this.#fingerprint = fingerprint;
    } catch (error) {
      this.#server = undefined;
      if (server.listening) server.close();
      throw error;
    }
    this.#isListening = true;
    server.on('connection', (socket) => this.#connected(socket));
    // out of file descriptors and the like: the server goes on listening
    server.on('error', (error) => this.#report(error, { remoteAddress: undefined, remotePort: undefined }));
  }

  /**
   * The next client whose handshake is done. A peer that fails, stalls or vanishes on the way is reported to
   * `onHandshakeError` and never seen here. Several calls may wait. Rejects with CLOSED when the server is closed.
   */
  accept(options: AcceptOptions = {}): Promise<SecureClient> {
    if (!this.#isListening && !this.#closing) return Promise.reject(notListening('accept()'));
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

  async *[Symbol.asyncIterator](): AsyncIterator<SecureClient> {
    if (!this.#isListening && !this.#closing) throw notListening('iteration');
    for (;;) {
      const client = await this.#accepted.takeOrEnd();
      if (client === null) return;
      yield client;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Where it listens, with the real port. A misuse error before `listen()` has resolved. */
  get address(): { readonly host: string; readonly port: number } | { readonly path: string } {
    const address = this.#isListening ? this.#server?.address() : null;
    if (address === null || address === undefined) throw notListening('address');
    return typeof address === 'string' ? { path: address } : { host: address.address, port: address.port };
  }

  /** `SHA256:` and the base64 of its public key's SHA-256, for clients to pin. A misuse error before `listen()` has resolved. */
  get fingerprint(): string {
    if (this.#fingerprint === undefined) throw notListening('fingerprint');
    return this.#fingerprint;
  }

  #connected(socket: Socket): void {
    const { remoteAddress, remotePort } = socket;
    const from = { remoteAddress, remotePort };
    const transport = fromAccepted(socket);
    const isRoom =
      this.#admission.pending + this.#accepted.length < this.#settings.maxPendingHandshakes + this.#backlog;
    const leave = isRoom ? this.#admission.enter(remoteAddress) : undefined;
    if (leave === undefined || this.#script === undefined) {
      transport.destroy();
      this.#report(
        new SecureSocketError(
          'BUSY',
          `${this.#admission.pending} handshakes are pending: the connection was dropped`,
        ),
        from,
      );
      return;
    }
    const connection = new Connection(transport, this.#script(), this.#connectionSettings());
    this.#connections.add(connection);
    connection.ready.then(
      (opening) => {
        leave();
        this.#accepted.put(connectedClient(connection, opening, this.#settings));
      },
      (error: Error) => this.#report(error, from),
    );
    void connection.closed.then(() => {
      leave();
      this.#connections.delete(connection);
    });
    connection.start();
  }

  #connectionSettings(): ConnectionSettings {
    const settings = this.#settings;
    return {
      ...settings,
      readAhead: settings.maxMessage + settings.maxRecord,
      run: async (task, kind, isOver) =>
        kind === 'privateKey' ? this.#privateKeyQueue.run(task, isOver) : task(),
    };
  }

  #report(error: Error, from: { remoteAddress: string | undefined; remotePort: number | undefined }): void {
    if (!this.#closing) this.#settings.onHandshakeError?.(error, from);
  }

  async #close(timeout: number): Promise<void> {
    const server = this.#server;
    this.#isListening = false;
    this.#accepted.end(new SecureSocketError('CLOSED', 'the server is closed'));
    const gone = server?.listening
      ? new Promise<void>((resolve) => server.close(() => resolve()))
      : undefined;
    const connections = [...this.#connections];
    const timer = setTimeout(() => {
      for (const connection of connections) connection.destroy();
    }, timeout);
    await Promise.all(connections.map((connection) => connection.close(1)));
    clearTimeout(timer);
    await gone;
  }

  #throwIfClosed(): void {
    if (this.#closing)
      throw new SecureSocketError('CLOSED', 'the server was closed while it began to listen');
  }
}

/** Resolves when the server listens. */
function opened(server: Server, address: TcpAddress | UnixAddress, backlog: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ ...address, backlog }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function checkAddress(address: TcpAddress | UnixAddress): TcpAddress | UnixAddress {
  if (typeof address !== 'object' || address === null)
    throw badArgument(`an address is { port, host } or { path }, not ${kindOf(address)}`);
  if ('path' in address) {
    if (typeof address.path !== 'string' || address.path === '')
      throw badArgument(`path must be text, not ${kindOf(address.path)}`);
    return { path: address.path };
  }
  const { port, host } = address;
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw badArgument(
      `port must be a whole number from 0 to 65535, not ${typeof port === 'number' ? port : kindOf(port)}`,
    );
  }
  if (host !== undefined && typeof host !== 'string')
    throw badArgument(`host must be text, not ${kindOf(host)}`);
  return host === undefined ? { port } : { port, host };
}

function checkBacklog(backlog: number): number {
  if (Number.isInteger(backlog) && backlog >= 1) return backlog;
  throw badArgument(`backlog must be a whole number of connections, at least 1, not ${String(backlog)}`);
}

function notListening(what: string): SecureSocketError {
  return new SecureSocketError('NOT_LISTENING', `${what} needs a server that listens: await listen() first`);
}
