import type { Chunk } from '../core/script.js';
import { SecureSocketError } from '../errors.js';
import type { Transport } from '../transports/transport.js';
import { onNextLoop } from '../turn.js';
import { cutError, type Stage } from './cut.js';
import { EndTimer, type Wait } from './end-timer.js';
import type { HandshakeWait } from './handshake-wait.js';
import type { Heartbeat } from './heartbeat.js';
import type { PausedProbe } from './paused-probe.js';
import { allows, isOver, nextPhase, type Phase, type PhaseEvent } from './phase.js';
import type { Reading } from './reading.js';
import type { SendQueue } from './send-queue.js';
import type { SettleTime } from './settle-time.js';

/** What has to be told of an end. */
export interface LivingParts {
  readonly transport: Transport;
  readonly handshake: HandshakeWait;
  readonly reading: Reading;
  readonly sendQueue: SendQueue;
  /** What the connection holds has changed. */
  account(): void;
}

/** What there is of an open connection only. */
export interface OpenParts {
  readonly heartbeat: Heartbeat;
  readonly settleTime: SettleTime | undefined;
  readonly probe: PausedProbe | undefined;
}

/** Times in milliseconds. */
export interface LifecycleSettings {
  /** How long close() waits for the peer. */
  readonly closeTimeout: number;
  /** Whether the peer's end leaves this side open. */
  readonly allowHalfOpen: boolean;
}

/** The CLOSE code of an idle connection. */
const IDLE = 4;

/**
 * The phase of a connection, and every way to end it. The phase changes only by the table of phase.ts.
 *
 * In order, each half ends once: ours by `end`, `close`, or because the peer's did (R7.5), the peer's by `peerEnded`.
 * What was sent before leaves first; the transport is given up when both ends have ended and the system has ours.
 * An error ends both halves at once, by `fail`: the first one counts, and a half that has ended in order before keeps
 * its order. Then every call that waits is told, the secrets are wiped, and nothing more is written but final bytes,
 * if there are any, for which the transport is read on a while. Whatever is waited for here has a bound, in {@link
 * EndTimer}.
 */
export class Lifecycle {
  /** Resolves when the transport is gone, however it went. */
  readonly closed: Promise<void>;
  readonly #parts: LivingParts;
  readonly #settings: LifecycleSettings;
  readonly #timer: EndTimer;
  #open: OpenParts | undefined;
  #phase: Phase = 'handshake';
  /** Of the phase; asked for with every message. */
  #isOver = false;
  #failure: unknown;
  #peerCloseCode: number | undefined;
  #settleClosed: () => void = () => {};

  constructor(parts: LivingParts, settings: LifecycleSettings) {
    this.#parts = parts;
    this.#settings = settings;
    const { transport, sendQueue } = parts;
    this.#timer = new EndTimer(transport, sendQueue, settings.closeTimeout, (wait) => this.#onExpiry(wait));
    this.closed = new Promise((resolve) => {
      this.#settleClosed = resolve;
    });
  }

