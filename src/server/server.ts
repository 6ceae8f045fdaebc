import { type ArgumentRules, abortSignal, readArguments } from '../arguments.js';
import type { Backend } from '../backend.js';
import { callSafely } from '../callbacks.js';
import { type AcceptedClient, clientAccess, type PortableClient } from '../client/client.js';
import { abortable } from '../connection/abortable.js';
import { PrivateKeyQueue } from '../connection/private-key-queue.js';
import { traceLimit } from '../diagnostics.js';
import { describeBy } from '../inspection.js';
import type { ServerOptions } from '../options/options.js';
import { privateKeyConcurrency, type ServerPlan } from '../options/server-scripts.js';
import { readServerOptions, type ServerSettings } from '../options/server-settings.js';
import { guardTransport } from '../transports/guarded.js';
import type { Transport } from '../transports/transport.js';
import { type AcceptOptions, AcceptQueue } from './accept-queue.js';
import { closeRules, type ServerCloseOptions } from './close-options.js';
import { ConnectionAcceptor } from './connection-acceptor.js';
import { GOING_AWAY, notListening, serverClosed } from './going-away.js';
import type { Origin } from './origin.js';
import { planReload, type ReloadOptions, reloadRules } from './reload.js';
import type { ServerStats } from './stats.js';

const acceptRules: ArgumentRules<AcceptOptions> = { signal: abortSignal };

/** What the platform brings to a server; the rest of it is the same everywhere. */
export interface ServerPlatform<Client extends PortableClient> {
  /** Computes unless the options name another backend. */
  readonly backend: Backend;
  readonly plan: (settings: ServerSettings, queue: PrivateKeyQueue) => Promise<ServerPlan>;
  /** A client object that is to become the server's end of a connection. */
  readonly client: () => Client;
}

/** What a subclass that listens needs of its server. */
export interface ServerAccess {
  readonly settings: ServerSettings;
  /** Makes the key and what else connections share, once. */
  readonly prepare: () => Promise<Pick<ConnectionAcceptor<PortableClient>, 'receive'>>;
  /** Clients can come from now on; `stop` resolves when no more will. */
  readonly listens: (stop: () => Promise<void>, address: () => unknown) => void;
  readonly report: (error: Error, from: Origin) => void;
  /** No more clients come in, and the address is free; those who are connected stay until `close()`. */
  readonly stopAccepting: () => void;
  readonly throwIfClosed: () => void;
  /** What may be shown of a server: nothing secret. */
  readonly describe: () => Record<string, unknown>;
}

/** Kept outside of the class, so that programs have no access to it. */
export let serverAccess: <Client extends PortableClient>(server: PortableServer<Client>) => ServerAccess;

/**
 * Does the handshakes side by side and hands out connected clients, in the order in which they became ready. Iterating
 * over it accepts until it is closed.
 */
export class PortableServer<Client extends PortableClient> implements AsyncIterable<AcceptedClient<Client>> {
  readonly #platform: ServerPlatform<Client>;
  readonly #settings: ServerSettings;
  readonly #privateKeyQueue: PrivateKeyQueue;
  readonly #accepted = new AcceptQueue<Client>();
  readonly #clients = new Set<Client>();
  #acceptor: ConnectionAcceptor<Client> | undefined;
  #preparing: Promise<ConnectionAcceptor<Client>> | undefined;
  #stop: (() => Promise<void>) | undefined;
  /** Resolves when it no longer listens, once that is wanted. */
  #stopped: Promise<void> | undefined;
  /** Aborts when no more clients are to come in. */
  readonly #stopping = new AbortController();
  #address: (() => unknown) | undefined;
  /** Whether clients can come: it listens, or a transport was attached. */
  #isOpen = false;
  #plan: ServerPlan | undefined;
  #reloading: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;
  #stopDraining: () => void = () => {};

  static {
    serverAccess = (server) => ({
      settings: server.#settings,
      prepare: () => server.#prepare(),
      listens: (stop, address) => {
        server.#address = address;
        server.#stop = stop;
        server.#isOpen = true;
      },
      report: (error, from) => server.#report(error, from),
      stopAccepting: () => server.#stopAccepting(),
      throwIfClosed: () => server.#throwIfClosed(),
      describe: () => server.#describe(),
    });
  }

  /** Throws BAD_OPTION. */
  constructor(options: ServerOptions, platform: ServerPlatform<Client>) {
    this.#platform = platform;
    this.#settings = readServerOptions(options, platform.backend);
    const { backend, handshakeTimeout, maxPendingHandshakes, protocol } = this.#settings;
    // the raw operation of classic has no way off the main thread before Node 24.7
    const isOffThread = backend.native && protocol === 'sealed';
    this.#privateKeyQueue = new PrivateKeyQueue(
      privateKeyConcurrency(this.#settings),
      maxPendingHandshakes,
      isOffThread,
      handshakeTimeout,
    );
  }

  /**
   * Takes a connection that did not come through `listen()`: the server's end of a transport of one's own. Like every
   * other it does its handshake and then comes out of `accept()`. Needs no `listen()`.
   */
  async attach(transport: Transport): Promise<void> {
    const own = guardTransport(transport, 'attach()');
    try {
      const acceptor = await this.#prepare();
      this.#isOpen = true;
      acceptor.attach(own);
    } catch (error) {
      own.destroy();
      throw error;
    }
  }

