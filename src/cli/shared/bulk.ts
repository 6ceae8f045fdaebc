/** From so many bytes within {@link PERIOD} on, the cost of HTTP/2 is worth a handshake. */
const MIN_BYTES = 8 * 2 ** 20;

/** In milliseconds. */
const PERIOD = 2000;

/** Tells once when a stream carries much: what is slow costs little, however long it lasts. */
export class Bulk {
  readonly #tell: (() => void) | undefined;
  #isTold = false;
  #bytes = 0;
  #since = performance.now();

  constructor(tell: (() => void) | undefined) {
    this.#tell = tell;
  }

  /** So many more bytes were carried, in either direction. */
  readonly count = (bytes: number): void => {
    if (this.#isTold || this.#tell === undefined) return;
    this.#bytes += bytes;
    if (this.#bytes < MIN_BYTES) return;
    const now = performance.now();
    this.#isTold = now - this.#since <= PERIOD;
    this.#bytes = 0;
    this.#since = now;
    if (this.#isTold) this.#tell();
  };
}
