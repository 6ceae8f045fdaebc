import type { Batch, Opening, Script, Sender, TaskKind } from '../core/script.js';
import { type Host, Session } from '../core/session.js';
import { SecureSocketError } from '../errors.js';
import type { Transport, TransportEvents } from '../transports/transport.js';
import { Liveness, type LivenessActions, type LivenessSettings } from './heartbeat.js';
import { Incoming } from './receive-queue.js';
import { Outgoing, type OutgoingLimits } from './send-queue.js';
import { afterTick, nextTurn } from './turn.js';

/** Times in milliseconds, sizes in bytes. */
export interface ConnectionSettings extends OutgoingLimits, LivenessSettings {
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
  readonly inTurn?: (step: () => void) => void;
}

/** The CLOSE code of a connection that nobody used. */
const IDLE = 4;

/** Changes of what is held below this are not worth a report. */
const WORTH_REPORTING = 16 * 1024;

/** One session on one transport, and the clocks that go with it. */
export class Connection {
  // Classes, and not objects of closures, which would be the larger part of what an idle connection costs.

  /** What the session wants to be done. */
  static readonly #SessionHost = class implements Host {
    readonly #of: Connection;

    constructor(of: Connection) {
      this.#of = of;
    }

    write(chunks: readonly Uint8Array[]): void {
      this.#of.#outgoing.write(chunks);
    }

    opened(opening: Opening): void {
      this.#of.#opened(opening);
    }

    received(batch: Batch): void {
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

    progressed(): void {
      this.#of.#liveness?.message();
    }

    failed(error: unknown, farewell: readonly Uint8Array[] | undefined): void {
      this.#of.#fail(error, farewell);
    }
  };

  /** What heartbeats and idleness do. */
  static readonly #Watch = class implements LivenessActions {
    readonly #of: Connection;

    constructor(of: Connection) {
      this.#of = of;
    }

    ping(): void {
      this.#of.#outgoing.write(this.#of.#sender?.ping?.() ?? []);
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
  readonly ready: Promise<Opening>;
  /** Resolves when the transport is gone, however it went. */
  readonly closed: Promise<void>;
  readonly #transport: Transport;
  readonly #settings: ConnectionSettings;
  readonly #session: Session;
  readonly #incoming: Incoming;
  readonly #outgoing: Outgoing;
  #settleReady: { resolve: (opening: Opening) => void; reject: (error: unknown) => void } | undefined;
  #settleClosed: () => void = () => {};
  #sender: Sender | undefined;
  #liveness: Liveness | undefined;
  #pongIsWaiting = false;
  #deadline: ReturnType<typeof setTimeout> | undefined;
  #farewellTimer: ReturnType<typeof setTimeout> | undefined;
  #isClosing = false;
  #isOver = false;
  #isPaused = false;
  /** Where it waits for its next turn, if it does. */
  #waitsBy: ((step: () => void) => void) | undefined;
  #bytesRead = 0;
  #charged = 0;
  #peerCloseCode: number | undefined;
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
    this.#incoming = new Incoming(settings.readAhead, () => this.#goOnSoon());
    this.#outgoing = new Outgoing(transport, settings);
    this.#session = new Session(script, new Connection.#SessionHost(this));
  }

  /** Bytes received on the wire. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** Bytes given to the transport to be written. */
  get bytesWritten(): number {
    return this.#outgoing.bytesWritten;
  }

  /** Bytes of memory held by what has arrived and what waits to leave. */
  get buffered(): number {
    return this.#incoming.cost + (this.#isOver ? 0 : this.#session.held + this.#outgoing.queued);
  }

  /** The code of the peer's CLOSE, once it has ended in order. */
  get peerCloseCode(): number | undefined {
    return this.#peerCloseCode;
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
    this.#goOn();
  }

  send(message: Uint8Array): Promise<void> {
    this.#liveness?.message();
    const sent = this.#outgoing.send(message);
    this.#account();
    return sent;
  }

