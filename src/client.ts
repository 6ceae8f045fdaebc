import type { Duplex } from 'node:stream';
import { byteStream } from './byte-stream.js';
import { Connection, type ConnectionSettings } from './connection.js';
import type { Opening } from './core/script.js';
import { defaultBackend } from './defaults.js';
import { traceConnection, traceHandshake } from './diagnostics.js';
import { badArgument, kindOf, SecureSocketError } from './errors.js';
import {
  type ClientOptions,
  type ClientSettings,
  type Peer,
  type ProtocolName,
  readClientOptions,
  type ServerSettings,
} from './options.js';
import { planClient } from './protocols.js';
import { readableOf, writableOf } from './streams.js';
import { isTransport, type Transport } from './transport.js';
import { dial, type TcpAddress, type UnixAddress } from './transports/tcp.js';
import type { Target } from './trust.js';

/** How to connect. */
export interface ConnectOptions {
  /** Aborts the connection attempt, the handshake included; `connect` rejects with its reason. */
  readonly signal?: AbortSignal;
  /** With a {@link Transport}: the host to look up in a known-hosts file. */
  readonly host?: string;
  /** With a {@link Transport}: the port to look up in a known-hosts file. */
  readonly port?: number;
}

/** How to receive. */
export interface RecvOptions {
  /** Aborts the wait; `recv` rejects with its reason and no message is lost. */
  readonly signal?: AbortSignal;
}

/** How to end. */
export interface CloseOptions {
  /** What the peer is told: 0 (default), 1 (going away), or 16384 to 65535 with a meaning of one's own. Sealed only. */
  readonly code?: number;
}

let adopt: (connection: Connection, opening: Opening, settings: ServerSettings) => SecureClient;

/**
 * An encrypted connection that carries whole messages in both directions: the client's end, and what a server's
 * `accept()` returns. Iterating over it gives the messages received, until the peer has ended its side in order.
 */
export class SecureClient implements AsyncIterable<Uint8Array> {
  #settings: ClientSettings | ServerSettings;
  #connection: Connection | undefined;
  #opening: Opening | undefined;
  #peer: Peer | null = null;
  #isConnecting = false;
  #readable: ReadableStream<Uint8Array> | undefined;
  #writable: WritableStream<Uint8Array> | undefined;
  #duplex: Duplex | undefined;

  static {
    adopt = (connection, opening, settings) => {
      const client = new SecureClient();
      client.#settings = settings;
      client.#open(connection, opening);
      return client;
    };
  }

  /** Throws BAD_OPTION. */
  constructor(options: ClientOptions = {}) {
    this.#settings = readClientOptions(options, defaultBackend);
  }

