import { isDetached } from '../core/bytes.js';
import { MESSAGE_OVERHEAD } from '../core/inbox.js';
import type { Sender } from '../core/script.js';
import { badArgument } from '../errors.js';

interface Entry {
  readonly message: Uint8Array;
  /** What was promised to the peer, if it was begun: the memory may be transferred or resized meanwhile. */
  readonly length: number;
  /** How far it is staged. */
  at: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Messages that wait for room to be sent, by reference and in order. The first may have been begun.
 *
 * Their memory is not to be touched before the promise has settled. A program that changes bytes changes what is
 * sent, and nothing else; one whose memory has another length when the turn of the message comes, because it was
 * transferred or resized, has sent no message: it is told so, and unless a part was encrypted before, nothing else is
 * affected.
 */
export class WaitingMessages {
  /** By the promise of each, since thousands may be withdrawn in one step. */
  readonly #entries = new Map<Promise<void>, Entry>();
  #bytes = 0;

  get count(): number {
    return this.#entries.size;
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
      entry = { message, length: message.length, at, resolve, reject };
    });
    this.#entries.set(promise, entry as Entry);
    return promise;
  }

  /** Takes back the message of this promise, if it waits here and was not begun. */
  withdraw(promise: Promise<void>): void {
    const entry = this.#entries.get(promise);
    if (entry?.at !== 0) return;
    this.#entries.delete(promise);
    this.#bytes -= costLeft(entry);
  }

  /**
   * Stages messages while there is room. Stops in the middle of one that is too large for one turn: returns whether.
   * Throws if one that was begun cannot be finished.
   */
  stage(sender: Sender, hasRoom: () => boolean): boolean {
    for (const [promise, entry] of this.#entries) {
      if (!hasRoom()) return false;
      if (!this.#stageOne(entry, sender)) return true;
      this.#entries.delete(promise);
    }
    return false;
  }

  /** Stages as much of a message as one turn has time for. Returns whether nothing of it is left. */
  #stageOne(entry: Entry, sender: Sender): boolean {
    if (entry.message.length !== entry.length || isDetached(entry.message)) {
      if (entry.at > 0) throw lengthChanged(entry);
      this.#bytes -= costLeft(entry);
      entry.reject(lengthChanged(entry));
      return true;
    }
    const at = sender.stage(entry.message, entry.at, sender.partLength);
    this.#bytes -= at - entry.at;
    entry.at = at;
    if (at < entry.length) return false;
    this.#bytes -= MESSAGE_OVERHEAD;
    entry.resolve();
    return true;
  }

  /** Drops all of them. */
  reject(error: unknown): void {
    this.#drop([...this.#entries], error);
  }

  /** Drops all but one that was begun: an end inside a message would be none in order. */
  rejectUnbegun(error: () => unknown): void {
    const unbegun = [...this.#entries].filter(([, { at }]) => at === 0);
    if (unbegun.length > 0) this.#drop(unbegun, error());
  }

  #drop(entries: readonly [Promise<void>, Entry][], error: unknown): void {
    for (const [promise, entry] of entries) {
      this.#entries.delete(promise);
      this.#bytes -= costLeft(entry);
    }
    for (const [, { reject }] of entries) reject(error);
  }
}

/** What a message that waits counts for. */
function costLeft({ length, at }: Entry): number {
  return length + MESSAGE_OVERHEAD - at;
}

function lengthChanged({ message, length }: Entry): Error {
  const text = `a message of ${length} bytes had ${message.length} when its turn came: leave its memory alone until send() has settled`;
  return badArgument(text);
}
