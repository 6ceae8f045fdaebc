/** What may be held up. */
interface Corkable {
  cork(): void;
  uncork(): void;
}

/**
 * The pause before the first message of a classic client (docs/protocol.md, K2). A Python server reads the session
 * key by a single `recv`, which would take the bytes of a message behind it for a part of the key. So no message is
 * written until a byte of the server shows that it has read the key, or for the given time.
 */
export class SettleTime {
  readonly #sending: Corkable;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `milliseconds` from now on. */
  constructor(sending: Corkable, milliseconds: number) {
    this.#sending = sending;
    sending.cork();
    this.#timer = setTimeout(() => this.end(), milliseconds);
  }

  /** The peer has shown that it is ready. */
  end(): void {
    if (this.#timer === undefined) return;
    this.stop();
    this.#sending.uncork();
  }

  /** For good; what was held up stays so. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
