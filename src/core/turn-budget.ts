import type { Sender } from './script.js';

/** Requests of a script that are answered in one turn. */
const ASKS = 512;
/** The same where each takes several times as long. */
const SLOW_ASKS = 64;
/** Bytes, until a sender says how many are worth encrypting, and so decrypting, at once. */
const BYTES = 64 * 1024;
/** A sender that says fewer than this computes slowly: in JavaScript. */
const FAST_BYTES = 2 ** 20;
/** Messages, each of which is given to the program. */
const MESSAGES = 4096;

/** What one connection may have done before the others get their turn, and what it has had of that. */
export class TurnBudget {
  asks = 0;
  bytes = 0;
  messages = 0;
  maxBytes: number = BYTES;
  /** How much had been spent before the last `refill`: 1 is all of it. */
  load = 0;
  #maxAsks = ASKS;

  get isSpent(): boolean {
    return this.asks >= this.#maxAsks || this.bytes >= this.maxBytes || this.messages >= MESSAGES;
  }

  /** What is worth doing at once depends on how fast the backend is. */
  suit({ partLength }: Pick<Sender, 'partLength'>): void {
    this.maxBytes = partLength;
    if (partLength < FAST_BYTES) this.#maxAsks = SLOW_ASKS;
  }

  refill(): void {
    this.load = Math.max(this.asks / this.#maxAsks, this.bytes / this.maxBytes, this.messages / MESSAGES);
    this.asks = this.bytes = this.messages = 0;
  }
}
