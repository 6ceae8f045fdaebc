import type { PortableClient } from '../client/client.js';
import { Connection, type ConnectionSettings } from '../connection/connection.js';
import { HandshakeScheduler } from '../connection/handshake-scheduler.js';
import { settleWithin } from '../connection/in-time.js';
import type { PrivateKeyQueue } from '../connection/private-key-queue.js';
import type { HandshakeResult, Script } from '../core/script.js';
import { encodeReject } from '../core/sealed/messages.js';
import { traceConnection, traceHandshake } from '../diagnostics.js';
import { type ErrorCode, SecureSocketError } from '../errors.js';
import type { ServerSettings } from '../options/server-settings.js';
import type { Transport } from '../transports/transport.js';
import type { PortableAuthorizedKeys } from '../trust/authorized-keys.js';
import type { AcceptQueue } from './accept-queue.js';
import { GOING_AWAY, serverClosed } from './going-away.js';
import { HandshakeLimiter, isListed } from './handshake-limiter.js';
import { HeldMemory } from './held-memory.js';
import { type Origin, originOf } from './origin.js';
import { behindProxy } from './proxy-protocol.js';
import { Revocation } from './revocation.js';
import { TurnedAway } from './turned-away.js';

/** What an acceptor needs of its server. */
export interface AcceptorOptions<Client extends PortableClient> {
  readonly settings: ServerSettings;
  readonly privateKeyQueue: PrivateKeyQueue;
  readonly accepted: AcceptQueue<Client>;
  /** Makes the client object of a connection that has become ready. */
  readonly client: (connection: Connection, handshake: HandshakeResult) => Client;
  /** Kept to those that are connected. */
  readonly clients: Set<Client>;
  readonly script: () => Script;
  /** Who is let in, if a list says it. */
  readonly authorizedKeys?: PortableAuthorizedKeys | undefined;
  /** Told of every connection that does not become a client. */
  readonly report: (error: Error, from: Origin) => void;
  /** Called for every connection that a limit has refused. */
  readonly onLimit: (limit: string, from: Origin) => void;
}

/**
 * Takes connections in: bounds their number, does their handshakes side by side, and passes on those that are ready.
 * One is `#arriving` until its PROXY header is there, then among `#connections` until it is gone, and `#ready` too once
 * its handshake is done.
 */
export class ConnectionAcceptor<Client extends PortableClient> {
  readonly #options: AcceptorOptions<Client>;
  readonly #handshakes: HandshakeLimiter;
  readonly #connections = new Set<Connection>();
  /** Those of them whose handshake is done. */
  readonly #ready = new Set<Connection>();
  /** Connections whose proxy has yet to say who is behind it. */
  readonly #arriving = new Set<Transport>();
  readonly #turnedAway: TurnedAway;
  readonly #memory: HeldMemory;
  readonly #settings: ConnectionSettings;
  readonly #revocation: Revocation | undefined;
  readonly #unwatch: (() => void) | undefined;
  readonly #closing = new AbortController();
  readonly #rejected: Partial<Record<ErrorCode | 'SYSTEM', number>> = {};
  #handshakesCompleted = 0;
  #bytesRead = 0;
  #bytesWritten = 0;

