import { formatPeer } from './address.js';
import { announceLoss } from './announce.js';
import { wholeNumber } from './arguments.js';
import { Interrupted } from './failure.js';
import type { Report } from './output.js';

/** The address of the peer of an incoming connection. */
export interface Arrival {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  destroy(error?: Error): unknown;
}

/** How long open connections may take to end, in milliseconds. */
export const GRACE = 5000;

/** The value of `--max-connections`. */
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
  }

  /** How many are open, have ended in order, were cut off, and were refused at the limit. */
  get counts(): { readonly [name in 'open' | 'carried' | 'lost' | 'refused']: number } {
    return { open: this.#open.size, carried: this.#carried, lost: this.#lost, refused: this.#refused };
  }

  /** Aborts when open connections are cut off. */
  get cut(): AbortSignal {
    return this.#cut.signal;
  }

  /** The maximum number of connections at the same time. */
  get limit(): number {
    return this.#limit;
  }

  /** Whether there is room for another. */
  get hasRoom(): boolean {
    return this.#open.size < this.#limit;
  }

  /** Closes a connection beyond the limit, and reports it. */
  refuse(arrival: Arrival): void {
    const peer = peerOf(arrival);
    this.#refused++;
    arrival.destroy();
    this.#report.event('limit', `refused ${peer}: ${this.#limit} connections are open`, { peer });
  }

  /** Carries a connection; one beyond the limit is closed. A failure is reported and does not affect the others. */
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

  /** Resolves when none is open. */
  async whenIdle(): Promise<void> {
    while (this.#open.size > 0) await Promise.all(this.#open.values());
  }

  /** Resolves when all have ended that there are once no more can come. Those that take too long are cut off. */
  async end(noMore: Promise<void>): Promise<void> {
    const timer = setTimeout(() => {
      this.#cut.abort(new Interrupted('SIGTERM'));
      for (const arrival of this.#open.keys()) arrival.destroy(new Error('the tunnel was stopped'));
    }, GRACE);
    await noMore;
    await this.whenIdle();
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
