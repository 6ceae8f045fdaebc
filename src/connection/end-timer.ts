import type { Transport } from '../transports/transport.js';

/** Milliseconds within which a destroyed transport has to be gone. A socket needs one turn of the event loop. */
const GONE_WITHIN = 50;

/** What a connection that ends waits for: the peer's end, its own final bytes, or the transport. */
export type Wait = 'peer' | 'final bytes' | 'transport';

/**
 * The clock of a connection's end. It runs in one of three ways, each of which stops the one before:
 *
 * 1. `awaitPeer`: both ends have to send CLOSE, and ours has to reach the peer before it can answer. The timer restarts
 *    while the peer takes bytes, however slowly; if it takes none for the whole time the wait is over.
 * 2. `linger`: an error was reported to the peer in final bytes. Destroying the transport with unread input would make
 *    TCP send a reset, which may overtake them; so it is read on, for this time at most.
 * 3. `leave`: the transport is destroyed; one of the application that never reports its end is not waited for.
 */
export class EndTimer {
  readonly #transport: Transport;
  readonly #sending: { unsent(): number };
  #closeTimeout: number;
  readonly #onExpired: (wait: Wait) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isAwaitingPeer = false;
  /** When the wait for the peer began, and what it had yet to take then. */
  #since = 0;
  #unsentBefore = 0;

  /** `unsent`: bytes that the peer has yet to take; `closeTimeout` in milliseconds; `onExpired`: the time has passed. */
  constructor(
    transport: Transport,
    sending: { unsent(): number },
    closeTimeout: number,
    onExpired: (wait: Wait) => void,
  ) {
    this.#transport = transport;
    this.#sending = sending;
    this.#closeTimeout = closeTimeout;
    this.#onExpired = onExpired;
  }

  /** How long it waits for the peer, in milliseconds. */
  get closeTimeout(): number {
    return this.#closeTimeout;
  }

  /** Waits for the peer, from now on so long. */
  setTimeout(closeTimeout: number): void {
    this.#closeTimeout = closeTimeout;
    if (!this.#isAwaitingPeer) return;
    this.stop();
    this.awaitPeer();
  }

  /** From now on. A timer that runs already is left to find out that the time has moved, as that of a heartbeat is. */
  awaitPeer(): void {
    this.#since = performance.now();
    this.#unsentBefore = this.#sending.unsent();
    if (!this.#isAwaitingPeer) this.#start(this.#closeTimeout, () => this.#checkPeer());
    this.#isAwaitingPeer = true;
  }

  /** The wait for the peer begins anew: it has taken something. */
  progress(): void {
    if (this.#isAwaitingPeer) this.awaitPeer();
  }

  linger(): void {
    this.#start(this.#closeTimeout, () => this.#onExpired('final bytes'));
  }

  /** `isCut`: the peer must not take it for an end. */
  leave(isCut = false): void {
    this.#start(GONE_WITHIN, () => this.#onExpired('transport'));
    if (isCut && this.#transport.reset) this.#transport.reset();
    else this.#transport.destroy();
  }

  /** For good. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#isAwaitingPeer = false;
  }

  #checkPeer(): void {
    const left = Math.ceil(this.#since + this.#closeTimeout - performance.now());
    if (left > 0) this.#timer = setTimeout(() => this.#checkPeer(), left);
    else if (this.#sending.unsent() >= this.#unsentBefore) this.#onExpired('peer');
    else {
      this.stop();
      this.awaitPeer();
    }
  }

  #start(milliseconds: number, act: () => void): void {
    this.stop();
    this.#timer = setTimeout(act, milliseconds);
  }
}
