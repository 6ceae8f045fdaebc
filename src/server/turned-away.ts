import type { Transport } from '../transports/transport.js';

/** Connections that are sent the reason of a refusal at a time; others are closed without it, which costs nothing. */
const MAX_TOLD = 32;
/** Milliseconds and bytes that a peer is allowed for reading the refusal and closing. */
const MAX_TIME = 1000;
const MAX_BYTES = 64 * 1024;

/**
 * Connections that a server has no room for. Closing a socket that has unread bytes makes TCP send a reset, which may
 * overtake what was written: so a few of them are kept for a moment, read and discarded.
 *
 * This is itself something that a flood of connections could fill, so everything about it is bounded: how many, for how
 * long, and how many bytes each. Beyond that connections are closed without a word, which costs nothing.
 */
export class TurnedAway {
  readonly #lastBytes: Uint8Array | undefined;
  readonly #told = new Set<Transport>();

  /** `lastBytes` say that there is no room; absent where the protocol has no such message. */
  constructor(lastBytes: Uint8Array | undefined) {
    this.#lastBytes = lastBytes;
  }

  /** Closes a connection that was not started, and sends the reason if that is cheap. */
  add(transport: Transport): void {
    if (this.#lastBytes === undefined || this.#told.size >= MAX_TOLD) {
      transport.destroy();
      return;
    }
    this.#told.add(transport);
    const timer = setTimeout(() => transport.destroy(), MAX_TIME);
    timer.unref?.();
    let received = 0;
    transport.start({
      data: ({ length }) => {
        received += length;
        if (received > MAX_BYTES) transport.destroy();
      },
      end: () => transport.destroy(),
      written: () => {},
      close: () => {
        clearTimeout(timer);
        this.#told.delete(transport);
      },
    });
    transport.write([this.#lastBytes]);
    transport.end();
  }

  /** Lets go of all of them at once. */
  close(): void {
    for (const transport of this.#told) transport.destroy();
  }
}
