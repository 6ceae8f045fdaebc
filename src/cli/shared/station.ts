import type { SecureClient, SecureServer } from '../../index.js';
import { serverAccess } from '../../server/server.js';
import { CLOSE_TIME, stopAccepting } from './accept.js';
import type { ListenAddress } from './address.js';
import { announceClient, announceListening } from './announce.js';
import type { FileServer } from './file-server.js';
import { whenGone } from './gone.js';
import type { Links } from './links.js';
import { listenSealed, listenWhereFree } from './listening.js';
import type { Report } from './output.js';

/** What a process can have several of: an end of a tunnel, or a bridge. */
export interface Station {
  readonly links: Links;
  /** Absent at an end that does not accept sealed connections. */
  readonly server?: SecureServer;
  /** Reads what it needs before it can take connections. Rejects with what is wrong with it. */
  check(): Promise<void>;
  /** Begins to take connections. Rejects if it cannot. */
  begin(): Promise<void>;
  /** Reads keys and lists again. Rejects with what is wrong with them, and then nothing has changed. */
  reload(): Promise<void>;
  /** Takes no more connections, and frees its address at once. Resolves when those that are open have ended. */
  retire(): Promise<void>;
  /** Takes no more connections, and cuts off those that have not ended in time. */
  stop(): Promise<void>;
}

/** What is done with sealed clients. */
export interface Serving {
  /** Serves one, and reports what becomes of it. */
  serve(client: SecureClient): void;
  /** Tells those that are connected to bring no more. */
  goAway(): void;
  /** Gives up what is left of them. */
  cut(): void;
}

/** Where a station is, and what it has. */
export interface Place {
  readonly address: ListenAddress;
  readonly unlink: boolean;
  readonly links: Links;
  readonly report: Report;
}

/** A station that accepts sealed connections, or those of classic. */
export class ServerStation implements Station {
  readonly server: SecureServer;
  readonly links: Links;
  readonly reload: () => Promise<void>;
  readonly #serving: Serving;
  readonly #place: Place;
  /** Each resolves when a client has gone. */
  readonly #open = new Set<Promise<void>>();
  #accepting: Promise<void> | undefined;

  constructor({ server, reload }: FileServer, serving: Serving, place: Place) {
    this.server = server;
    this.links = place.links;
    this.reload = reload;
    this.#serving = serving;
    this.#place = place;
  }

  async check(): Promise<void> {
    await serverAccess(this.server).prepare();
  }

  async begin(): Promise<void> {
    const { address, report } = this.#place;
    await listenWhereFree(address, this.#place, () => listenSealed(this.server, address));
    announceListening(this.server, address, report);
    this.#accepting = this.#accept();
  }

  async retire(): Promise<void> {
    stopAccepting(this.server);
    this.#serving.goAway();
    await Promise.all(this.#open);
    await this.#close();
  }

  /** Closing the server first would close its clients. */
  async stop(): Promise<void> {
    stopAccepting(this.server);
    this.#serving.goAway();
    await this.links.end();
    this.#serving.cut();
    await this.#close();
  }

  async #close(): Promise<void> {
    await this.server.close({ timeout: CLOSE_TIME });
    await this.#accepting;
  }

  /** Until no more come. */
  async #accept(): Promise<void> {
    for await (const client of this.server) {
      const gone: Promise<void> = whenGone(client).finally(() => this.#open.delete(gone));
      this.#open.add(gone);
      announceClient(client, this.#place.report);
      this.#serving.serve(client);
    }
  }
}
