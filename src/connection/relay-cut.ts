import { settleWithin } from './in-time.js';

/**
 * How long what arrived before a cut may take to be passed on, in milliseconds: what is carried holds its place, and its
 * memory, for no longer, whether or not its reader reads.
 */
const FLUSH_TIME = 2000;

/** How often what is sent is asked whether it has gone, in milliseconds. */
const POLL_INTERVAL = 10;

/** A system sends so many bytes at once, whatever the peer does: TCP's first window, and a little less. */
const FIRST_WINDOW = 14_000;

/** How long the system may take to send what it was given, in milliseconds: a reset drops the rest. */
const SYSTEM_TIME = 250;

/**
 * The failure of something that carries both ways. TCP gives a reader all that arrived before a reset, so what was
 * carried halfway goes on to its end before both sides are reset.
 */
export class RelayCut {
  /** Resolves when both sides are cut off. */
  readonly done: Promise<void>;
  readonly #cutOff: (error: unknown) => void;
  #failure: { readonly error: unknown } | undefined;
  #isDone = false;
  #settle: () => void = () => {};

  /** `cutOff`: resets both sides. */
  constructor(cutOff: (error: unknown) => void) {
    this.#cutOff = cutOff;
    this.done = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  /** The first reason. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure;
  }

  /** Cuts off at once. */
  now(error: unknown): void {
    this.#failure ??= { error };
    this.#finish();
  }

  /** Cuts off when `flush` has settled, or after {@link FLUSH_TIME}. */
  after(flush: () => Promise<unknown>, error: unknown): void {
    if (this.#failure) return;
    this.#failure = { error };
    const settled = flush().catch(() => {});
    void settleWithin(FLUSH_TIME, settled).then(() => this.#finish());
  }

  #finish(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#cutOff(this.#failure?.error);
    this.#settle();
  }
}

/** What sends, and can be asked how far it is. */
export interface Sending {
  /** Bytes that the system has not taken yet. */
  readonly unsent: number;
  /** Bytes that were given to the system, unless that cannot drop them. */
  readonly bytesWritten: number;
  /** Whether nothing more can be sent. */
  readonly isOver: boolean;
}

/** Resolves when all is sent, as far as can be told, or never will be. */
export async function whenSent(sending: Sending): Promise<void> {
  while (sending.unsent > 0 && !sending.isOver) await pause(POLL_INTERVAL);
  if (sending.bytesWritten > FIRST_WINDOW && !sending.isOver) await pause(SYSTEM_TIME);
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
