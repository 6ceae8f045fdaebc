import type { Connection } from '../connection/connection.js';
import type { Bytes } from '../core/bytes.js';
import type { HandshakeResult } from '../core/script.js';
import type { SuiteName } from '../core/sealed/suites.js';
import { traceConnection } from '../diagnostics.js';
import { badOption } from '../errors.js';
import { describeBy } from '../inspection.js';
import type { ClientOptions, Peer, ProtocolName } from '../options/options.js';
import type { ServerSettings } from '../options/server-settings.js';
import { readableOf, writableOf } from '../streams/web-streams.js';
import type { Transport } from '../transports/transport.js';
import { type ClientInternals, ClientLifecycle, type ClientPlatform } from './client-lifecycle.js';
import type { ConnectionEnd } from './connection-end.js';
import { type ConnectOptions, type Destination, useTransport } from './establish.js';
import { iterate } from './iteration.js';
import {
  type CloseOptions,
  checkExport,
  checkMessage,
  type EndOptions,
  type RecvOptions,
  readCloseOptions,
  readConnectOptions,
  readEndOptions,
  readRecvOptions,
  readSendOptions,
  type SendOptions,
} from './method-options.js';

/** A client that a server has accepted: it is connected already, and has no `connect`. */
export type AcceptedClient<Client> = Client & {
  /** Not there: calling it is an error. */
  readonly connect: never;
};

/** What subclasses that offer more of a platform need of a client. */
export interface ClientAccess {
  connect(client: PortableClient, to: Destination, options: ConnectOptions): Promise<void>;
  adopt(
    client: PortableClient,
    connection: Connection,
    handshake: HandshakeResult,
    settings: ServerSettings,
  ): void;
  internals(client: PortableClient): ClientInternals;
  /** What may be shown of a client: nothing secret. */
  describe(client: PortableClient): Record<string, unknown>;
}

/** Kept outside of the class, so that programs have no access to it. */
export let clientAccess: ClientAccess;

/** The connection behind a client. */
export function connectionOf(client: PortableClient): Connection {
  return clientAccess.internals(client).connection;
}

/**
 * An encrypted connection that carries whole messages in both directions: the client's end, and what a server's
 * `accept()` returns. Iterating over it gives the messages received, until the peer has ended its side in order.
 */
export class PortableClient implements AsyncIterable<Bytes> {
  readonly #lifecycle: ClientLifecycle;
  #readable: (ReadableStream<Bytes> & AsyncIterable<Bytes>) | undefined;
  #writable: WritableStream<Uint8Array> | undefined;

  static {
    clientAccess = {
      connect: (client, to, options) => client.#connect(to, options),
      adopt: (client, connection, handshake, settings) =>
        client.#lifecycle.adopt(connection, handshake, settings),
      internals: (client) => client.#lifecycle.internals(),
      describe: (client) => client.#describe(),
    };
  }

  /** Throws BAD_OPTION. */
  constructor(options: ClientOptions, platform: ClientPlatform) {
    this.#lifecycle = new ClientLifecycle(options, platform);
  }

  /**
   * Does the handshake over a transport: when it resolves, the server has proven that it owns the key trusted here
   * (sealed), and messages can be sent.
   *
   * Rejects with the transport's error, with `signal.reason`, or with a {@link SecureSocketError}.
   */
  async connect(to: Transport, options: ConnectOptions = {}): Promise<void> {
    const read = readConnectOptions(options);
    // before the transport is taken, which another client can still use
    this.#lifecycle.requireUnused();
    await this.#connect(useTransport(to, read), read);
  }

  async #connect(destination: Destination, options: ConnectOptions): Promise<void> {
    traceConnection('client', this, await this.#lifecycle.connect(destination, options));
  }

