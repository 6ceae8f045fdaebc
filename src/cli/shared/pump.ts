import type { Duplex } from 'node:stream';
import type { PausedProbe } from '../../connection/paused-probe.js';
import { whenSent } from '../../connection/relay-cut.js';
import { afterTick } from '../../turn.js';

/** How many bytes may wait to be written in each direction before reading pauses. */
const READ_AHEAD = 256 * 1024;

/** One direction of a relay of streams. */
export interface PumpOptions {
  /** Whether the end of the source is in order, and to be passed on. */
  readonly isOrderly: () => boolean;
  /** Looks for a reset while the source is not read. */
  readonly probe?: PausedProbe;
  /** How many bytes the sink has given to a system that would drop them with a reset. */
  readonly written?: () => number;
}

/**
 * Carries one direction at the reader's pace, to its end if that is in order. What arrives in one tick is written as
 * one: a record brings several frames of at most 16 KiB. Reading pauses by how much waits, and not by what `write`
 * returns: the limit of Node's streams is 16 KiB here, and would have every piece wait for the one before it.
 */
export class Pump {
  readonly #from: Duplex;
  readonly #to: Duplex;
  readonly #options: PumpOptions;
  #isPaused = false;
  #isCorked = false;
  #isStopped = false;

  constructor(from: Duplex, to: Duplex, options: PumpOptions) {
    this.#from = from;
    this.#to = to;
    this.#options = options;
    from.on('data', this.#onData).on('end', () => {
      if (!this.#isStopped && options.isOrderly()) to.end();
    });
    from.resume();
  }

  /** Reads no more. */
  stop(): void {
    this.#isStopped = true;
    this.#from.off('data', this.#onData).pause();
    this.#options.probe?.setPaused(false);
  }

  /** Of a source that is gone: resolves when all that it had brought is sent, or the sink is gone too. */
  async flush(): Promise<void> {
    this.stop();
    // a stream that was destroyed keeps what was not read, and 'data' no longer brings it
    for (let chunk: unknown = this.#from.read(); chunk !== null; chunk = this.#from.read())
      this.#write(chunk as Uint8Array);
    const to = this.#to;
    const { written } = this.#options;
    await whenSent({
      get unsent() {
        return to.writableLength;
      },
      get bytesWritten() {
        return written?.() ?? 0;
      },
      get isOver() {
        return to.destroyed;
      },
    });
  }

  readonly #onData = (chunk: Uint8Array): void => {
    this.#write(chunk);
    if (!this.#isPaused && this.#to.writableLength > READ_AHEAD) this.#setPaused(true);
  };

  #write(chunk: Uint8Array): void {
    if (!this.#isCorked) {
      this.#isCorked = true;
      this.#to.cork();
      afterTick(this.#uncork);
    }
    this.#to.write(chunk, this.#onWritten);
  }

  readonly #uncork = (): void => {
    this.#isCorked = false;
    this.#to.uncork();
  };

  readonly #onWritten = (): void => {
    if (this.#isPaused && !this.#isStopped && this.#to.writableLength <= READ_AHEAD / 2)
      this.#setPaused(false);
  };

  #setPaused(wanted: boolean): void {
    this.#isPaused = wanted;
    if (wanted) this.#from.pause();
    else this.#from.resume();
    this.#options.probe?.setPaused(wanted);
  }
}