  /** Whether it has ended; the transport may take a little longer. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Whether the program may close it in order. */
  get isClosable(): boolean {
    return allows(this.#phase, 'close');
  }

  /** Why it has ended, unless both ends have ended it in order. */
  get failure(): unknown {
    return this.#failure;
  }

  /** The code of the peer's CLOSE, once it has ended in order. */
  get peerCloseCode(): number | undefined {
    return this.#peerCloseCode;
  }

  /** The handshake is done. */
  open(parts: OpenParts): void {
    this.#move('open');
    this.#open = parts;
  }

  /** Ends the sending half behind all that was sent. */
  end(closeCode: number): void {
    if (!allows(this.#phase, 'end')) return;
    this.#open?.heartbeat.stopAsking();
    this.#parts.sendQueue.end(closeCode);
    this.#move('end');
    this.#awaitBothEnds();
  }

  /**
   * Ends the sending half, waits for the peer's end and gives up after `closeTimeout`, or `timeout` if there is one.
   * Where the wait has begun already, a `timeout` begins it anew.
   */
  close(closeCode: number, timeout: number | undefined): void {
    const { reading, sendQueue } = this.#parts;
    if (this.#phase === 'handshake')
      this.destroy(new SecureSocketError('CLOSED', 'closed during the handshake'));
    if (timeout !== undefined && !this.#isOver) this.#timer.setTimeout(timeout);
    if (!this.isClosable) return;
    this.#move('close');
    this.#open?.heartbeat.stop();
    reading.queue.discard();
    sendQueue.end(closeCode);
    this.#timer.awaitPeer();
    reading.scheduleTurn();
  }

  /** R7.5: the peer's end is the end of both halves, unless ours may stay open. */
  peerEnded(closeCode: number): void {
    this.#peerCloseCode = closeCode;
    this.#open?.heartbeat.stopAsking();
    this.#parts.reading.queue.finish();
    const mayStay = this.#settings.allowHalfOpen && this.#phase !== 'closing';
    this.#move('peer end');
    if (!mayStay) {
      this.#parts.sendQueue.endNow(0);
      if (allows(this.#phase, 'end')) this.#move('end');
    }
    this.#awaitBothEnds();
  }

  /** The transport has completed a write. Returns whether messages were in it. */
  onWritten(): boolean {
    const { sendQueue } = this.#parts;
    if (!sendQueue.isOver) this.#timer.progress();
    const hadMessages = sendQueue.onWritten();
    this.#leaveIfClosed();
    return hadMessages;
  }

  /** Both halves have ended: what is left of ours has to reach the system. */
  #awaitBothEnds(): void {
    if (this.#phase !== 'ended') return;
    this.#open?.heartbeat.stop();
    this.#timer.awaitPeer();
    this.#leaveIfClosed();
  }

  /**
   * Leaves once both ends have sent their CLOSE and ours is with the system: the end of the peer's stream would tell
   * nothing new (R7.4), and a peer need not end it. Not before the next turn, in which our own end of the stream
   * leaves.
   */
  #leaveIfClosed(): void {
    const { sendQueue } = this.#parts;
    if (this.#phase !== 'ended' || !sendQueue.hasClose || !sendQueue.isTaken) return;
    onNextLoop(() => this.fail(undefined));
  }

  /** It was idle for too long, or the peer is dead and is told nothing. */
  expire(error: SecureSocketError): void {
    const isIdle = error.code === 'IDLE_TIMEOUT';
    this.#parts.reading.drain();
    this.fail(error, isIdle ? this.#parts.sendQueue.finalBytes(IDLE) : undefined);
  }

  /** Gives up because of `error`, unread messages too, and tells the peer the CLOSE code if it takes what is sent. */
  abandon(error: SecureSocketError, closeCode: number): void {
    const { reading, sendQueue, transport } = this.#parts;
    reading.queue.drop(error);
    this.fail(error, transport.pending === 0 ? sendQueue.finalBytes(closeCode) : undefined);
  }

  /** Gives everything up at once, final bytes too. */
  destroy(error: unknown): void {
    this.fail(error);
    if (this.#phase === 'lingering') this.#leave();
  }

  /** The end of everything but final bytes. Without an error both halves have ended in order. */
  fail(error: unknown, finalBytes?: readonly Chunk[]): void {
    if (this.#isOver) return;
    // asked before `#settle`, which ends the sending half in any case
    const isCut = this.#wouldSeemOrderly();
    if (finalBytes !== undefined) this.#parts.sendQueue.writeLast(finalBytes);
    this.#move(finalBytes === undefined ? 'destroy' : 'error');
    this.#settle(error, false);
    if (finalBytes === undefined) {
      this.#timer.leave(isCut);
    } else {
      this.#parts.reading.discard();
      this.#timer.linger();
    }
  }

  /** The transport is gone. */
  onTransportClose(error: Error | undefined): void {
    if (this.#phase === 'closed') return;
    const { reading, sendQueue } = this.#parts;
    // for an unauthenticated peer that is gone nothing more is computed
    if (!this.#isOver && !(reading.isScheduled && error)) reading.drain();
    const wasOver = this.#isOver;
    // the peer may have ended in order and been reset before it had taken our last messages
    const isOrderly = reading.queue.isOver && sendQueue.isOver && (error === undefined || sendQueue.isTaken);
    const failure = isOrderly ? undefined : cutError(this.#stage(), error);
    this.#move('gone');
    this.#timer.stop();
    if (!wasOver) this.#settle(failure, true);
    this.#settleClosed();
  }

  #onExpiry(wait: Wait): void {
    if (wait === 'transport') this.onTransportClose(undefined);
    else if (wait === 'final bytes') this.#leave();
    else this.#giveUpPeer();
  }

  #giveUpPeer(): void {
    this.#parts.reading.drain();
    const text = `the peer did not end its side within ${this.#timer.closeTimeout} ms of our close`;
    this.fail(new SecureSocketError('TRUNCATED', text));
  }

  #leave(): void {
    this.#move('destroy');
    this.#timer.leave();
  }

  /** Settles every call that waits. */
  #settle(error: unknown, isGone: boolean): void {
    const { handshake, reading, sendQueue } = this.#parts;
    this.#failure = error;
    this.#open?.heartbeat.stop();
    this.#open?.settleTime?.stop();
    this.#open?.probe?.stop();
    reading.stop();
    handshake.fail(error);
    reading.queue.fail(error);
    sendQueue.fail(error, isGone);
    this.#parts.account();
  }

  /** Whether the peer would take the end of the stream for ours, which was not sent and cannot be told otherwise. */
  #wouldSeemOrderly(): boolean {
    const { hasClose, isOver } = this.#parts.sendQueue;
    return this.#phase !== 'handshake' && !hasClose && !isOver;
  }

  #stage(): Stage {
    if (this.#phase === 'handshake') return 'handshake';
    return this.#parts.reading.queue.isOver ? 'sending' : 'receiving';
  }

  #move(event: PhaseEvent): void {
    this.#phase = nextPhase(this.#phase, event);
    this.#isOver = isOver(this.#phase);
  }
}