  constructor(options: AcceptorOptions<Client>) {
    this.#options = options;
    this.#turnedAway = new TurnedAway(options.settings.protocol === 'sealed' ? encodeReject(2) : undefined);
    const { settings, privateKeyQueue, authorizedKeys } = options;
    this.#revocation =
      settings.disconnectRevoked && authorizedKeys ? new Revocation(authorizedKeys) : undefined;
    // so that errors of a file are reported even if no client connects
    this.#unwatch = authorizedKeys?.watch(() => {});
    this.#handshakes = new HandshakeLimiter(settings.maxPendingHandshakes, settings.maxPendingPerSource);
    this.#memory = new HeldMemory(settings.maxBuffered, this.#connections, ({ transport }) =>
      options.onLimit('maxBuffered', originOf(transport)),
    );
    const turns = new HandshakeScheduler();
    this.#settings = {
      ...settings,
      readAhead: settings.maxMessage + settings.maxRecord,
      run: async (task, kind, isOver) => (kind === 'privateKey' ? privateKeyQueue.run(task, isOver) : task()),
      schedule: (step) => turns.wait(step),
      charge: (bytes) => this.#memory.charge(bytes),
    };
  }

  /** Handshakes under way. */
  get pending(): number {
    return this.#handshakes.pending;
  }

  /** Connections whose handshake is done and that are not over. */
  get open(): number {
    return this.#ready.size;
  }

  /** Connections that became clients, since the start. */
  get handshakesCompleted(): number {
    return this.#handshakesCompleted;
  }

  /** Connections that did not, by error code; `SYSTEM` for errors of the system. */
  get rejected(): Readonly<Partial<Record<ErrorCode | 'SYSTEM', number>>> {
    return { ...this.#rejected };
  }

  /** Bytes held for all connections. */
  get buffered(): number {
    return this.#memory.total;
  }

  /** Bytes received on the wire, ended connections included. */
  get bytesRead(): number {
    return this.#sum((connection) => connection.bytesRead, this.#bytesRead);
  }

  /** Bytes written to the wire, ended connections included. */
  get bytesWritten(): number {
    return this.#sum((connection) => connection.bytesWritten, this.#bytesWritten);
  }

  /** Takes a socket in, or lets it go. `open` makes its transport. */
  receive<Socket extends Partial<Origin>>(socket: Socket, open: (socket: Socket) => Transport): void {
    const isProxy = isListed(this.#options.settings, 'trustedProxies', socket.remoteAddress);
    const transport = open(socket);
    if (!this.#hasRoom(transport)) return;
    if (isProxy) void this.#takeProxied(transport);
    else this.#take(transport);
  }

  /** Accepts a transport of the application, or closes it. */
  attach(transport: Transport): void {
    if (this.#hasRoom(transport)) this.#take(transport);
  }

  /** Does the handshake with a new connection, within its time or what is left of it. */
  #take(transport: Transport, handshakeTimeout?: number): void {
    if (this.#closing.signal.aborted) {
      transport.destroy();
      return;
    }
    const from = originOf(transport);
    const leave = this.#admit(transport, from);
    if (leave !== undefined) this.#connect(transport, from, leave, handshakeTimeout);
  }

  /** `leave` counts the handshake out. */
  #connect(transport: Transport, from: Origin, leave: () => void, handshakeTimeout?: number): void {
    const connection = new Connection(transport, this.#options.script(), this.#settings);
    this.#connections.add(connection);
    traceHandshake('server', connection);
    let client: Client | undefined;
    connection.ready.then(
      (handshake) => {
        leave();
        this.#handshakesCompleted++;
        this.#ready.add(connection);
        client = this.#options.client(connection, handshake);
        this.#options.clients.add(client);
        traceConnection('server', client, connection);
        this.#options.accepted.put(client);
        if (handshake.peer !== null) this.#revocation?.add(connection, handshake.peer.fingerprint);
      },
      (error: Error) => this.#reject(error, from),
    );
    void connection.closed.then(() => {
      leave();
      this.#remove(connection, client);
    });
    connection.start(handshakeTimeout);
  }

  /** Takes no more connections and ends handshakes. */
  stop(): void {
    this.#closing.abort(serverClosed());
    const isPending = (connection: Connection): boolean => !this.#ready.has(connection);
    for (const connection of [...this.#connections].filter(isPending)) void connection.close(GOING_AWAY);
  }

  /** Lets open connections go on until the program has finished with them, or for `milliseconds`. */
  async drain(milliseconds: number): Promise<void> {
    this.stop();
    const open = [...this.#connections].filter((connection) => this.#ready.has(connection));
    for (const connection of open) connection.drain(GOING_AWAY);
    await settleWithin(milliseconds, Promise.all(open.map((connection) => connection.closed)));
  }

  /** Ends all connections in order, and destroys what is left after `timeout` milliseconds. */
  async close(timeout: number): Promise<void> {
    this.#revocation?.stop();
    this.#unwatch?.();
    this.#turnedAway.close();
    this.stop();
    const connections = [...this.#connections];
    const timer = setTimeout(() => {
      for (const connection of connections) connection.destroy();
    }, timeout);
    await Promise.all(connections.map((connection) => connection.close(GOING_AWAY)));
    clearTimeout(timer);
  }

  /** A connection through a proxy is accepted like any other, once its PROXY header has arrived. */
  async #takeProxied(transport: Transport): Promise<void> {
    const from = originOf(transport);
    const leave = this.#admit(transport, { ...from, remoteAddress: undefined });
    if (leave === undefined) return;
    this.#arriving.add(transport);
    const { handshakeTimeout } = this.#settings;
    const begun = performance.now();
    try {
      const inner = await behindProxy(transport, handshakeTimeout, this.#closing.signal);
      leave();
      this.#take(inner, Math.max(1, Math.ceil(handshakeTimeout - (performance.now() - begun))));
    } catch (error) {
      leave();
      this.#reject(error as Error, from);
    } finally {
      this.#arriving.delete(transport);
    }
  }

  /** Whether one more connection may be open; if not, it is refused. */
  #hasRoom(newcomer: Transport): boolean {
    if (this.#connections.size + this.#arriving.size < this.#options.settings.maxConnections) return true;
    this.#turnAway(newcomer, 'maxConnections', originOf(newcomer));
    return false;
  }

  /** Counts a connection in, or turns it away; returns how it is counted out. */
  #admit(transport: Transport, from: Origin): (() => void) | undefined {
    const { settings, accepted } = this.#options;
    const isFull = this.pending + accepted.length >= settings.maxPendingHandshakes + settings.backlog;
    const isBlocked = isListed(settings, 'blockList', from.remoteAddress);
    const leave = isFull || isBlocked ? undefined : this.#handshakes.enter(from.remoteAddress);
    if (leave !== undefined) return leave;
    const ofSource = !isFull && this.#handshakes.isSourceFull(from.remoteAddress);
    const limit = isBlocked ? 'blockList' : ofSource ? 'maxPendingPerSource' : 'maxPendingHandshakes';
    this.#turnAway(transport, limit, from);
    return undefined;
  }

  #turnAway(transport: Transport, limit: string, from: Origin): void {
    if (this.#closing.signal.aborted || limit === 'blockList') transport.destroy();
    else this.#turnedAway.add(transport);
    this.#options.onLimit(limit, from);
    const why = limit === 'blockList' ? 'its address is on the block list' : `${limit} is reached`;
    this.#reject(new SecureSocketError('BUSY', `a connection was closed at once: ${why}`), from);
  }

  #reject(error: Error, from: Origin): void {
    const code = error instanceof SecureSocketError ? error.code : 'SYSTEM';
    this.#rejected[code] = (this.#rejected[code] ?? 0) + 1;
    this.#options.report(error, from);
  }

  #remove(connection: Connection, client: Client | undefined): void {
    this.#connections.delete(connection);
    this.#revocation?.delete(connection);
    this.#ready.delete(connection);
    if (client !== undefined) this.#options.clients.delete(client);
    this.#bytesRead += connection.bytesRead;
    this.#bytesWritten += connection.bytesWritten;
    if (client !== undefined) this.#memory.keepUnread(connection, client);
  }

  #sum(of: (connection: Connection) => number, before: number): number {
    let total = before;
    for (const connection of this.#connections) total += of(connection);
    return total;
  }
}
