import { setTimeout as sleep } from 'node:timers/promises';
import type { SecureClient } from '../../index.js';
import { formatPeer } from './address.js';
import type { Report } from './output.js';
import type { Source } from './pipes.js';

/** How far a client may be behind the input, in bytes, before the others wait for it. */
const MAX_LAG = 4 * 2 ** 20;
/** They wait as long as it reads MIN_PROGRESS bytes within TIMEOUT milliseconds. */
const MIN_PROGRESS = 2 ** 20;
const TIMEOUT = 5000;

/** A client that gets the input. */
class Listener {
  readonly client: SecureClient;
  lag = 0;
  taken = 0;

  constructor(client: SecureClient) {
    this.client = client;
  }

  /** Resolves when the piece is sent. A failed connection is detected where the client is read from. */
  async send(piece: Uint8Array): Promise<void> {
    this.lag += piece.length;
    try {
      await this.client.send(piece);
      this.taken += piece.length;
    } catch {
      // the code that reads from it reports the reason
    } finally {
      this.lag -= piece.length;
    }
  }
}

/**
 * Sends the input to all connected clients, at the pace of the slowest. A client that does not read at all would
 * stop all the others: beyond a limit it is dropped.
 */
export class Broadcast {
  readonly #report: Report;
  readonly #listeners = new Set<Listener>();
  #onChange: () => void = () => {};
  #isLeaving = false;

  constructor(report: Report) {
    this.#report = report;
  }

  /** From now on the client receives the input. Returns a function that removes it. */
  add(client: SecureClient): () => void {
    const listener = new Listener(client);
    this.#listeners.add(listener);
    this.#onChange();
    return () => {
      this.#listeners.delete(listener);
      this.#onChange();
    };
  }

  /** Sends until the end of the input. Waits while there are no clients. */
  async send(input: Source): Promise<void> {
    for (;;) {
      await this.#firstListener();
      const piece = await input.next();
      if (piece === null) return;
      await this.#firstListener();
      for (const listener of this.#listeners) void listener.send(piece).then(() => this.#onChange());
      await this.#pace();
    }
  }

  /** Stops waiting for clients. */
  leave(): void {
    this.#isLeaving = true;
    this.#onChange();
  }

  async #firstListener(): Promise<void> {
    while (this.#listeners.size === 0 && !this.#isLeaving) await this.#change();
  }

  /** Resolves when no client is too far behind. */
  async #pace(): Promise<void> {
    for (;;) {
      const laggards = this.#laggards();
      if (laggards.length === 0) return;
      const before = laggards.map(({ taken }) => taken);
      const isStill = await this.#isStill(laggards);
      if (!isStill) continue;
      for (const [index, laggard] of laggards.entries()) this.#judge(laggard, before[index] ?? 0);
    }
  }

  /** Whether the time to catch up has passed while they were still behind and others waited. */
  async #isStill(laggards: readonly Listener[]): Promise<boolean> {
    const deadline = performance.now() + TIMEOUT;
    while (laggards.some((one) => this.#isBehind(one))) {
      const left = deadline - performance.now();
      if (left <= 0) return true;
      const enough = new AbortController();
      await Promise.race([this.#change(), sleep(left, undefined, { signal: enough.signal }).catch(() => {})]);
      enough.abort();
    }
    return false;
  }

  /** A client on its own does not hold up others. */
  #judge(laggard: Listener, before: number): void {
    if (this.#listeners.size < 2 || !this.#isBehind(laggard)) return;
    if (laggard.taken - before >= MIN_PROGRESS) return;
    const peer = formatPeer(laggard.client);
    this.#listeners.delete(laggard);
    this.#report.event('dropped', `dropped ${peer}: it is ${MAX_LAG} bytes behind and does not read`, {
      peer,
    });
    laggard.client.destroy(new Error('it did not read what was sent to it'));
  }

  #laggards(): Listener[] {
    return [...this.#listeners].filter((one) => this.#isBehind(one));
  }

  #isBehind(listener: Listener): boolean {
    return this.#listeners.has(listener) && listener.lag > MAX_LAG;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#onChange = resolve;
    });
  }
}
