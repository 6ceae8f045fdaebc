import type { Chunk, Sender } from '../core/script.js';
import { SecureSocketError } from '../errors.js';
import type { Transport } from '../transports/transport.js';
import { onNextLoop } from '../turn.js';
import { abortable } from './abortable.js';
import { ChunkWriter } from './chunk-writer.js';
import { FlushSchedule } from './flush-schedule.js';
import { peerHasClosed, queueFull, tooLarge } from './send-errors.js';
import { ignoreRejection, Waiters } from './waiters.js';
import { WaitingMessages } from './waiting-messages.js';

export interface SendQueueLimits {
  /** Staged and unwritten bytes from which on `send` waits. */
  readonly highWaterMark: number;
  /** Maximum number of waiting bytes. */
  readonly maxSendQueue: number;
}

/** Staged bytes that do not wait for an unfinished write; fewer do, so that more may join them. */
const FLUSH_THRESHOLD = 64 * 1024;

const SENT: Promise<void> = Promise.resolve();

/**
 * The sending half of a connection. Messages of one tick, and those sent while a write is unfinished, are written
 * together. Above the high-water mark messages wait, by reference and in order, until the transport has taken the
 * earlier ones; so back-pressure costs the caller's memory and not a copy of it.
 *
 * Buffer ownership: the caller may reuse a message's memory when its promise has settled. Below the high-water mark
 * that is immediately: a small message is copied, a large one is encrypted in place. A waiting message is not read
 * until its turn, a large one in parts, so a caller that changes it earlier changes what is sent.
 */
export class SendQueue {
  readonly #limits: SendQueueLimits;
  readonly #onFailure: (error: unknown) => void;
  readonly #writer: ChunkWriter;
  #sender: Sender | undefined;
  /** Ending: there are messages left. Closing: the end is encrypted behind them. Ended: the transport has it. */
  #state: 'open' | 'ending' | 'closing' | 'ended' | 'failed' = 'open';
  #failure: unknown;
  readonly #waiting = new WaitingMessages();
  /** Callers whose message is staged and who wait for the transport to catch up. */
  readonly #drainWaiters = new Waiters();
  readonly #endWaiters = new Waiters();
  readonly #schedule = new FlushSchedule(() => this.#flush());
  /** Enough was encrypted in this turn of the event loop. */
  #isResting = false;
  #isCorked = false;
  #closeCode = 0;
  #messagesAreUnwritten = false;
  #pongIsWaiting = false;

  /** `onFailure` is told if a message cannot be encrypted to its end, after which nothing can be sent. */
  constructor(transport: Transport, limits: SendQueueLimits, onFailure: (error: unknown) => void) {
    this.#limits = limits;
    this.#onFailure = onFailure;
    this.#writer = new ChunkWriter(transport, () => this.#transportEnded(), onFailure);
  }

  /** Whether the end has been handed to the transport, or never will be. */
  get isOver(): boolean {
    return this.#state === 'ended' || this.#state === 'failed';
  }

  /** Whether the system has everything, the end included. */
  get isTaken(): boolean {
    return this.#state === 'ended' && this.#writer.pending === 0;
  }

  /** Whether the protocol has a message for the end. */
  get hasClose(): boolean {
    return this.#sender?.ping !== undefined;
  }

  /** Bytes given to the transport so far. */
  get bytesWritten(): number {
    return this.#writer.bytesWritten;
  }

  /** Bytes on their way out that the system has not taken yet. */
  get queued(): number {
    return this.#unwritten() + this.#waiting.bytes;
  }

  /** Bytes that the peer has yet to take, as far as can be told. */
  unsent(): number {
    return this.#writer.unsent + this.#writer.waiting + this.#waiting.bytes + (this.#sender?.staged ?? 0);
  }

  /** From now on there is the power to send. */
  open(sender: Sender): void {
    this.#sender = sender;
    // nothing is staged: this starts the clock of its key
    sender.flush(performance.now());
  }

  /** Holds messages up until `uncork`. */
  cork(): void {
    this.#isCorked = true;
  }

  uncork(): void {
    this.#isCorked = false;
    this.#flush();
  }

  /** An aborted call rejects at once. Its message is not sent, unless a part of it has been encrypted already. */
  send(message: Uint8Array, signal?: AbortSignal): Promise<void> {
    if (signal === undefined) return this.#send(message);
    if (signal.aborted) return Promise.reject(signal.reason);
    const sent = this.#send(message);
    const withdraw = (): void => {
      this.#waiting.withdraw(sent);
      this.#schedule.request();
    };
    return ignoreRejection(abortable(sent, signal, withdraw));
  }

