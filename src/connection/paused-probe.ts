/** What can ask the system; a transport that can. */
export interface Probed {
  probe?(): void;
}

/** So often it is asked by default, in milliseconds. */
const PROBE_INTERVAL = 10_000;

/**
 * Asks the system of a transport that is not read from whether the peer has reset it. Nothing tells that by itself: what
 * is not read is not watched. In sealed the PONGs of an end that has stopped reading (R6.4) find out; classic and plain
 * connections have nothing to send, and one that is not read from would stay for ever.
 */
export class PausedProbe {
  readonly #probed: Probed;
  readonly #interval: number;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** `interval` in milliseconds. */
  constructor(probed: Probed, interval: number = PROBE_INTERVAL) {
    this.#probed = probed;
    this.#interval = interval;
  }

  setPaused(isPaused: boolean): void {
    if (isPaused === (this.#timer !== undefined)) return;
    this.stop();
    if (!isPaused || this.#probed.probe === undefined) return;
    this.#timer = setInterval(() => this.#probed.probe?.(), this.#interval);
    this.#timer.unref?.();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
