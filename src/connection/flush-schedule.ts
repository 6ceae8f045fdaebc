import { afterTick, isTickATask, onNextLoop } from '../turn.js';

/** Promise continuations, of which an `await` takes one and an asynchronous function around it up to three more. */
const CONTINUATIONS = 8;

/**
 * When what is staged leaves: at the end of the tick, together with all messages of that tick.
 *
 * In browsers that end is a task of its own, which takes half as long as the network does. So the lone message of a
 * conversation leaves sooner there, after a few continuations: if the last turn of the event loop had one message, and
 * this one has no other. A program that sends more, or has many questions under way, has more from messages that share
 * a record than from the time saved.
 */
export class FlushSchedule {
  readonly #flush: () => void;
  #isDue = false;
  /** Messages of this turn. */
  #messages = 0;
  /** Whether there was one in the last turn that had any. */
  #isCalm = false;

  constructor(flush: () => void) {
    this.#flush = flush;
  }

  /** Whether the flush is to come. */
  get isDue(): boolean {
    return this.#isDue;
  }

  /** There is one message more. */
  add(): void {
    this.#messages++;
    this.request();
  }

  /** There is something to flush. */
  request(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    if (isTickATask && this.#isCalm && this.#messages === 1) this.#wait(CONTINUATIONS);
    else afterTick(this.#endTurn);
  }

  /** One for all messages, since most of them need it. */
  readonly #endTurn = (): void => {
    this.#isCalm = this.#messages === 1;
    this.#messages = 0;
    this.#run();
  };

  #wait(continuations: number): void {
    queueMicrotask(() => {
      if (this.#messages > 1) afterTick(this.#endTurn);
      else if (continuations > 1) this.#wait(continuations - 1);
      else this.#leaveSoon();
    });
  }

  /** What follows in the same turn waits for its end, which counts this message too. */
  #leaveSoon(): void {
    onNextLoop(() => {
      if (!this.#isDue) this.#messages = 0;
    });
    this.#run();
  }

  #run(): void {
    this.#isDue = false;
    this.#flush();
  }
}
