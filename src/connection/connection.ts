import type { Bytes } from '../core/bytes.js';
import type { Batch, Chunk, HandshakeResult, Script, Sender, TaskKind } from '../core/script.js';
import { type Host, Session } from '../core/session.js';
import { SecureSocketError } from '../errors.js';
import type { Transport, TransportEvents } from '../transports/transport.js';
import { cutError, type Stage } from './cut.js';
import { Heartbeat, type HeartbeatActions, type HeartbeatSettings } from './heartbeat.js';
import { ReceiveQueue } from './receive-queue.js';
import { SendQueue, type SendQueueLimits } from './send-queue.js';
import { afterTick, onNextLoop } from './turn.js';

/** Times in milliseconds, sizes in bytes. */
export interface ConnectionSettings extends SendQueueLimits, HeartbeatSettings {
  /** From the start to the end of the handshake, whatever happens in between. */
  readonly handshakeTimeout: number;
  /** How long close() waits for the peer. */
  readonly closeTimeout: number;
  /** Whether the peer's end leaves this side open. */
  readonly allowHalfOpen: boolean;
  /** How much may be received and wait to be read, each message counted with 128 bytes more. */
  readonly readAhead: number;
  /** Told how many bytes more, or less, this connection holds for its peer. */
  readonly charge?: (bytes: number) => void;
  /** Runs a step of the script; `isOver` tells that nobody waits for it any more. */
  readonly run: (task: () => unknown, kind: TaskKind, isOver: () => boolean) => Promise<unknown>;
  /** Where the steps of a handshake wait for their turn; absent where it need not wait for others. */
  readonly schedule?: (step: () => void) => void;
}

/** So many records that the platform decrypts are taken in one go. */
const RECORDS_A_TURN = 16;

/** The CLOSE code of a connection that nobody used. */
const IDLE = 4;

/** So long a transport may take to be gone once it was destroyed, in milliseconds. A socket is within a turn. */
const GONE_WITHIN = 50;

/** One session on one transport, and the clocks that go with it. */
export class Connection {
  // Classes, and not objects of closures, which would be the larger part of what an idle connection costs.

  /** What the session wants to be done. */
  static readonly #SessionHost = class implements Host {
    readonly #of: Connection;

    constructor(of: Connection) {
      this.#of = of;
    }

    write(chunks: readonly Chunk[]): void {
      this.#of.#sendQueue.write(chunks);
    }

    opened(opening: HandshakeResult): void {
      this.#of.#opened(opening);
    }

    received(batch: Batch | undefined): void {
      this.#of.#received(batch);
    }

    perform(task: () => unknown, kind: TaskKind): void {
      this.#of.#perform(task, kind);
    }

    answer(): void {
      this.#of.#pong();
    }

    ended(closeCode: number): void {
      this.#of.#peerEnded(closeCode);
    }

