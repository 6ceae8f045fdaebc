import type { Transport } from '../transports/transport.js';

/** So often it is asked, in milliseconds. */
const PROBE_INTERVAL = 10_000;

/**
 * Asks the system of a transport that is not read from whether the peer has reset it. Nothing tells that by itself: what
 * is not read is not watched. In sealed the PONGs of an end that has stopped reading (R6.4) find out; classic has nothing
 * to send, and a connection whose program does not read would stay for ever.
 */
export class PausedProbe {
  readonly #transport: Transport;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  setPaused(isPaused: boolean): void {
    if (isPaused === (this.#timer !== undefined)) return;
    this.stop();
    if (!isPaused || this.#transport.probe === undefined) return;
    this.#timer = setInterval(() => this.#transport.probe?.(), PROBE_INTERVAL);
    this.#timer.unref?.();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