  /**
   * Sends one message of 0 to `maxMessage` bytes. Resolves when it is framed and the socket is below its high-water
   * mark, which is not delivery; the buffer is the caller's again then. Concurrent calls keep their order.
   */
  send(message: Uint8Array, options?: SendOptions): Promise<void> {
    try {
      checkMessage(message);
      const { signal } = options === undefined ? NONE : readSendOptions(options);
      return this.#lifecycle.requireConnection().send(message, signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** The next message; `null` once the peer has ended its side. One call at a time. */
  recv(options?: RecvOptions): Promise<Bytes | null> {
    try {
      const { signal } = options === undefined ? NONE : readRecvOptions(options);
      return this.#lifecycle.requireConnection().recv(signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Ends this side's sending half, after all that was sent. Resolves when the system has been given everything. In
   * sealed the peer is told `code`: 0 (default), 1 (going away), or one of the application's own, 16384 to 65535.
   */
  async end(options: EndOptions = {}): Promise<void> {
    const { code } = readEndOptions(options, this.#lifecycle.settings.protocol);
    await this.#lifecycle.requireConnection().end(code);
  }

  /**
   * Closes: what was sent is written, then the end; waits for the peer's end, and gives up after `timeout`, by
   * default `closeTimeout`, without progress. Resolves to how it ended: `error` is `undefined` if the peer has ended
   * in order, for which its side must have received everything before; otherwise the last messages may be lost.
   * Idempotent, never rejects but for wrong options (`code` means the same as with `end()`) and an aborted `signal`.
   */
  async close(options: CloseOptions = {}): Promise<ConnectionEnd> {
    return this.#lifecycle.close(readCloseOptions(options, this.#lifecycle.settings.protocol));
  }

  /**
   * Resolves when the connection is over, with how it has ended; never rejects. Also when `close` or `destroy` is
   * called on a client that has none.
   */
  get closed(): Promise<ConnectionEnd> {
    return this.#lifecycle.end;
  }

  /** Keeps the process alive while the connection is open, as it does by default. */
  ref(): this {
    this.#lifecycle.setRef(true);
    return this;
  }

  /** Lets the process end although the connection is open. */
  unref(): this {
    this.#lifecycle.setRef(false);
    return this;
  }

  /**
   * Asks for fresh keys before the next message. Happens by itself after 2^20 records, 64 GiB or an hour. Classic has
   * one key for a connection, and nothing happens.
   */
  rekey(): void {
    this.#lifecycle.requireConnection().rekey();
  }

  /** Gives up the connection at once. A `recv()` or `send()` that waits rejects with `error`. */
  destroy(error?: Error): void {
    this.#lifecycle.destroy(error);
  }

  /** The messages received, until the peer has ended its side in order; throws if it ends otherwise. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Bytes> {
    this.#lifecycle.requireConnection();
    return iterate(() => this.#lifecycle.requireConnection().next());
  }

  /**
   * The messages received in arrays: those that are there already, at least one and at most 1024, for programs that
   * take very many small messages. It ends, throws and holds the peer back as the iteration over the client does.
   */
  batches(): AsyncIterableIterator<Bytes[]> {
    this.#lifecycle.requireConnection();
    return iterate(() => this.#lifecycle.requireConnection().nextBatch());
  }

  /** The messages received as a `ReadableStream`: one chunk is one message. Use it or `recv`, not both. */
  get readable(): ReadableStream<Bytes> & AsyncIterable<Bytes> {
    this.#readable ??= readableOf(this.#lifecycle.requireConnection(), () => this.recv());
    return this.#readable;
  }

  /** A `WritableStream` that sends each chunk as one message; closing it is `end()`, aborting it `destroy()`. */
  get writable(): WritableStream<Uint8Array> {
    this.#writable ??= writableOf(this.#lifecycle.requireConnection(), (message) => this.send(message));
    return this.#writable;
  }

  /** `close()`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** `'sealed'` or `'classic'`. */
  get protocol(): ProtocolName {
    return this.#lifecycle.settings.protocol;
  }

  /** Name of the backend that computes. */
  get backend(): string {
    return this.#lifecycle.settings.backend.name;
  }

  /** Name of the key exchange used; `undefined` in classic and before the handshake. */
  get suite(): SuiteName | undefined {
    return this.#lifecycle.handshake?.suite;
  }

  /** Whether a ticket of an earlier connection took the place of the long-term keys; see the option `sessions`. */
  get resumed(): boolean {
    return this.#lifecycle.handshake?.resumed ?? false;
  }

  /** Whom the peer proved to be; `null` for an anonymous one. In classic the key the server claimed. */
  get peer(): Peer | null {
    return this.#lifecycle.peer;
  }

  /** The code with which the peer has ended its side: 0 unless it gave another. `undefined` before that. */
  get closeCode(): number | undefined {
    return this.#lifecycle.connection?.peerCloseCode;
  }

  /** The peer's address; `undefined` on a Unix domain socket. */
  get remoteAddress(): string | undefined {
    return this.#lifecycle.connection?.transport.remoteAddress;
  }

  /** The peer's port; `undefined` on a Unix domain socket. */
  get remotePort(): number | undefined {
    return this.#lifecycle.connection?.transport.remotePort;
  }

  /** This side's address. */
  get localAddress(): string | undefined {
    return this.#lifecycle.connection?.transport.localAddress;
  }

  /** This side's port. */
  get localPort(): number | undefined {
    return this.#lifecycle.connection?.transport.localPort;
  }

  /** Bytes received on the wire. */
  get bytesRead(): number {
    return this.#lifecycle.connection?.bytesRead ?? 0;
  }

  /** Bytes written on the wire, or waiting in the system's hands to be. */
  get bytesWritten(): number {
    return this.#lifecycle.connection?.bytesWritten ?? 0;
  }

  /**
   * Keying material of `length` bytes that only the two ends can compute (RFC 8446 7.5), to bind other
   * credentials to this connection. Sealed only, and until `close()` or `destroy()` is called on this side.
   */
  exportKey(label: string, context: Uint8Array, length: number): Bytes {
    checkExport(label, context);
    const { keys } = this.#lifecycle.internals().handshake;
    if (keys === undefined) throw badOption('the classic protocol has no keys to export');
    return keys.exportKey(label, context, length);
  }

  #describe(): Record<string, unknown> {
    const { protocol, suite, remoteAddress, remotePort, localAddress, localPort } = this;
    const { closeCode, bytesRead, bytesWritten } = this;
    const peer = this.#lifecycle.handshake?.peer?.fingerprint;
    const addresses = { remoteAddress, remotePort, localAddress, localPort };
    return {
      state: this.#lifecycle.state,
      protocol,
      suite,
      ...addresses,
      peer,
      closeCode,
      bytesRead,
      bytesWritten,
    };
  }
}

describeBy(PortableClient.prototype, (client) => clientAccess.describe(client));

/** The options of a call that has none. */
const NONE: { readonly signal?: undefined } = {};