    failed(error: unknown, finalBytes: readonly Chunk[] | undefined): void {
      this.#of.#fail(error, finalBytes);
    }
  };

  /** What heartbeats and idleness do. */
  static readonly #Watch = class implements HeartbeatActions {
    readonly #of: Connection;

    constructor(of: Connection) {
      this.#of = of;
    }

    ping(): void {
      this.#of.#sendQueue.write(this.#of.#sender?.ping?.() ?? []);
    }

    pong(): void {
      this.#of.#pong();
    }

    unsent(): number {
      return this.#of.#unsent;
    }

    dead(error: SecureSocketError): void {
      this.#of.#drain();
      this.#of.#fail(error);
    }

    idle(error: SecureSocketError): void {
      this.#of.#fail(error, this.#of.#sender?.close(IDLE));
    }
  };

  /** Settles with the handshake. */
  readonly ready: Promise<HandshakeResult>;
  /** Resolves when the transport is gone, however it went. */
  readonly closed: Promise<void>;
  readonly #transport: Transport;
  readonly #settings: ConnectionSettings;
  readonly #session: Session;
  readonly #receiveQueue: ReceiveQueue;
  readonly #sendQueue: SendQueue;
  #settleReady: { resolve: (opening: HandshakeResult) => void; reject: (error: unknown) => void } | undefined;
  #settleClosed: () => void = () => {};
  #sender: Sender | undefined;
  #heartbeat: Heartbeat | undefined;
  #pongIsWaiting = false;
  #deadline: ReturnType<typeof setTimeout> | undefined;
  #closeTimer: ReturnType<typeof setTimeout> | undefined;
  #isClosing = false;
  #isOver = false;
  /** Whether the transport is. */
  #isGone = false;
  #isPaused = false;
  /** Where it waits for its next turn, if it does. */
  #waitsBy: ((step: () => void) => void) | undefined;
  #bytesRead = 0;
  #recordsATurn = 0;
  #charged = 0;
  #peerCloseCode: number | undefined;
  #failure: unknown;
  /** With which code to close when the program has no work left, if that is wanted. */
  #drainCode: number | undefined;
  /** Where the transport was told to read to. */
  #target: Uint8Array | undefined;

  constructor(transport: Transport, script: Script, settings: ConnectionSettings) {
    this.#transport = transport;
    this.#settings = settings;
    this.ready = new Promise((resolve, reject) => {
      this.#settleReady = { resolve, reject };
    });
    // whoever wants to know of a failure awaits `ready` itself
    this.ready.catch(() => {});
    this.closed = new Promise((resolve) => {
      this.#settleClosed = resolve;
    });
    this.#receiveQueue = new ReceiveQueue(settings.readAhead, () => this.#scheduleResume());
    this.#sendQueue = new SendQueue(transport, settings, (error) => this.#fail(error));
    this.#session = new Session(script, new Connection.#SessionHost(this));
  }

  /** Bytes received on the wire. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** Bytes given to the transport to be written. */
  get bytesWritten(): number {
    return this.#sendQueue.bytesWritten;
  }

  /** Bytes of memory held by what has arrived and what waits to leave. */
  get buffered(): number {
    return this.#receiveQueue.cost + (this.#isOver ? 0 : this.#session.held + this.#sendQueue.queued);
  }

  /** The code of the peer's CLOSE, once it has ended in order. */
  get peerCloseCode(): number | undefined {
    return this.#peerCloseCode;
  }

  /** Whether it has ended; its transport may take a little longer. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Why it has ended, unless both ends have ended it in order. */
  get failure(): unknown {
    return this.#failure;
  }

  /** How long the peer, and whoever reads, may take without any progress. */
  get closeTimeout(): number {
    return this.#settings.closeTimeout;
  }

  get transport(): Transport {
    return this.#transport;
  }

  /** Begins the handshake; `handshakeTimeout` instead of that of the settings, if a part of it has gone already. */
  start(handshakeTimeout: number = this.#settings.handshakeTimeout): void {
    this.#deadline = setTimeout(() => {
      this.destroy(
        new SecureSocketError(
          'HANDSHAKE_TIMEOUT',
          `the handshake was not done within ${handshakeTimeout} ms`,
        ),
      );
    }, handshakeTimeout);
    this.#transport.start(this.#events());
    this.#session.start();
    this.#resume();
  }

  send(message: Uint8Array, signal?: AbortSignal): Promise<void> {
    this.#heartbeat?.message();
    const sent = this.#sendQueue.send(message, signal);
    this.#account();
    return sent;
  }

  recv(signal?: AbortSignal): Promise<Bytes | null> {
    const message = this.#receiveQueue.recv(signal);
    this.#account();
    this.#closeIfIdle();
    return message;
  }

  next(): Promise<IteratorResult<Bytes>> {
    const message = this.#receiveQueue.next();
    this.#account();
    this.#closeIfIdle();
    return message;
  }

  /** Asks for fresh keys before the next message. */
  rekey(): void {
    this.#sendQueue.rekey();
  }

  /** Ends the sending half; resolves when everything has been handed to the transport. */
  end(closeCode = 0): Promise<void> {
    this.#heartbeat?.stopAsking();
    this.#sendQueue.end(closeCode);
    if (this.#receiveQueue.isOver) this.#startCloseTimer();
    return this.#sendQueue.whenEnded();
  }

  /** Ends the sending half, waits for the peer's end and gives up after `closeTimeout`. */
  close(closeCode = 0): Promise<void> {
    if (this.#isClosing || this.#isOver) return this.closed;
    this.#isClosing = true;
    if (this.#sender === undefined) {
      this.destroy(new SecureSocketError('CLOSED', 'closed during the handshake'));
      return this.closed;
    }
    this.#heartbeat?.stop();
    this.#receiveQueue.discard();
    this.#sendQueue.end(closeCode);
    this.#startCloseTimer();
    this.#scheduleResume();
    return this.closed;
  }

  /**
   * Closes as soon as the program has no work of this connection's left: it waits for the next message, all before it
   * were read, and none has begun to arrive. What a program does without reading cannot be seen from here.
   */
  drain(closeCode: number): void {
    this.#drainCode = closeCode;
    this.#closeIfIdle();
  }

  #closeIfIdle(): void {
    if (this.#drainCode === undefined || this.#isClosing || this.#isOver) return;
    if (this.#receiveQueue.isAwaited && this.#session.held === 0) void this.close(this.#drainCode);
  }

  /** Gives up because of `error`, unread messages too, and tells the peer the CLOSE code if it takes what is sent. */
  abandon(error: SecureSocketError, closeCode: number): void {
    this.#receiveQueue.drop(error);
    this.#fail(error, this.#transport.pending === 0 ? this.#sender?.close(closeCode) : undefined);
    this.#account();
  }

  /** Gives everything up at once, final bytes too. */
  destroy(
    error: unknown = new SecureSocketError('CLOSED', 'the connection was destroyed on this side'),
  ): void {
    this.#fail(error);
    this.#destroyTransport();
  }

  #events(): TransportEvents {
    return {
      data: (bytes) => this.#data(bytes),
      end: () => {
        this.#session.endOfStream();
        this.#resume();
      },
      written: () => {
        this.#pongIsWaiting = false;
        this.#heartbeat?.onWrite();
        if (this.#closeTimer !== undefined && !this.#sendQueue.isOver) this.#startCloseTimer();
        if (this.#sendQueue.written()) this.#heartbeat?.message();
        this.#account();
        this.#leaveIfClosed();
      },
      close: (error) => this.#gone(error),
      target: () => {
        this.#target = this.#isOver ? undefined : this.#session.target();
        return this.#target;
      },
    };
  }

  #data(bytes: Uint8Array): void {
    this.#bytesRead += bytes.length;
    if (this.#isOver) return;
    this.#heartbeat?.onReceive(bytes.length);
    // where there is no PING and no PONG, all that comes is messages
    if (!this.#sender?.ping) this.#heartbeat?.message();
    this.#sendQueue.settled();
    const isInPlace = this.#target !== undefined && bytes.buffer === this.#target.buffer;
    this.#target = undefined;
    if (this.#isScheduled) this.#session.defer();
    if (isInPlace) this.#session.filled(bytes.length);
    else this.#session.receive(bytes);
    this.#resume();
  }

  #opened(opening: HandshakeResult): void {
    this.#sender = opening.sender;
    this.#sendQueue.open(opening);
    const hasHeartbeat = opening.sender.ping !== undefined;
    this.#heartbeat = new Heartbeat(this.#settings, new Connection.#Watch(this), hasHeartbeat);
    this.#settleReady?.resolve(opening);
    this.#endHandshake();
  }

  /** Lets go of what only a handshake needs. */
  #endHandshake(): void {
    clearTimeout(this.#deadline);
    this.#deadline = undefined;
    this.#settleReady = undefined;
  }

  /** One answer waits at most: a flood of questions makes no flood of answers. */
  #pong(): void {
    if (this.#pongIsWaiting || this.#sender?.pong === undefined) return;
    this.#sendQueue.write(this.#sender.pong());
    this.#pongIsWaiting = this.#transport.pending > 0;
  }

  #received(batch: Batch | undefined): void {
    this.#heartbeat?.message();
    if (batch === undefined) return;
    this.#receiveQueue.push(batch);
    if (this.#receiveQueue.isFull) this.#session.paused = true;
  }

  #perform(task: () => unknown, kind: TaskKind): void {
    const schedule = kind === 'record' ? this.#recordSchedule() : this.#settings.schedule;
    const goOn = (step: () => void): void => {
      const go = (): void => {
        if (this.#isOver) return;
        step();
        this.#resume();
      };
      if (schedule) schedule(go);
      else go();
    };
    this.#settings
      .run(task, kind, () => this.#isOver)
      .then(
        (result) => goOn(() => this.#session.resume(result)),
        (error: unknown) => goOn(() => this.#session.reject(error)),
      );
  }

  /** A platform may answer so fast that nobody else gets a turn: after some records all others have theirs. */
  #recordSchedule(): ((step: () => void) => void) | undefined {
    this.#recordsATurn = (this.#recordsATurn + 1) % RECORDS_A_TURN;
    return this.#recordsATurn === 0 ? onNextLoop : undefined;
  }

  #peerEnded(closeCode: number): void {
    this.#peerCloseCode = closeCode;
    this.#heartbeat?.stopAsking();
    this.#receiveQueue.finish();
    if (this.#settings.allowHalfOpen && !this.#isClosing) return;
    this.#sendQueue.endNow(0);
    this.#startCloseTimer();
    this.#leaveIfClosed();
  }

  /**
   * Leaves once both ends have sent their CLOSE and ours is with the system: the end of the peer's stream would tell
   * nothing new (R7.4), and a peer need not end it. Not before the next turn, in which our own end of the stream leaves.
   */
  #leaveIfClosed(): void {
    const hasClose = this.#sender?.ping !== undefined;
    if (!hasClose || this.#isOver || this.#peerCloseCode === undefined) return;
    if (this.#sendQueue.isOver && this.#transport.pending === 0) onNextLoop(() => this.#destroyTransport());
  }

  /** Reports what is held. Every change counts: a limit for all is made of many small holdings too. */
  #account(): void {
    const { charge } = this.#settings;
    if (charge === undefined) return;
    const change = this.buffered - this.#charged;
    if (change === 0) return;
    this.#charged += change;
    charge(change);
  }

  /** Holds the transport to what the session can take, and gives the session its next turn. */
  #resume(): void {
    this.#account();
    if (this.#isOver) return;
    const isBlocked = this.#session.isBlocked;
    if (isBlocked !== this.#isPaused) {
      this.#isPaused = isBlocked;
      if (isBlocked) this.#transport.pause();
      else this.#transport.resume();
    }
    this.#heartbeat?.setPaused(this.#session.paused);
    const schedule = (this.#isScheduled ? this.#settings.schedule : undefined) ?? onNextLoop;
    // one that has just become open does not wait where handshakes do
    if (!this.#session.turnIsOver || this.#waitsBy === schedule) return;
    this.#waitsBy = schedule;
    schedule(() => {
      if (this.#waitsBy === schedule) this.#waitsBy = undefined;
      this.#work();
    });
  }

  /** Whether this is one of many handshakes, which are done in turn. */
  get #isScheduled(): boolean {
    return this.#sender === undefined && this.#settings.schedule !== undefined;
  }

  #scheduleResume(): void {
    afterTick(() => this.#work());
  }

  #work(): void {
    if (this.#isOver) return;
    this.#session.paused = this.#receiveQueue.isFull;
    this.#session.work();
    this.#resume();
  }

  /** Starts the clock that ends the wait for the peer; while it takes what we send, the clock begins anew. */
  #startCloseTimer(): void {
    clearTimeout(this.#closeTimer);
    if (this.#isOver) return;
    const { closeTimeout } = this.#settings;
    const before = this.#unsent;
    this.#closeTimer = setTimeout(() => {
      if (this.#unsent < before) {
        this.#startCloseTimer();
        return;
      }
      this.#drain();
      const text = `the peer did not end its side within ${closeTimeout} ms of our close`;
      this.#fail(new SecureSocketError('TRUNCATED', text));
      this.#destroyTransport();
    }, closeTimeout);
  }

  /** Bytes that the peer has yet to take. */
  get #unsent(): number {
    return this.#sendQueue.waiting + (this.#transport.unsent ?? this.#transport.pending);
  }

  /** Lets what has been received become messages, however many wait already: there will be no other time. */
  #drain(): void {
    this.#session.paused = false;
    do this.#session.work();
    while (this.#session.turnIsOver);
  }

  /** The end of everything but final bytes: the first error counts, and a half that has ended in order stays so. */
  #fail(error: unknown, finalBytes?: readonly Chunk[]): void {
    if (this.#isOver) return;
    if (finalBytes) this.#sendQueue.writeLast(finalBytes);
    this.#isOver = true;
    this.#failure = error;
    this.#heartbeat?.stop();
    this.#session.stop();
    this.#settleReady?.reject(error);
    this.#endHandshake();
    this.#receiveQueue.fail(error);
    this.#sendQueue.fail(error);
    this.#account();
    if (finalBytes) this.#lingerThenDestroy();
    else this.#destroyTransport();
  }

  /** Reads what still comes so that no reset overtakes the final bytes, and gives up in bounded time. */
  #lingerThenDestroy(): void {
    this.#transport.resume();
    clearTimeout(this.#closeTimer);
    this.#closeTimer = setTimeout(() => this.#destroyTransport(), this.#settings.closeTimeout);
  }

  /** A transport of somebody's own that never says that it is gone is not waited for. */
  #destroyTransport(): void {
    clearTimeout(this.#closeTimer);
    if (this.#isGone) return;
    this.#closeTimer = setTimeout(() => this.#gone(undefined), GONE_WITHIN);
    this.#transport.destroy();
  }

  #gone(error: Error | undefined): void {
    this.#isGone = true;
    clearTimeout(this.#closeTimer);
    // for a stranger who has gone nothing more is computed
    if (!this.#isOver && !(this.#isScheduled && error)) this.#drain();
    const isOrderly = this.#receiveQueue.isOver && this.#sendQueue.isOver;
    this.#fail(isOrderly ? undefined : cutError(this.#stage, error));
    this.#settleClosed();
  }

  get #stage(): Stage {
    if (this.#sender === undefined) return 'handshake';
    return this.#receiveQueue.isOver ? 'sending' : 'receiving';
  }
}
