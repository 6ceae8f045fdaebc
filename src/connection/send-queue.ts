import type { Chunk, HandshakeResult, Sender } from '../core/script.js';
import { SecureSocketError } from '../errors.js';
import type { Transport } from '../transports/transport.js';
import { abortable } from './abortable.js';
import { joined } from './chunks.js';
import { Outbox } from './outbox.js';
import { afterTick, onNextLoop } from './turn.js';
import { WaitingMessages } from './waiting-messages.js';

export interface SendQueueLimits {
  /** From so many bytes on, staged and unwritten, `send` waits. */
  readonly highWaterMark: number;
  /** So many bytes may wait in all. */
  readonly maxSendQueue: number;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** So many staged bytes are encrypted while a write is unfinished; fewer wait, and more may join them. */
const FLUSH_THRESHOLD = 64 * 1024;
/**
 * So much is written at a time, and more only when that is gone. Smaller slices wake the peer more often: at 256 KiB a
 * stream loses up to a tenth.
 */
const SLICE = 1024 * 1024;

/** A key is not used for longer, in milliseconds, if there are messages to send. */
const KEY_LIFE = 3_600_000;

const SENT: Promise<void> = Promise.resolve();

/**
 * The sending half of a connection. Messages of one tick, and those sent while a write is unfinished, leave together.
 * Above the high-water mark messages wait, by reference and in order, until the transport has taken what came before.
 */
export class SendQueue {
  readonly #transport: Transport;
  readonly #limits: SendQueueLimits;
  #sender: Sender | undefined;
  /** Ending: there are messages left. Closing: the end is encrypted behind them. Ended: the transport has it. */
  #state: 'open' | 'ending' | 'closing' | 'ended' | 'failed' = 'open';
  #failure: unknown;
  /** Encrypted and not yet given to the transport. */
  readonly #ready: Outbox;
  /** Whether the last bytes of all are in it: nothing else stops them. */
  #isLast = false;
  readonly #waiting = new WaitingMessages();
  /** Callers whose message is staged and who wait for the transport to catch up. */
  #drainWaiters: Waiter[] = [];
  #endWaiters: Waiter[] = [];
  #flushIsDue = false;
  /** Enough was encrypted in this turn of the event loop. */
  #isResting = false;
  #settleTimer: ReturnType<typeof setTimeout> | undefined;
  #isSettling = false;
  #closeCode = 0;
  #bytesWritten = 0;
  #messagesAreUnwritten = false;
  #keyedAt = performance.now();

  /** `onFailure` is told if the platform fails to encrypt, after which nothing can be sent. */
  constructor(transport: Transport, limits: SendQueueLimits, onFailure: (error: unknown) => void) {
    this.#transport = transport;
    this.#limits = limits;
    this.#ready = new Outbox(() => this.#arrived(), onFailure);
  }

  /** Whether messages may still be sent. */
  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Whether the end has been handed to the transport, or never will be. */
  get isOver(): boolean {
    return this.#state === 'ended' || this.#state === 'failed';
  }

  /** Bytes given to the transport so far. */
  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  /** Bytes on their way out that the system has not taken yet. */
  get queued(): number {
    return this.#unwritten + this.#waiting.bytes;
  }

  /** Bytes that wait here, before the transport has them. */
  get waiting(): number {
    return this.#ready.bytes + this.#waiting.bytes + (this.#sender?.staged ?? 0);
  }

  /** From now on there is the power to send; with `settleMs`, the first bytes wait for `settled` or so long. */
  open({ sender, settleMs = 0 }: HandshakeResult): void {
    this.#sender = sender;
    if (settleMs === 0) return;
    this.#isSettling = true;
    this.#settleTimer = setTimeout(() => this.settled(), settleMs);
  }

