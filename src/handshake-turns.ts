import { nextTurn } from './turn.js';

/** So long handshakes compute in a turn of the event loop, in milliseconds, beside the step with which they exceed it. */
const TURN = 0.25;

/**
 * The steps of a server's handshakes, which cost a fraction of a millisecond each, one after the other. After a few of
 * them all others have their turn: a crowd of strangers does not keep those waiting who are connected.
 */
export class HandshakeTurns {
  readonly #waiting: (() => void)[] = [];
  #isScheduled = false;

  /** Runs `step` when it is its turn, never before returning. */
  wait(step: () => void): void {
    this.#waiting.push(step);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    nextTurn(() => {
      this.#isScheduled = false;
      this.#work();
    });
  }

  #work(): void {
    const until = performance.now() + TURN;
    let step = this.#waiting.shift();
    while (step !== undefined) {
      step();
      if (performance.now() >= until) break;
      step = this.#waiting.shift();
    }
    if (this.#waiting.length > 0) this.#schedule();
  }
}