  recv(signal?: AbortSignal): Promise<Uint8Array | null> {
    const message = this.#incoming.recv(signal);
    if (this.#isOver) this.#account();
    return message;
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    const message = this.#incoming.next();
    if (this.#isOver) this.#account();
    return message;
  }

  /** Asks for fresh keys before the next message. */
  rekey(): void {
    this.#outgoing.rekey();
  }

  /** Ends the sending half; resolves when everything has been handed to the transport. */
  end(closeCode = 0): Promise<void> {
    this.#liveness?.stopAsking();
    this.#outgoing.end(closeCode);
    if (this.#incoming.isOver) this.#boundFarewell();
    return this.#outgoing.whenEnded();
  }

  /** Ends the sending half, waits for the peer's end and gives up after `closeTimeout`. */
  close(closeCode = 0): Promise<void> {
    if (this.#isClosing || this.#isOver) return this.closed;
    this.#isClosing = true;
    if (this.#sender === undefined) {
      this.destroy(new SecureSocketError('CLOSED', 'closed during the handshake'));
      return this.closed;
    }
    this.#liveness?.stop();
    this.#incoming.discard();
    this.#outgoing.end(closeCode);
    this.#boundFarewell();
    this.#goOnSoon();
    return this.closed;
  }

  /** Gives up because of `error`, unread messages too, and tells the peer the CLOSE code if it takes what is sent. */
  abandon(error: SecureSocketError, closeCode: number): void {
    this.#incoming.drop(error);
    this.#fail(error, this.#transport.pending === 0 ? this.#sender?.close(closeCode) : undefined);
    this.#account();
  }

  /** Gives everything up at once. */
  destroy(
    error: unknown = new SecureSocketError('CLOSED', 'the connection was destroyed on this side'),
  ): void {
    this.#fail(error);
  }

  #events(): TransportEvents {
    return {
      data: (bytes) => this.#data(bytes),
      end: () => {
        this.#session.endOfStream();
        this.#goOn();
      },
      written: () => {
        this.#pongIsWaiting = false;
        this.#liveness?.said();
        if (this.#farewellTimer !== undefined && !this.#outgoing.isOver) this.#boundFarewell();
        if (this.#outgoing.written()) this.#liveness?.message();
        this.#account();
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
    this.#liveness?.heard();
    // without signs of life in between, all that comes is messages
    if (!this.#sender?.ping) this.#liveness?.message();
    this.#outgoing.settled();
    const isInPlace = this.#target !== undefined && bytes.buffer === this.#target.buffer;
    this.#target = undefined;
    if (this.#isInTurn) this.#session.putOff();
    if (isInPlace) this.#session.filled(bytes.length);
    else this.#session.receive(bytes);
    this.#goOn();
  }

  #opened(opening: Opening): void {
    this.#sender = opening.sender;
    this.#outgoing.open(opening);
    const hasHeartbeat = opening.sender.ping !== undefined;
    this.#liveness = new Liveness(this.#settings, new Connection.#Watch(this), hasHeartbeat);
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
    this.#outgoing.write(this.#sender.pong());
    this.#pongIsWaiting = this.#transport.pending > 0;
  }

  #received(batch: Batch): void {
    this.#liveness?.message();
    this.#incoming.push(batch);
    if (this.#incoming.isFull) this.#session.paused = true;
  }

  #perform(task: () => unknown, kind: TaskKind): void {
    const { inTurn } = this.#settings;
    const goOn = (step: () => void): void => {
      const go = (): void => {
        if (this.#isOver) return;
        step();
        this.#goOn();
      };
      if (inTurn) inTurn(go);
      else go();
    };
    this.#settings
      .run(task, kind, () => this.#isOver)
      .then(
        (result) => goOn(() => this.#session.resume(result)),
        (error: unknown) => goOn(() => this.#session.reject(error)),
      );
  }

  #peerEnded(closeCode: number): void {
    this.#peerCloseCode = closeCode;
    this.#liveness?.stopAsking();
    this.#incoming.finish();
    if (this.#settings.allowHalfOpen && !this.#isClosing) return;
    this.#outgoing.endNow(0);
    this.#boundFarewell();
  }

  /** Reports what is held, when that has changed by more than a little. */
  #account(): void {
    const { charge } = this.#settings;
    if (charge === undefined) return;
    const change = this.buffered - this.#charged;
    if (change < WORTH_REPORTING && change > -WORTH_REPORTING && !this.#isOver) return;
    this.#charged += change;
    charge(change);
  }

  /** Holds the transport to what the session can take, and gives the session its next turn. */
  #goOn(): void {
    this.#account();
    if (this.#isOver) return;
    const isBlocked = this.#session.isBlocked;
    if (isBlocked !== this.#isPaused) {
      this.#isPaused = isBlocked;
      if (isBlocked) this.#transport.pause();
      else this.#transport.resume();
    }
    this.#liveness?.setPaused(this.#session.paused);
    const inTurn = (this.#isInTurn ? this.#settings.inTurn : undefined) ?? nextTurn;
    // one that has just become open does not wait where handshakes do
    if (!this.#session.turnIsOver || this.#waitsBy === inTurn) return;
    this.#waitsBy = inTurn;
    inTurn(() => {
      if (this.#waitsBy === inTurn) this.#waitsBy = undefined;
      this.#work();
    });
  }

  /** Whether this is one of many handshakes, which are done in turn. */
  get #isInTurn(): boolean {
    return this.#sender === undefined && this.#settings.inTurn !== undefined;
  }

  #goOnSoon(): void {
    afterTick(() => this.#work());
  }

  #work(): void {
    if (this.#isOver) return;
    this.#session.paused = this.#incoming.isFull;
    this.#session.work();
    this.#goOn();
  }

  /** Starts the clock that ends the wait for the peer; while it takes what we send, the clock begins anew. */
  #boundFarewell(): void {
    clearTimeout(this.#farewellTimer);
    if (this.#isOver) return;
    const { closeTimeout } = this.#settings;
    const before = this.#unsent;
    this.#farewellTimer = setTimeout(() => {
      if (this.#unsent < before) {
        this.#boundFarewell();
        return;
      }
      this.#drain();
      const text = `the peer did not end its side within ${closeTimeout} ms of our close`;
      this.#fail(new SecureSocketError('TRUNCATED', text));
      this.#transport.destroy();
    }, closeTimeout);
  }

  /** Bytes that the peer has yet to take. */
  get #unsent(): number {
    return this.#outgoing.waiting + (this.#transport.unsent ?? this.#transport.pending);
  }

  /** Lets what has been received become messages, however many wait already: there will be no other time. */
  #drain(): void {
    this.#session.paused = false;
    do this.#session.work();
    while (this.#session.turnIsOver);
  }

  /** The end of everything but a farewell: the first error counts, and a half that has ended in order stays so. */
  #fail(error: unknown, farewell?: readonly Uint8Array[]): void {
    if (this.#isOver) return;
    if (farewell) this.#outgoing.writeLast(farewell);
    this.#isOver = true;
    this.#liveness?.stop();
    this.#session.stop();
    this.#settleReady?.reject(error);
    this.#endHandshake();
    this.#incoming.fail(error);
    this.#outgoing.fail(error);
    this.#account();
    if (farewell) this.#depart();
    else this.#transport.destroy();
  }

  /** Reads what still comes so that no reset overtakes the farewell, and gives up in bounded time. */
  #depart(): void {
    this.#transport.resume();
    clearTimeout(this.#farewellTimer);
    this.#farewellTimer = setTimeout(() => this.#transport.destroy(), this.#settings.closeTimeout);
  }

  #gone(error: Error | undefined): void {
    clearTimeout(this.#farewellTimer);
    // for a stranger who has gone nothing more is computed
    if (!this.#isOver && !(this.#isInTurn && error)) this.#drain();
    const isOrderly = this.#incoming.isOver && this.#outgoing.isOver;
    this.#fail(error ?? (isOrderly ? undefined : this.#vanished()));
    this.#settleClosed();
  }

  #vanished(): SecureSocketError {
    if (this.#sender === undefined)
      return new SecureSocketError('HANDSHAKE_FAILED', 'the connection closed during the handshake');
    if (this.#incoming.isOver)
      return new SecureSocketError('CLOSED', 'the connection closed before all was sent');
    return new SecureSocketError('TRUNCATED', 'the connection closed before the peer ended its side');
  }
}
