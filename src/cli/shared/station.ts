import { setTimeout as sleep } from 'node:timers/promises';
import type { SecureClient, SecureServer } from '../../index.js';
import { serverAccess } from '../../server/server.js';
import { CLOSE_TIME, stopAccepting } from './accept.js';
import type { ListenAddress } from './address.js';
import { announceClient } from './announce.js';
import type { FileServer } from './file-server.js';
import { whenGone } from './gone.js';
import type { Links } from './links.js';
import type { Handover, Listener } from './listener.js';
import type { Outgoing } from './outgoing.js';
import type { Report } from './output.js';
import { listenSealed, type SealedListener } from './sealed-listening.js';

/** An end of a tunnel, or a bridge; a process can have several. */
export interface Station {
  readonly links: Links;
  /** Absent at an end that does not accept sealed connections. */
  readonly server?: SecureServer;
  /** Absent at an end that opens no sealed or classic connections. */
  readonly outgoing?: Outgoing | undefined;
  /** How many streams are open on carriers; absent at an end that opens none. */
  readonly streams?: number | undefined;
  /** Where it listens. */
  readonly addresses: readonly ListenAddress[];
  /** Reads what it needs before it can accept connections. Rejects if that is wrong. */
  check(): Promise<void>;
  /** Starts accepting connections, at listeners that others have given up where there are any. Rejects if it cannot. */
  begin(handover?: Handover): Promise<void>;
  /** Reads keys and lists again. If they are wrong, rejects, and nothing has changed. */
  reload(): Promise<void>;
  /** Gives up its listeners, which may pass to another: only what has arrived is still served. */
  release(): Listener[];
  /** Stops accepting and frees its address at once. Resolves when the open connections have ended. */
  retire(): Promise<void>;
  /** Stops accepting, and cuts off connections that have not ended in time. */
  stop(): Promise<void>;
}

/** Handles sealed clients. */
export interface Serving {
  /** Serves one, and reports its end. */
  serve(client: SecureClient): void;
  /** Tells connected clients to open no more streams. Resolves when they know. */
  goAway(): Promise<void>;
  /** Cuts off the remaining ones. */
  cut(): void;
}

/** How often, in milliseconds, it is looked at whether handshakes are still under way. */
const HANDSHAKE_CHECK = 50;

/** The address and parts of a station. */
export interface Place {
  readonly address: ListenAddress;
  readonly unlink: boolean;
  /** Whether WebSockets are accepted instead of TCP connections. */
  readonly websocket: boolean;
  readonly links: Links;
  readonly report: Report;
  readonly outgoing?: Outgoing | undefined;
}

/** A station that accepts sealed connections, or those of classic. */
export class ServerStation implements Station {
  readonly server: SecureServer;
  readonly links: Links;
  readonly reload: () => Promise<void>;
  readonly #serving: Serving;
  readonly #place: Place;
  /** One promise per client, which resolves when it is gone. */
  readonly #open = new Set<Promise<void>>();
  #accepting: Promise<void> | undefined;
  #listening: SealedListener | undefined;
  #hasListener = false;

  constructor({ server, reload }: FileServer, serving: Serving, place: Place) {
    this.server = server;
    this.links = place.links;
    this.reload = reload;
    this.#serving = serving;
    this.#place = place;
  }

  get outgoing(): Outgoing | undefined {
    return this.#place.outgoing;
  }

  get addresses(): readonly ListenAddress[] {
    return [this.#place.address];
  }

  async check(): Promise<void> {
    await serverAccess(this.server).prepare();
  }

  async begin(handover: Handover = () => undefined): Promise<void> {
    const { address, report } = this.#place;
    this.#listening = await listenSealed(this.server, address, this.#place, report, handover);
    this.#hasListener = true;
    this.#accepting = this.#accept();
  }

  release(): Listener[] {
    if (this.#listening === undefined || !this.#hasListener) return [];
    const { listener } = this.#listening;
    this.#hasListener = false;
    listener.release();
    return [listener];
  }

  /**
   * Handshakes that have begun come to their end first, and so does what they bring: to the client they have begun
   * before the change, and it would have no reason to try again. They are looked for at intervals, since a server has
   * no event for the end of the last one and needs none otherwise.
   */
  async retire(): Promise<void> {
    if (this.#hasListener) this.#listening?.listener.close();
    void this.#serving.goAway();
    while (this.#arriving() > 0) await sleep(HANDSHAKE_CHECK);
    while (this.#open.size > 0) await Promise.all(this.#open);
    await this.#close();
  }

  /** Closing the server first would close its clients. */
  async stop(): Promise<void> {
    stopAccepting(this.server);
    await this.links.end(this.#serving.goAway());
    this.#serving.cut();
    await this.#close();
  }

  /** How many connections are neither open nor refused yet. */
  #arriving(): number {
    const { pending, waiting } = this.server.stats;
    return pending + waiting + (this.#listening?.pending ?? 0);
  }

  async #close(): Promise<void> {
    await this.server.close({ timeout: CLOSE_TIME });
    await this.#accepting;
  }

  /** Accepts until stopped. */
  async #accept(): Promise<void> {
    for await (const client of this.server) {
      const gone: Promise<void> = whenGone(client).finally(() => this.#open.delete(gone));
      this.#open.add(gone);
      announceClient(client, this.#place.report);
      this.#serving.serve(client);
    }
  }
}
