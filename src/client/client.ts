import type { Backend } from '../backend.js';
import type { Connection } from '../connection/connection.js';
import type { HandshakeResult } from '../core/script.js';
import { traceConnection } from '../diagnostics.js';
import { badArgument, kindOf, SecureSocketError } from '../errors.js';
import {
  type ClientOptions,
  type ClientSettings,
  type Peer,
  type ProtocolName,
  readClientOptions,
  type ServerSettings,
} from '../options/options.js';
import { readableOf, writableOf } from '../streams/web-streams.js';
import type { Transport } from '../transports/transport.js';
import {
  type ConnectOptions,
  type Destination,
  establish,
  givenTransport,
  type Planner,
} from './establish.js';

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

/** What the platform brings to a client; the rest of it is the same everywhere. */
export interface ClientPlatform {
  /** Computes unless the options name another backend. */
  readonly backend: Backend;
  readonly plan: Planner;
}

/** What subclasses that offer more of a platform need of a client. */
export interface ClientAccess {
  connect(client: PortableClient, to: Destination, options: ConnectOptions): Promise<void>;
  adopt(
    client: PortableClient,
    connection: Connection,
    opening: HandshakeResult,
    settings: ServerSettings,
  ): void;
  internals(client: PortableClient): ClientInternals;
}

/** The parts of a connected client. */
export interface ClientInternals {
  readonly connection: Connection;
  readonly opening: HandshakeResult;
  readonly settings: ClientSettings | ServerSettings;
}

/** Not in the class, where everybody would see it. */
export let clientAccess: ClientAccess;

/**
 * An encrypted connection that carries whole messages in both directions: the client's end, and what a server's
 * `accept()` returns. Iterating over it gives the messages received, until the peer has ended its side in order.
 */
export class PortableClient implements AsyncIterable<Uint8Array> {
  #settings: ClientSettings | ServerSettings;
  readonly #plan: Planner;
  #connection: Connection | undefined;
  #opening: HandshakeResult | undefined;
  #peer: Peer | null = null;
  #connecting: AbortController | undefined;
  #readable: ReadableStream<Uint8Array> | undefined;
  #writable: WritableStream<Uint8Array> | undefined;

  static {
    clientAccess = {
      connect: (client, to, options) => client.#connect(to, options),
      adopt: (client, connection, opening, settings) => {
        client.#settings = settings;
        client.#open(connection, opening);
      },
      internals: (client) => ({
        connection: client.#connected(),
        opening: client.#opening as HandshakeResult,
        settings: client.#settings,
      }),
    };
  }

  /** Throws BAD_OPTION. */
  constructor(options: ClientOptions, platform: ClientPlatform) {
    this.#settings = readClientOptions(options, platform.backend);
    this.#plan = platform.plan;
  }

  /**
   * Does the handshake over a transport: when it resolves, the server has proven that it owns the key trusted here
   * (sealed), and messages can be sent.
   *
   * Rejects with the transport's error, with `signal.reason`, or with a {@link SecureSocketError}.
   */
  async connect(to: Transport, options: ConnectOptions = {}): Promise<void> {
    await this.#connect(givenTransport(to, options), options);
  }

  async #connect(destination: Destination, options: ConnectOptions): Promise<void> {
    if (this.#connecting || this.#connection) {
      throw new SecureSocketError(
        'ALREADY_CONNECTED',
        'connect() was called before: use a new SecureClient for a new connection',
      );
    }
    const giveUp = new AbortController();
    this.#connecting = giveUp;
    try {
      const { connection, opening } = await establish(
        { settings: this.#settings as ClientSettings, plan: this.#plan, destination },
        options,
        giveUp,
      );
      this.#open(connection, opening);
      traceConnection('client', this, connection);
    } finally {
      this.#connecting = undefined;
    }
  }

  /**
   * Sends one message of 0 to `maxMessage` bytes. Resolves when it is framed and the socket is below its high-water
   * mark, which is not delivery; the buffer is the caller's again then. Concurrent calls keep their order.
   */
  send(message: Uint8Array): Promise<void> {
    if (!isBytes(message))
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
    this.#connecting?.abort(new SecureSocketError('CLOSED', 'close() was called while connecting'));
    this.#opening?.keys?.forget();
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
    this.#connecting?.abort(
      error ?? new SecureSocketError('CLOSED', 'destroy() was called while connecting'),
    );
    this.#opening?.keys?.forget();
    this.#connection?.destroy(error);
  }

  /** The messages received, until the peer has ended its side in order; throws if it ends otherwise. */
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

  /** `close()`, for `await using`. */
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
   * credentials to this connection. Sealed only, and until `close()` or `destroy()` is called on this side.
   */
  exportKey(label: string, context: Uint8Array, length: number): Uint8Array {
    if (this.#opening === undefined) throw notConnected();
    const { keys } = this.#opening;
    if (keys === undefined)
      throw new SecureSocketError('BAD_OPTION', 'the classic protocol has no keys to export');
    return keys.exportKey(label, context, length);
  }

  #connected(): Connection {
    if (this.#connection === undefined) throw notConnected();
    return this.#connection;
  }

  #open(connection: Connection, opening: HandshakeResult): void {
    this.#connection = connection;
    this.#opening = opening;
    this.#peer = opening.peer;
  }
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

/** By what it is, not by whose class: a test runner may have another realm's. */
function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array || Object.prototype.toString.call(value) === '[object Uint8Array]';
}