  /**
   * The next client whose handshake is done. A peer that fails, stalls or vanishes on the way is reported to
   * `onHandshakeError` and never seen here. Several calls may wait, from before `listen()` or the first `attach()` on.
   * Rejects with CLOSED when the server is closed.
   */
  async accept(options: AcceptOptions = {}): Promise<AcceptedClient<Client>> {
    const { signal } = readArguments(options, acceptRules, 'accept()');
    return (await this.#accepted.take(signal)) as AcceptedClient<Client>;
  }

  /**
   * Stops listening, ends handshakes, lets `accept()` reject, and closes all clients: at once, or with `drain` as
   * soon as the program has finished with them. Destroys those that have not ended after `timeout`. Called again
   * while clients may go on, it closes them. Rejects with BAD_ARGUMENT only.
   */
  async close(options: ServerCloseOptions = {}): Promise<void> {
    const { drain = 0, timeout = 5000 } = readArguments(options, closeRules, 'close()');
    this.#closing ??= this.#close(drain, timeout);
    if (drain === 0) this.#stopDraining();
    await this.#closing;
  }

  /** Takes another identity for connections to come, reads authorised keys anew; rejects without a change if wrong. */
  async reload(options: ReloadOptions = {}): Promise<void> {
    const given = readArguments(options, reloadRules, 'reload()');
    if (this.#plan === undefined || !this.#isOpen) throw notListening('reload()');
    // one after the other: one that began earlier must not bring back the identity before a later one's
    const reloaded = this.#reloading.then(() => this.#reload(given));
    this.#reloading = reloaded.catch(ignore);
    await reloaded;
  }

  /** Clients that are connected, accepted or not yet. The set changes as they come and go. */
  get clients(): ReadonlySet<AcceptedClient<Client>> {
    return this.#clients as ReadonlySet<unknown> as ReadonlySet<AcceptedClient<Client>>;
  }

  /** Accepted clients, until the server is closed. */
  async *[Symbol.asyncIterator](): AsyncGenerator<AcceptedClient<Client>, void, undefined> {
    for (;;) {
      const client = await this.#accepted.takeOrEnd();
      if (client === null) return;
      yield client as AcceptedClient<Client>;
    }
  }

  /** `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * `SHA256:` and the base64 of its public key's SHA-256, for clients to pin. A misuse error before `listen()` has
   * resolved.
   */
  get fingerprint(): string {
    if (this.#plan === undefined || !this.#isOpen) throw notListening('fingerprint');
    return this.#plan.fingerprint;
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
  async #prepare(): Promise<ConnectionAcceptor<Client>> {
    this.#throwIfClosed();
    this.#preparing ??= abortable(this.#makeReady(), this.#stopping.signal);
    try {
      const acceptor = await this.#preparing;
      this.#throwIfClosed();
      return acceptor;
    } catch (error) {
      this.#preparing = undefined;
      throw error;
    }
  }

  async #makeReady(): Promise<ConnectionAcceptor<Client>> {
    const plan = await this.#platform.plan(this.#settings, this.#privateKeyQueue);
    this.#plan = plan;
    if (this.#closing) plan.close?.();
    this.#acceptor = this.#makeAcceptor(plan);
    return this.#acceptor;
  }

  #makeAcceptor(plan: ServerPlan): ConnectionAcceptor<Client> {
    return new ConnectionAcceptor({
      settings: this.#settings,
      privateKeyQueue: this.#privateKeyQueue,
      accepted: this.#accepted,
      clients: this.#clients,
      client: (connection, handshake) => {
        const client = this.#platform.client();
        clientAccess.adopt(client, connection, handshake, this.#settings);
        return client;
      },
      script: () => (this.#plan ?? plan).script(),
      authorizedKeys: plan.authorizedKeys,
      report: (error, from) => this.#report(error, from),
      onLimit: (limit, { remoteAddress }) => traceLimit({ server: this, limit, remoteAddress }),
    });
  }

  async #reload(given: ReloadOptions): Promise<void> {
    this.#throwIfClosed();
    const make = (to: ServerSettings): Promise<ServerPlan> => this.#platform.plan(to, this.#privateKeyQueue);
    const plan = await planReload(make, this.#settings, this.#plan as ServerPlan, given);
    if (this.#stopping.signal.aborted) plan.close?.();
    this.#throwIfClosed();
    this.#plan = plan;
  }

  #report(error: Error, from: Origin): void {
    if (this.#closing) return;
    const { onHandshakeError } = this.#settings;
    // any client can cause a call: a mistake in it must not end the process
    if (onHandshakeError) callSafely('onHandshakeError', () => onHandshakeError(error, from));
  }

  #stopAccepting(): void {
    this.#stopping.abort(serverClosed());
    const isSealed = this.#settings.protocol === 'sealed';
    for (const client of this.#accepted.end(serverClosed()))
      void client.close(isSealed ? { code: GOING_AWAY } : {}).catch(ignore);
    this.#stopped ??= this.#stop?.();
    this.#acceptor?.stop();
  }

  async #close(drain: number, timeout: number): Promise<void> {
    this.#stopAccepting();
    if (drain > 0) {
      const stopped = new Promise<void>((resolve) => {
        this.#stopDraining = resolve;
      });
      await Promise.race([this.#acceptor?.drain(drain), stopped]);
    }
    await this.#acceptor?.close(timeout);
    this.#plan?.close?.();
    for (const key of this.#settings.ticketKeys ?? []) key.fill(0);
    await this.#stopped;
  }

  #describe(): Record<string, unknown> {
    const state = this.#closing ? 'closed' : this.#isOpen ? 'open' : 'not listening';
    const { pending, waiting, open } = this.stats;
    const { protocol } = this.#settings;
    const address = this.#closing ? undefined : this.#address?.();
    return { state, protocol, address, fingerprint: this.#plan?.fingerprint, pending, waiting, open };
  }

  #throwIfClosed(): void {
    this.#stopping.signal.throwIfAborted();
  }
}

describeBy(PortableServer.prototype, (server) => serverAccess(server).describe());

/** A rejection that is reported elsewhere. */
function ignore(): void {}
