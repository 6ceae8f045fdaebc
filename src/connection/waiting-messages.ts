import { MESSAGE_OVERHEAD } from '../core/inbox.js';
import type { Sender } from '../core/script.js';

interface Entry {
  readonly message: Uint8Array;
  /** How far it is staged. */
  at: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  promise: Promise<void> | undefined;
}

/** Messages that wait for room to be sent, by reference and in order. The first may have been begun. */
export class WaitingMessages {
  #entries: Entry[] = [];
  #bytes = 0;

  get count(): number {
    return this.#entries.length;
  }

  /** Bytes yet to be staged, each message counted with {@link MESSAGE_OVERHEAD} more. */
  get bytes(): number {
    return this.#bytes;
  }

  /** What a message more would add to `bytes`. */
  static costOf(message: Uint8Array): number {
    return message.length + MESSAGE_OVERHEAD;
  }

  /** A message, which is staged as far as `at`. Resolves when all of it is. */
  push(message: Uint8Array, at = 0): Promise<void> {
    this.#bytes += WaitingMessages.costOf(message) - at;
    let entry: Entry | undefined;
    const promise = new Promise<void>((resolve, reject) => {
      entry = { message, at, resolve, reject, promise: undefined };
      this.#entries.push(entry);
    });
    if (entry) entry.promise = promise;
    return promise;
  }

  /** Takes back the message of this promise, if it waits here and was not begun. */
  withdraw(promise: Promise<void>): void {
    const index = this.#entries.findIndex((entry) => entry.promise === promise && entry.at === 0);
    if (index < 0) return;
    const [entry] = this.#entries.splice(index, 1);
    this.#bytes -= WaitingMessages.costOf((entry as Entry).message);
  }

  /** Stages messages while there is room. Stops in the middle of one that is too large for one turn: returns whether. */
  stage(sender: Sender, hasRoom: () => boolean): boolean {
    let done = 0;
    let isBegun = false;
    while (done < this.#entries.length && !isBegun && hasRoom()) {
      const entry = this.#entries[done] as Entry;
      const at = sender.stage(entry.message, entry.at, sender.partLength);
      this.#bytes -= at - entry.at;
      entry.at = at;
      isBegun = at < entry.message.length;
      if (isBegun) continue;
      this.#bytes -= MESSAGE_OVERHEAD;
      done++;
      entry.resolve();
    }
    if (done > 0) this.#entries = this.#entries.slice(done);
    return isBegun;
  }

  /** Drops all of them. */
  reject(error: unknown): void {
    this.#reject(error, 0);
  }

  /** Drops all but one that was begun: an end inside a message would be none in order. */
  rejectUnbegun(error: () => unknown): void {
    const begun = this.#entries[0]?.at ? 1 : 0;
    if (this.#entries.length > begun) this.#reject(error(), begun);
  }

  #reject(error: unknown, first: number): void {
    const rejected = this.#entries.splice(first);
    for (const { message, at } of rejected) this.#bytes -= WaitingMessages.costOf(message) - at;
    for (const { reject } of rejected) reject(error);
  }
}
