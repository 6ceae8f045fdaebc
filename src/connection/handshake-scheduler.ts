import { onNextLoop } from '../turn.js';

/** Milliseconds that handshakes may compute per iteration of the event loop; a step that has begun is finished. */
const TURN = 0.25;
/** Where turns are long, because others compute, they get this part of the time for which they have waited. */
const SHARE = 0.2;

/**
 * The steps of a server's handshakes, which cost a fraction of a millisecond each, one after the other. After a few of
 * them all others have their turn: many unauthenticated peers do not delay open connections.
 *
 * A fixed time a turn would be unfair the other way round: where each turn of the event loop is long, because open
 * connections compute, handshakes would get a quarter of a millisecond in a hundred and run into their deadline. So
 * they get a fifth of the time that they have waited, if that is more.
 */
export class HandshakeScheduler {
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
    const since = performance.now();
    onNextLoop(() => {
      this.#isScheduled = false;
      try {
        this.#work(since);
      } finally {
        if (this.#waiting.length > 0) this.#schedule();
      }
    });
  }

  #work(since: number): void {
    const now = performance.now();
    const until = now + Math.max(TURN, SHARE * (now - since));
    for (let step = this.#waiting.shift(); step !== undefined; step = this.#waiting.shift()) {
      step();
      if (performance.now() >= until) return;
    }
  }
}
