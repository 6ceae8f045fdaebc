import { setMaxListeners } from 'node:events';
import { formatPeer } from './address.js';
import { announceLoss } from './announce.js';
import { wholeNumber } from './arguments.js';
import { Interrupted } from './failure.js';
import type { Report } from './output.js';

/** The end of a connection that came in. */
export interface Arrival {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  destroy(error?: Error): unknown;
}

/** How long open connections may take to end, in milliseconds. */
export const GRACE = 5000;

/** What `--max-connections` says. */
export function maxConnections(values: { readonly 'max-connections'?: string | undefined }): number {
  return wholeNumber('max-connections', values['max-connections'], 1, 1_000_000) ?? 1024;
}

/** The connections that a tunnel carries. */
export class Links {
  readonly #report: Report;
  readonly #limit: number;
  readonly #open = new Map<Arrival, Promise<void>>();
  readonly #cut = new AbortController();
  #carried = 0;
  #lost = 0;
  #refused = 0;

  constructor(report: Report, limit: number) {
    this.#report = report;
    this.#limit = limit;
    // as many listeners as connections that are being made
    setMaxListeners(0, this.#cut.signal);
  }

  /** How many are open, have come to their end, were cut off, and were beyond the limit. */
  get counts(): { readonly [name in 'open' | 'carried' | 'lost' | 'refused']: number } {
    return { open: this.#open.size, carried: this.#carried, lost: this.#lost, refused: this.#refused };
  }

  /** Aborts when what is still open is given up. */
  get cut(): AbortSignal {
    return this.#cut.signal;
  }

  /** How many there may be at once. */
  get limit(): number {
    return this.#limit;
  }

  /** Whether there may be one more. */
  get hasRoom(): boolean {
    return this.#open.size < this.#limit;
  }

  /** Closes a connection that is beyond the limit, and says so. */
  refuse(arrival: Arrival): void {
    const peer = peerOf(arrival);
    this.#refused++;
    arrival.destroy();
    this.#report.event('limit', `refused ${peer}: ${this.#limit} connections are open`, { peer });
  }

  /** Carries a connection; one beyond the limit is closed. A failure is reported and harms no other. */
  add(arrival: Arrival, carry: () => Promise<void>): void {
    if (!this.hasRoom) {
      this.refuse(arrival);
      return;
    }
    const peer = peerOf(arrival);
    const begun = performance.now();
    const carrying = carry()
      .then(
        () => this.#onEnd(peer, performance.now() - begun),
        (error) => {
          this.#lost++;
          announceLoss(`lost ${peer}`, error, this.#report);
        },
      )
      .finally(() => this.#open.delete(arrival));
    this.#open.set(arrival, carrying);
  }

  /** Resolves when all have ended. Those that take too long are cut off. */
  async end(): Promise<void> {
    const timer = setTimeout(() => {
      this.#cut.abort(new Interrupted('SIGTERM'));
      for (const arrival of this.#open.keys()) arrival.destroy(new Error('the tunnel was stopped'));
    }, GRACE);
    await Promise.all(this.#open.values());
    clearTimeout(timer);
  }

  #onEnd(peer: string, milliseconds: number): void {
    this.#carried++;
    const seconds = Math.round(milliseconds) / 1000;
    this.#report.detail('ended', `ended ${peer} after ${seconds} s`, { peer, seconds });
  }
}

function peerOf({ remoteAddress, remotePort }: Arrival): string {
  return formatPeer({ remoteAddress, remotePort });
}