  /**
   * Connects over TCP, a Unix domain socket or a transport of one's own, and does the handshake: when it resolves, the
   * server has proven that it owns the key trusted here (sealed), and messages can be sent.
   *
   * Rejects with the system's error (`ECONNREFUSED`), with `signal.reason`, or with a {@link SecureSocketError}.
   */
  async connect(to: TcpAddress | UnixAddress | Transport, options: ConnectOptions = {}): Promise<void> {
    if (this.#isConnecting || this.#connection) {
      throw new SecureSocketError(
        'ALREADY_CONNECTED',
        'connect() was called before: use a new SecureClient for a new connection',
      );
    }
    const { signal } = options;
    signal?.throwIfAborted();
    this.#isConnecting = true;
    try {
      const { connection, opening } = await establish(this.#settings as ClientSettings, to, options);
      this.#open(connection, opening);
      traceConnection('client', this, connection);
    } finally {
      this.#isConnecting = false;
    }
  }

  /**
   * Sends one message of 0 to `maxMessage` bytes. Resolves when it is framed and the socket is below its high-water
   * mark, which is not delivery; the buffer is the caller's again then. Concurrent calls keep their order.
   */
  send(message: Uint8Array): Promise<void> {
    if (!(message instanceof Uint8Array))
      return Promise.reject(badArgument(`send() takes a Uint8Array, not ${kindOf(message)}`));
    return this.#connection === undefined ? Promise.reject(notConnected()) : this.#connection.send(message);
  }

  /** The next message; `null` once the peer has ended its side. One call at a time. */
  recv(options: RecvOptions = {}): Promise<Uint8Array | null> {
    return this.#connection === undefined
      ? Promise.reject(notConnected())
      : this.#connection.recv(options.signal);
  }

  /**
   * Ends this side's sending half, after all that was sent. Resolves when the system has been given everything. In
   * sealed the peer is told `code`: 0 (default), 1 (going away), or one of the application's own, 16384 to 65535.
   */
  end({ code = 0 }: CloseOptions = {}): Promise<void> {
    const { protocol } = this.#settings;
    if (!isCloseCode(code, protocol)) return Promise.reject(badCloseCode(code, protocol));
    return this.#connection === undefined ? Promise.reject(notConnected()) : this.#connection.end(code);
  }

  /**
   * Closes: what was sent is written, then the end; waits for the peer's end, at most `closeTimeout`. Idempotent,
   * never rejects but for a wrong `code`, which means the same as with `end()`.
   */
  async close({ code = 0 }: CloseOptions = {}): Promise<void> {
    const { protocol } = this.#settings;
    if (!isCloseCode(code, protocol)) throw badCloseCode(code, protocol);
    await this.#connection?.close(code);
  }

  /**
   * Asks for fresh keys before the next message. Happens by itself after 2^20 records, 64 GiB or an hour. Classic has
   * one key for a connection, and nothing happens.
   */
  rekey(): void {
    this.#connected().rekey();
  }

  /** Gives up the connection at once. A `recv()` or `send()` that waits rejects with `error`. */
  destroy(error?: Error): void {
    this.#connection?.destroy(error);
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    this.#connected();
    // leaving the loop keeps the connection and its messages: a later recv() or loop goes on
    return { next: () => this.#connected().next() };
  }

  /** The messages received as a `ReadableStream`: one chunk is one message. Use it or `recv`, not both. */
  get readable(): ReadableStream<Uint8Array> {
    this.#readable ??= readableOf(this.#connected(), () => this.recv());
    return this.#readable;
  }

  /** A `WritableStream` that sends each chunk as one message; closing it is `end()`, aborting it `destroy()`. */
  get writable(): WritableStream<Uint8Array> {
    this.#writable ??= writableOf(this.#connected(), (message) => this.send(message));
    return this.#writable;
  }

  /**
   * The connection as a stream of bytes without message boundaries, so that HTTP or any other protocol of Node can run
   * over it. For directions that end apart both ends need `allowHalfOpen: true`. The same stream each time.
   */
  toDuplex(): Duplex {
    const connection = this.#connected();
    const { maxMessage } = (this.#opening as Opening).sender;
    const { allowHalfOpen } = this.#settings;
    this.#duplex ??= byteStream(connection, { maxMessage, allowHalfOpen, owner: this });
    return this.#duplex;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** `'sealed'` or `'classic'`. */
  get protocol(): ProtocolName {
    return this.#settings.protocol;
  }

  /** Name of the backend that computes. */
  get backend(): string {
    return this.#settings.backend.name;
  }

  /** Name of the key exchange used; `undefined` in classic and before the handshake. */
  get suite(): string | undefined {
    return this.#opening?.suite;
  }

  /** Whom the peer proved to be; `null` for an anonymous one. In classic the key the server claimed. */
  get peer(): Peer | null {
    return this.#peer;
  }

  /** The code with which the peer has ended its side: 0 unless it gave another. `undefined` before that. */
  get closeCode(): number | undefined {
    return this.#connection?.peerCloseCode;
  }

  /** The peer's address; `undefined` on a Unix domain socket. */
  get remoteAddress(): string | undefined {
    return this.#connection?.transport.remoteAddress;
  }

  /** The peer's port; `undefined` on a Unix domain socket. */
  get remotePort(): number | undefined {
    return this.#connection?.transport.remotePort;
  }

  /** This side's address. */
  get localAddress(): string | undefined {
    return this.#connection?.transport.localAddress;
  }

  /** This side's port. */
  get localPort(): number | undefined {
    return this.#connection?.transport.localPort;
  }

  /** Bytes received on the wire. */
  get bytesRead(): number {
    return this.#connection?.bytesRead ?? 0;
  }

  /** Bytes written on the wire, or waiting in the system's hands to be. */
  get bytesWritten(): number {
    return this.#connection?.bytesWritten ?? 0;
  }

  /**
   * Keying material of `length` bytes that both ends, and nobody else, can compute (RFC 8446 7.5), to bind other
   * credentials to this connection. Sealed only.
   */
  exportKey(label: string, context: Uint8Array, length: number): Uint8Array {
    if (this.#opening === undefined) throw notConnected();
    const { exportKey } = this.#opening;
    if (exportKey === undefined)
      throw new SecureSocketError('BAD_OPTION', 'the classic protocol has no keys to export');
    return exportKey(label, context, length);
  }

  #connected(): Connection {
    if (this.#connection === undefined) throw notConnected();
    return this.#connection;
  }

  #open(connection: Connection, opening: Opening): void {
    this.#connection = connection;
    this.#opening = opening;
    this.#peer = opening.peer;
  }
}

/** The client object of a connection that a server has accepted. */
export function connectedClient(
  connection: Connection,
  opening: Opening,
  settings: ServerSettings,
): SecureClient {
  return adopt(connection, opening, settings);
}

/** Dials and does the handshake, within one deadline. An abort is noticed wherever it comes. */
async function establish(
  settings: ClientSettings,
  to: TcpAddress | UnixAddress | Transport,
  options: ConnectOptions,
): Promise<{ connection: Connection; opening: Opening }> {
  const { signal } = options;
  const { handshakeTimeout } = settings;
  const begun = performance.now();
  const { script, confirmed } = await planClient(settings, targetOf(to, options));
  signal?.throwIfAborted();
  const transport = isTransport(to) ? to : await dial(settings, to, signal);
  const left = Math.max(1, Math.ceil(handshakeTimeout - (performance.now() - begun)));
  const connection = new Connection(transport, script, connectionSettings(settings, left));
  traceHandshake('client', connection);
  const abort = (): void => connection.destroy(signal?.reason);
  signal?.addEventListener('abort', abort, { once: true });
  try {
    connection.start();
    const opening = await connection.ready;
    if (opening.peer) await confirmed(opening.peer.fingerprint);
    signal?.throwIfAborted();
    return { connection, opening };
  } catch (error) {
    connection.destroy(error);
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

function connectionSettings(settings: ClientSettings, handshakeTimeout: number): ConnectionSettings {
  return {
    ...settings,
    handshakeTimeout,
    readAhead: settings.maxMessage + settings.maxRecord,
    run: async (task) => task(),
  };
}

function targetOf(to: TcpAddress | UnixAddress | Transport, options: ConnectOptions): Target | undefined {
  if (typeof to !== 'object' || to === null)
    throw badArgument(`connect() takes { port, host }, { path } or a Transport, not ${kindOf(to)}`);
  if (isTransport(to))
    return options.host === undefined ? undefined : { host: options.host, port: options.port ?? 0 };
  if ('path' in to) {
    if (typeof to.path !== 'string' || to.path === '')
      throw badArgument(`connect() takes a path that is text, not ${kindOf(to.path)}`);
    return { host: `unix:${to.path}`, port: 0 };
  }
  if (!Number.isInteger(to.port) || to.port < 1 || to.port > 65535) {
    throw badArgument(
      `connect() takes a port from 1 to 65535, not ${typeof to.port === 'number' ? to.port : kindOf(to.port)}`,
    );
  }
  if (to.host !== undefined && typeof to.host !== 'string')
    throw badArgument(`connect() takes a host that is text, not ${kindOf(to.host)}`);
  return { host: to.host ?? 'localhost', port: to.port };
}

function notConnected(): SecureSocketError {
  return new SecureSocketError('NOT_CONNECTED', 'the client is not connected: await connect() first');
}

function isCloseCode(code: number, protocol: ProtocolName): boolean {
  if (code === 0) return true;
  return (
    protocol === 'sealed' && Number.isInteger(code) && (code === 1 || (code >= 0x4000 && code <= 0xffff))
  );
}

function badCloseCode(code: number, protocol: ProtocolName): TypeError {
  return badArgument(
    protocol === 'classic'
      ? 'classic has no message that could carry a close code'
      : `a close code is 0, 1 or 16384 to 65535, not ${String(code)}`,
  );
}
