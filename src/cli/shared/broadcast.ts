import { setTimeout as sleep } from 'node:timers/promises';
import type { SecureClient } from '../../index.js';
import { formatPeer } from './address.js';
import type { Report } from './output.js';
import type { Source } from './pipes.js';

/** How far a client may be behind the input, in bytes, before the others wait for it. */
const MAX_LAG = 4 * 2 ** 20;
/** They wait as long as it takes MIN_PROGRESS bytes within TIMEOUT milliseconds. */
const MIN_PROGRESS = 2 ** 20;
const TIMEOUT = 5000;

/** A client that gets the input. */
class Listener {
  readonly client: SecureClient;
  lag = 0;
  #taken = 0;
  #since = 0;

  constructor(client: SecureClient) {
    this.client = client;
  }

  /**
   * Milliseconds that it may still take for MIN_PROGRESS bytes. They count from when it had something to take, and not
   * from when the others began to wait for it: of many that do not read, one must not fall behind after the other and
   * each hold up the rest anew.
   */
  get left(): number {
    return this.#since + TIMEOUT - performance.now();
  }

  /** Resolves when the piece is sent. A failed connection is detected where the client is read from. */
  async send(piece: Uint8Array): Promise<void> {
    if (this.lag === 0) this.#restart();
    this.lag += piece.length;
    try {
      await this.client.send(piece);
      this.#taken += piece.length;
      if (this.#taken >= MIN_PROGRESS) this.#restart();
    } catch {
      // the code that reads from it reports the reason
    } finally {
      this.lag -= piece.length;
    }
  }

  #restart(): void {
    this.#taken = 0;
    this.#since = performance.now();
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
      for (const laggard of this.#laggards()) this.#judge(laggard);
      const laggards = this.#laggards();
      if (laggards.length === 0) return;
      await this.#changeWithin(Math.min(...laggards.map(({ left }) => left)));
    }
  }

  /** A client on its own does not hold up others. */
  #judge(laggard: Listener): void {
    if (this.#listeners.size < 2 || laggard.left > 0) return;
    const peer = formatPeer(laggard.client);
    this.#listeners.delete(laggard);
    this.#report.event('dropped', `dropped ${peer}: it is ${MAX_LAG} bytes behind and does not read`, {
      peer,
    });
    laggard.client.destroy(new Error('it did not read what was sent to it'));
  }

  #laggards(): Listener[] {
    return [...this.#listeners].filter(({ lag }) => lag > MAX_LAG);
  }

  /** Resolves at a change, or when this time is over; a client on its own, whose time is over, is waited for. */
  async #changeWithin(left: number): Promise<void> {
    const change = this.#change();
    if (left <= 0) return change;
    const isEnough = new AbortController();
    await Promise.race([change, sleep(left, undefined, { signal: isEnough.signal }).catch(() => {})]);
    isEnough.abort();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#onChange = resolve;
    });
  }
}