  /** The peer has shown that it is ready. */
  settled(): void {
    if (!this.#isSettling) return;
    this.#isSettling = false;
    clearTimeout(this.#settleTimer);
    this.#flush();
  }

  /** An aborted call rejects at once. Its message is not sent, unless a part of it has been encrypted already. */
  send(message: Uint8Array, signal?: AbortSignal): Promise<void> {
    if (signal === undefined) return this.#send(message);
    if (signal.aborted) return Promise.reject(signal.reason);
    const sent = this.#send(message);
    const withdraw = (): void => {
      this.#waiting.withdraw(sent);
      this.#flushSoon();
    };
    return ignoreRejection(abortable(sent, signal, withdraw));
  }

  #send(message: Uint8Array): Promise<void> {
    if (this.#state !== 'open') return ignoreRejection(Promise.reject(this.#refusal()));
    const sender = this.#sender as Sender;
    if (message.length > sender.maxMessage)
      return Promise.reject(tooLarge(message.length, sender.maxMessage));
    if (this.#waiting.count > 0 || this.#isFull) return this.#wait(message);
    const at = sender.stage(message, 0, sender.partLength);
    this.#flushSoon();
    if (at < message.length) {
      this.#rest();
      return ignoreRejection(this.#waiting.push(message, at));
    }
    if (!this.#isFull) return SENT;
    return ignoreRejection(new Promise((resolve, reject) => this.#drainWaiters.push({ resolve, reject })));
  }

  /** Writes what is no message, ahead of all that is not encrypted yet. */
  write(chunks: readonly Chunk[]): void {
    if (this.#state === 'failed') return;
    for (const chunk of chunks) {
      this.#bytesWritten += chunk.length;
      this.#ready.push(chunk);
    }
    this.#pump();
  }

  /** Writes the last bytes of all, and does not wait for what was written before. */
  writeLast(chunks: readonly Chunk[]): void {
    this.write(chunks);
    this.#isLast = true;
    this.#giveLast();
  }

  /** The transport has completed a write. Returns whether messages were in it. */
  written(): boolean {
    const hadMessages = this.#messagesAreUnwritten;
    if (this.#state === 'failed') return hadMessages;
    this.#pump();
    if (this.#transport.pending === 0) {
      this.#messagesAreUnwritten = false;
      if (this.#state === 'ended') this.#tellEnders();
    }
    this.#flush();
    if (this.#isFull) return hadMessages;
    this.#release();
    this.#admit();
    return hadMessages;
  }

  /** Asks for a fresh key before the next message, where the protocol has that. */
  rekey(now: number = performance.now()): void {
    this.#keyedAt = now;
    this.#sender?.rekey?.();
  }

  /** Ends this half after everything sent so far. */
  end(closeCode: number): void {
    if (this.#state !== 'open') return;
    this.#state = 'ending';
    this.#closeCode = closeCode;
    this.#flushSoon();
  }

  /** Resolves when the end has been handed to the transport; rejects if it never will be. */
  whenEnded(): Promise<void> {
    if (this.#state === 'ended' && this.#transport.pending === 0) return SENT;
    if (this.#state === 'failed') return this.#failure === undefined ? SENT : Promise.reject(this.#failure);
    return ignoreRejection(new Promise((resolve, reject) => this.#endWaiters.push({ resolve, reject })));
  }

  /** Ends this half after what is already staged; messages that still wait are dropped and their senders told. */
  endNow(closeCode: number): void {
    const why = 'the peer has closed; this message was not sent';
    this.#waiting.rejectUnbegun(() => new SecureSocketError('CLOSED', why));
    this.end(closeCode);
  }

  /** Nothing can be sent any more. */
  fail(error: unknown): void {
    if (this.#state === 'failed') return;
    if (this.#state !== 'ended') this.#failure = error;
    this.#state = 'failed';
    clearTimeout(this.#settleTimer);
    this.#isSettling = false;
    if (!this.#isLast) this.#ready.clear();
    for (const { reject } of [...this.#drainWaiters, ...this.#endWaiters]) reject(error);
    this.#drainWaiters = [];
    this.#endWaiters = [];
    this.#waiting.reject(error);
    this.#sender?.abandon();
  }

  get #unwritten(): number {
    return this.#transport.pending + this.#ready.bytes + (this.#sender?.staged ?? 0);
  }

  get #isFull(): boolean {
    return this.#unwritten >= this.#limits.highWaterMark;
  }

  #wait(message: Uint8Array): Promise<void> {
    const { maxSendQueue } = this.#limits;
    if (this.queued + WaitingMessages.costOf(message) > maxSendQueue) {
      const text = `${this.queued} bytes wait to be sent and maxSendQueue is ${maxSendQueue}: await send()`;
      return Promise.reject(new SecureSocketError('SEND_QUEUE_FULL', text));
    }
    return ignoreRejection(this.#waiting.push(message));
  }

  /** Stages what waits, as far as there is room. The rest of a large message has its turn after everybody else. */
  #admit(): void {
    if (this.#isResting || this.#waiting.count === 0 || this.#isFull) return;
    if (this.#waiting.stage(this.#sender as Sender, () => !this.#isFull)) this.#rest();
    this.#flushSoon();
  }

  #rest(): void {
    this.#isResting = true;
    onNextLoop(() => {
      this.#isResting = false;
      if (this.#state !== 'failed') this.#admit();
    });
  }

  #flushSoon(): void {
    if (this.#flushIsDue) return;
    this.#flushIsDue = true;
    afterTick(() => {
      this.#flushIsDue = false;
      this.#flush();
    });
  }

  /** While a write is unfinished, what is staged waits for it, and leaves as one: but not for ever more. */
  #flush(): void {
    const sender = this.#sender;
    if (sender === undefined || this.#isSettling || this.isOver || this.#state === 'closing') return;
    if (this.#transport.pending > 0 && sender.staged < FLUSH_THRESHOLD) return;
    if (this.#state === 'ending' && this.#waiting.count === 0) this.#finish(sender);
    else if (sender.staged > 0) this.#writeMessages(sender);
  }

  #writeMessages(sender: Sender): void {
    const now = performance.now();
    if (now - this.#keyedAt > KEY_LIFE) this.rekey(now);
    this.#messagesAreUnwritten = true;
    this.write(sender.flush());
  }

  #finish(sender: Sender): void {
    this.#state = 'closing';
    this.write(sender.close(this.#closeCode));
    this.#release();
    // classic has no bytes for an end
    if (this.#ready.isEmpty) this.#endTransport();
  }

  #endTransport(): void {
    if (this.#state !== 'closing') return;
    this.#state = 'ended';
    this.#transport.end();
    if (this.#transport.pending === 0) this.#tellEnders();
  }

  /** The system has everything. */
  #tellEnders(): void {
    for (const { resolve } of this.#endWaiters) resolve();
    this.#endWaiters = [];
  }

  /** Gives the transport the next slice, if it has done with the one before. */
  #pump(): void {
    if (this.#transport.pending > 0 || this.#ready.isEmpty) return;
    const slice = this.#ready.take(SLICE);
    if (slice.length > 0) this.#give(slice);
    if (this.#ready.isEmpty) this.#endTransport();
  }

  /** Something is encrypted that the chunks behind it waited for. */
  #arrived(): void {
    if (this.#isLast) this.#giveLast();
    else if (this.#state !== 'failed') this.#pump();
  }

  #giveLast(): void {
    const chunks = this.#ready.take(Number.POSITIVE_INFINITY);
    if (chunks.length > 0) this.#give(chunks);
    if (this.#ready.isEmpty) this.#transport.end();
  }

  #give(chunks: readonly Uint8Array[]): void {
    this.#transport.write(chunks.length > 1 ? joined(chunks) : chunks);
  }

  #release(): void {
    const drained = this.#drainWaiters;
    this.#drainWaiters = [];
    for (const { resolve } of drained) resolve();
  }

  #refusal(): unknown {
    return this.#failure ?? new SecureSocketError('CLOSED', 'nothing can be sent: this side has ended');
  }
}

/** A promise that nobody has to wait for: a peer that dies must not end a program that does not. */
function ignoreRejection(promise: Promise<void>): Promise<void> {
  promise.catch(() => {});
  return promise;
}

function tooLarge(length: number, limit: number): SecureSocketError {
  const text = `a message of ${length} bytes is more than can be sent here (${limit}): nothing was sent`;
  return new SecureSocketError('MESSAGE_TOO_BIG_FOR_PEER', text);
}
