import type { Backend } from '../backend.js';
import { abortable } from '../connection/abortable.js';
import type { Connection } from '../connection/connection.js';
import type { HandshakeResult } from '../core/script.js';
import { SecureSocketError } from '../errors.js';
import type { ClientOptions, Peer } from '../options/options.js';
import type { ServerSettings } from '../options/server-settings.js';
import { type ClientSettings, readClientOptions } from '../options/settings.js';
import { Cancellation } from '../transports/cancellation.js';
import { type ConnectionEnd, EndOfConnection } from './connection-end.js';
import { type ConnectOptions, type Destination, establish, type Planner } from './establish.js';
import type { CloseOptions } from './method-options.js';

/** What the platform brings to a client; the rest of it is the same everywhere. */
export interface ClientPlatform {
  /** Computes unless the options name another backend. */
  readonly backend: Backend;
  readonly plan: Planner;
}

/** The parts of a connected client. */
export interface ClientInternals {
  readonly connection: Connection;
  readonly handshake: HandshakeResult;
  readonly settings: ClientSettings | ServerSettings;
}

/**
 * What a client goes through: not connected, connecting, open, closed. A client that a server has accepted is open from
 * the start. An attempt that failed may be repeated; a client connects once, and not after `close` or `destroy`.
 */
export class ClientLifecycle {
  #settings: ClientSettings | ServerSettings;
  readonly #plan: Planner;
  #connection: Connection | undefined;
  #handshake: HandshakeResult | undefined;
  #peer: Peer | null = null;
  #connecting: Cancellation | undefined;
  #isAccepted = false;
  /** Whether `close` or `destroy` was called. */
  #isGivenUp = false;
  #isRef = true;
  #end: EndOfConnection | undefined;

  /** Throws BAD_OPTION. */
  constructor(options: ClientOptions, { backend, plan }: ClientPlatform) {
    this.#settings = readClientOptions(options, backend);
    this.#plan = plan;
  }

  get settings(): ClientSettings | ServerSettings {
    return this.#settings;
  }

  get connection(): Connection | undefined {
    return this.#connection;
  }

  get handshake(): HandshakeResult | undefined {
    return this.#handshake;
  }

  /** The program's own copy, made when it is asked for. */
  get peer(): Peer | null {
    const peer = this.#handshake?.peer;
    if (peer) this.#peer ??= { ...peer, spki: new Uint8Array(peer.spki) };
    return this.#peer;
  }

  /** The connection of a client that has one. Throws NOT_CONNECTED. */
  requireConnection(): Connection {
    if (this.#connection === undefined) throw notConnected();
    return this.#connection;
  }

  /** Everything of a client that has been connected. Throws NOT_CONNECTED. */
  internals(): ClientInternals {
    if (this.#connection === undefined || this.#handshake === undefined) throw notConnected();
    return { connection: this.#connection, handshake: this.#handshake, settings: this.#settings };
  }

  /** Throws ALREADY_CONNECTED or CLOSED for a client that cannot connect any more. */
  requireUnused(): void {
    if (this.#connecting || this.#connection) throw alreadyConnected(this.#isAccepted);
    if (this.#isGivenUp)
      throw new SecureSocketError('CLOSED', 'this client was closed: use a new SecureClient');
  }

  async connect(destination: Destination, options: ConnectOptions): Promise<Connection> {
    this.requireUnused();
    const giveUp = new Cancellation();
    this.#connecting = giveUp;
    try {
      const { connection, handshake } = await establish(
        { settings: this.#settings as ClientSettings, plan: this.#plan, destination },
        options,
        giveUp,
      );
      this.#open(connection, handshake);
      return connection;
    } finally {
      this.#connecting = undefined;
    }
  }

  /** Becomes the server's end of a connection. */
  adopt(connection: Connection, handshake: HandshakeResult, settings: ServerSettings): void {
    this.#settings = settings;
    this.#isAccepted = true;
    this.#open(connection, handshake);
  }

  async close({ code, timeout, signal }: CloseOptions): Promise<ConnectionEnd> {
    this.#giveUp('close()', undefined);
    const connection = this.#connection;
    if (connection === undefined) return { error: undefined, closeCode: undefined };
    const closed = connection.close(code, timeout);
    await (signal ? abortable(closed, signal, () => connection.destroy(signal.reason)) : closed);
    return this.end;
  }

  destroy(error: Error | undefined): void {
    this.#giveUp('destroy()', error);
    this.#connection?.destroy(error);
  }

  /** Settles when it is over. */
  get end(): Promise<ConnectionEnd> {
    if (this.#end === undefined) {
      this.#end = new EndOfConnection();
      if (this.#connection) this.#end.follow(this.#connection);
      else if (this.#isGivenUp) this.#end.giveUp(undefined);
    }
    return this.#end.promise;
  }

  /** Whether it keeps the process alive while it is open. */
  setRef(isRef: boolean): void {
    this.#isRef = isRef;
    const transport = this.#connection?.transport;
    if (isRef) transport?.ref?.();
    else transport?.unref?.();
  }

  /** Where in its life it is, in a word or two. */
  get state(): string {
    const connection = this.#connection;
    if (connection === undefined)
      return this.#connecting ? 'connecting' : this.#isGivenUp ? 'closed' : 'not connected';
    return connection.isOver ? 'closed' : this.#isGivenUp ? 'closing' : 'open';
  }

  #open(connection: Connection, handshake: HandshakeResult): void {
    this.#connection = connection;
    this.#handshake = handshake;
    this.#end?.follow(connection);
    if (!this.#isRef) connection.transport.unref?.();
  }

  /** From now on there is no connecting. */
  #giveUp(by: 'close()' | 'destroy()', error: Error | undefined): void {
    this.#isGivenUp = true;
    this.#connecting?.cancel(error ?? new SecureSocketError('CLOSED', `${by} was called while connecting`));
    this.#handshake?.keys?.forget();
    if (this.#connection === undefined) this.#end?.giveUp(error);
  }
}

function alreadyConnected(isAccepted: boolean): SecureSocketError {
  const why = isAccepted
    ? 'a server has accepted this client, which is connected already'
    : 'connect() was called before';
  return new SecureSocketError('ALREADY_CONNECTED', `${why}: use a new SecureClient for a new connection`);
}

function notConnected(): SecureSocketError {
  return new SecureSocketError('NOT_CONNECTED', 'the client is not connected: await connect() first');
}