  #send(message: Uint8Array): Promise<void> {
    if (this.#state !== 'open') {
      const ended = new SecureSocketError('CLOSED', 'nothing can be sent: this side has ended');
      return ignoreRejection(Promise.reject(this.#failure ?? ended));
    }
    const sender = this.#sender as Sender;
    if (message.length > sender.maxMessage)
      return Promise.reject(tooLarge(message.length, sender.maxMessage));
    if (this.#waiting.count > 0 || this.#isFull()) return this.#wait(message);
    const at = sender.stage(message, 0, sender.partLength);
    this.#schedule.add();
    if (at < message.length) {
      this.#rest();
      return ignoreRejection(this.#waiting.push(message, at));
    }
    return this.#isFull() ? this.#drainWaiters.wait() : SENT;
  }

  /** Writes what is no message, ahead of all that is not encrypted yet. */
  write(chunks: readonly Chunk[]): void {
    this.#writer.write(chunks);
  }

  ping(): void {
    this.write(this.#sender?.ping?.() ?? []);
  }

  /** One answer waits at most: a flood of questions makes no flood of answers. */
  pong(): void {
    if (this.#pongIsWaiting || this.#sender?.pong === undefined) return;
    this.write(this.#sender.pong());
    // it may wait here, for what the platform has yet to encrypt before it
    this.#pongIsWaiting = this.#writer.pending + this.#writer.waiting > 0;
  }

  /** What tells the peer of an error, once something can be sent. */
  finalBytes(closeCode: number): Chunk[] | undefined {
    return this.hasClose ? this.#sender?.close(closeCode) : undefined;
  }

  /** Writes the last bytes of all, and does not wait for what was written before. */
  writeLast(chunks: readonly Chunk[]): void {
    this.#writer.writeLast(chunks);
  }

  /** The transport has completed a write. Returns whether messages were in it. */
  onWritten(): boolean {
    const hadMessages = this.#messagesAreUnwritten;
    this.#pongIsWaiting = false;
    this.#writer.onWritten();
    if (this.#writer.pending === 0) this.#messagesAreUnwritten = false;
    if (this.isTaken) this.#endWaiters.resolve();
    if (!this.#schedule.isDue) this.#flush();
    if (this.#isFull()) return hadMessages;
    this.#drainWaiters.resolve();
    this.#admit();
    return hadMessages;
  }

  /** Asks for a fresh key before the next message, where the protocol has that. */
  rekey(): void {
    this.#sender?.rekey?.();
  }

  /** Ends this half after everything sent so far. */
  end(closeCode: number): void {
    if (this.#state !== 'open') return;
    this.#state = 'ending';
    this.#closeCode = closeCode;
    this.#schedule.request();
  }

  /** Resolves when the system has taken everything, the end included; rejects if it never will. */
  whenEnded(): Promise<void> {
    if (this.isTaken) return SENT;
    if (this.#state === 'failed') return this.#failure === undefined ? SENT : Promise.reject(this.#failure);
    return this.#endWaiters.wait();
  }

  /** Ends this half after what is already staged; messages that still wait are dropped and their senders told. */
  endNow(closeCode: number): void {
    this.#waiting.rejectUnbegun(peerHasClosed);
    this.end(closeCode);
  }

  /**
   * Nothing can be sent any more; without an error both halves have ended in order. Every call that waits is told:
   * those whose message the system has taken to its last byte that it was sent, since the peer may well have it.
   */
  fail(error: unknown, isGone: boolean): void {
    if (!this.isTaken) this.#failure = error;
    this.#state = 'failed';
    // before the writer is stopped: what it drops would count as taken
    this.#drainWaiters.reject(error, this.#writer.confirmedBytes(isGone));
    if (error === undefined) this.#endWaiters.resolve();
    else this.#endWaiters.reject(error);
    this.#waiting.reject(error);
    this.#writer.stop();
    this.#sender?.abandon();
  }

  #unwritten(): number {
    return this.#writer.pending + this.#writer.waiting + (this.#sender?.staged ?? 0);
  }

  #isFull(): boolean {
    return this.#unwritten() >= this.#limits.highWaterMark;
  }

  #wait(message: Uint8Array): Promise<void> {
    const { maxSendQueue } = this.#limits;
    if (this.queued + WaitingMessages.costOf(message) > maxSendQueue)
      return Promise.reject(queueFull(this.queued, maxSendQueue));
    return ignoreRejection(this.#waiting.push(message));
  }

  /**
   * Stages what waits, as far as there is room. The rest of a large message follows after other connections had a turn:
   * encrypting is the one thing here that takes time in proportion to what a program sends.
   */
  #admit(): void {
    if (this.#isResting || this.#waiting.count === 0) return;
    try {
      if (this.#waiting.stage(this.#sender as Sender, () => !this.#isFull())) this.#rest();
      this.#schedule.request();
    } catch (error) {
      this.#onFailure(error);
    }
  }

  #rest(): void {
    this.#isResting = true;
    onNextLoop(() => {
      this.#isResting = false;
      this.#admit();
    });
  }

  /**
   * Writes what is staged, or the end if nothing is left before it. While the system has not taken the write before,
   * what is staged waits: it could not leave earlier anyway, and what joins it meanwhile shares a record and a write
   * with it. From `FLUSH_THRESHOLD` on a record is full enough that waiting gains nothing.
   */
  #flush(): void {
    const sender = this.#sender;
    if (sender === undefined || this.#isCorked || this.isOver) return;
    if (this.#writer.pending > 0 && sender.staged < FLUSH_THRESHOLD) return;
    if (this.#state === 'ending' && this.#waiting.count === 0) this.#finish(sender);
    else if (sender.staged > 0) this.#writeMessages(sender);
  }

  #writeMessages(sender: Sender): void {
    this.#messagesAreUnwritten = true;
    this.write(sender.flush(performance.now()));
    this.#drainWaiters.mark(this.#writer.bytesWritten);
  }

  #finish(sender: Sender): void {
    this.#state = 'closing';
    this.write(sender.close(this.#closeCode));
    this.#drainWaiters.resolve();
    this.#writer.end();
  }

  /** The end of everything is with the transport. */
  #transportEnded(): void {
    this.#state = 'ended';
    if (this.isTaken) this.#endWaiters.resolve();
  }
}
