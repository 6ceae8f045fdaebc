import type { Duplex } from 'node:stream';
import type { PausedProbe } from '../../connection/paused-probe.js';
import { afterTick } from '../../connection/turn.js';

/** How many bytes may wait to be written in each direction before reading pauses. */
const READ_AHEAD = 256 * 1024;

/** Options of a {@link Pump}. */
export interface PumpOptions {
  /** Told of pauses. */
  readonly probe?: PausedProbe | undefined;
  /** Called before the first bytes, or the end, are written. */
  readonly onFirst?: (() => void) | undefined;
  /** Told how many bytes came. */
  readonly onBytes?: ((count: number) => void) | undefined;
  /** What the end of the source means, if not the end of where it is written to. */
  readonly onEnd?: (() => void) | undefined;
}

/**
 * Carries one direction at the reader's pace, to its end. What arrives in one tick is written as one: a record brings
 * several frames of at most 16 KiB. Reading pauses by how much waits, and not by what `write` returns: the limit of
 * Node's streams is 16 KiB here, and would have every piece wait for the one before it.
 */
export class Pump {
  readonly #from: Duplex;
  readonly #options: PumpOptions;
  #to: Duplex;
  #isPaused = false;
  #isCorked = false;
  #hasBegun = false;
  #hasEnded = false;

  constructor(from: Duplex, to: Duplex, options: PumpOptions = {}) {
    this.#from = from;
    this.#to = to;
    this.#options = options;
    from.on('data', (chunk: Uint8Array) => this.#onData(chunk));
    from.on('end', () => this.#onEnd());
    from.resume();
  }

  /** Writes what comes to another stream, and ends the one before after all that it was given. */
  turnTo(to: Duplex): void {
    const before = this.#to;
    this.#uncork();
    this.#first();
    this.#to = to;
    if (this.#hasEnded) to.end();
    else before.end();
    this.#onWritten();
  }

  #onData(chunk: Uint8Array): void {
    this.#first();
    this.#options.onBytes?.(chunk.length);
    if (!this.#isCorked) {
      this.#isCorked = true;
      this.#to.cork();
      afterTick(this.#uncork);
    }
    this.#to.write(chunk, this.#onWritten);
    if (!this.#isPaused && this.#to.writableLength > READ_AHEAD) this.#setPaused(true);
  }

  #onEnd(): void {
    this.#hasEnded = true;
    this.#first();
    const { onEnd } = this.#options;
    if (onEnd) onEnd();
    else this.#to.end();
  }

  #first(): void {
    if (!this.#hasBegun) this.#options.onFirst?.();
    this.#hasBegun = true;
  }

  readonly #onWritten = (): void => {
    if (this.#isPaused && this.#to.writableLength <= READ_AHEAD / 2) this.#setPaused(false);
  };

  readonly #uncork = (): void => {
    if (!this.#isCorked) return;
    this.#isCorked = false;
    this.#to.uncork();
  };

  #setPaused(wanted: boolean): void {
    this.#isPaused = wanted;
    if (wanted) this.#from.pause();
    else this.#from.resume();
    this.#options.probe?.setPaused(wanted);
  }
}
