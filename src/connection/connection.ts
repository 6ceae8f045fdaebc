import type { Bytes } from '../core/bytes.js';
import type { HandshakeResult, Script } from '../core/script.js';
import { SecureSocketError } from '../errors.js';
import type { Transport } from '../transports/transport.js';
import { HandshakeWait } from './handshake-wait.js';
import { Heartbeat, type HeartbeatSettings } from './heartbeat.js';
import { Lifecycle, type LifecycleSettings } from './lifecycle.js';
import { PausedProbe } from './paused-probe.js';
import { type ConnectionEvent, Reading, type ReadingSettings } from './reading.js';
import type { ReceiveQueue } from './receive-queue.js';
import { SendQueue, type SendQueueLimits } from './send-queue.js';
import { SettleTime } from './settle-time.js';

/** Times in milliseconds, sizes in bytes. */
export interface ConnectionSettings
  extends SendQueueLimits,
    HeartbeatSettings,
    ReadingSettings,
    LifecycleSettings {
  /** From the start to the end of the handshake, whatever happens in between. */
  readonly handshakeTimeout: number;
  /** Told how many bytes more, or less, this connection holds for its peer. */
  readonly charge?: (bytes: number) => void;
}

/**
 * One session on one transport. {@link Reading} is the way in, whose events are handled here one after the other;
 * {@link SendQueue} is the way out; {@link Lifecycle} knows where the connection stands and ends it.
 */
export class Connection {
  readonly #transport: Transport;
  readonly #settings: ConnectionSettings;
  readonly #handshake = new HandshakeWait();
  readonly #reading: Reading;
  readonly #receiveQueue: ReceiveQueue;
  readonly #sendQueue: SendQueue;
  readonly #lifecycle: Lifecycle;
  #heartbeat: Heartbeat | undefined;
  #settleTime: SettleTime | undefined;
  #probe: PausedProbe | undefined;
  #charged = 0;
  /** The part of it that is messages to be read. */
  #chargedUnread = 0;
  /** With which code to close when the program has no work left, if that is wanted. */
  #drainCode: number | undefined;

  constructor(transport: Transport, script: Script, settings: ConnectionSettings) {
    this.#transport = transport;
    this.#settings = settings;
    this.#reading = new Reading(transport, script, settings, {
      handle: (event) => this.#handle(event),
      onSettled: () => this.#onSettled(),
    });
    this.#receiveQueue = this.#reading.queue;
    this.#sendQueue = new SendQueue(transport, settings, (error) => this.#lifecycle.fail(error));
    const parts = {
      transport,
      handshake: this.#handshake,
      reading: this.#reading,
      sendQueue: this.#sendQueue,
    };
    this.#lifecycle = new Lifecycle({ ...parts, account: () => this.#account() }, settings);
  }

  /** Settles with the handshake. */
  get ready(): Promise<HandshakeResult> {
    return this.#handshake.result;
  }

  /** Resolves when the transport is gone, however it went. */
  get closed(): Promise<void> {
    return this.#lifecycle.closed;
  }

  /** Bytes received on the wire. */
  get bytesRead(): number {
    return this.#reading.bytesRead;
  }

  /** Bytes given to the transport to be written. */
  get bytesWritten(): number {
    return this.#sendQueue.bytesWritten;
  }

  /** Bytes that the peer has yet to take, as far as can be told. */
  get unsent(): number {
    return this.#sendQueue.unsent();
  }

  /** Bytes of memory held by what has arrived and what waits to leave. */
  get buffered(): number {
    const unread = this.#receiveQueue.cost;
    return this.#lifecycle.isOver ? unread : unread + this.#reading.held + this.#sendQueue.queued;
  }

  /** The code of the peer's CLOSE, once it has ended in order. */
  get peerCloseCode(): number | undefined {
    return this.#lifecycle.peerCloseCode;
  }

  /** Whether it has ended; its transport may take a little longer. */
  get isOver(): boolean {
    return this.#lifecycle.isOver;
  }

  /** Why it has ended, unless both ends have ended it in order. */
  get failure(): unknown {
    return this.#lifecycle.failure;
  }

  /** How long the peer, and a program that reads, may take without any progress. */
  get closeTimeout(): number {
    return this.#settings.closeTimeout;
  }

  get transport(): Transport {
    return this.#transport;
  }

  /**
   * Begins the handshake; `handshakeTimeout` instead of that of the settings, if a part of it has gone already, or
   * infinite, if someone else has the deadline.
   */
  start(handshakeTimeout: number = this.#settings.handshakeTimeout): void {
    this.#handshake.start(handshakeTimeout, (error) => this.destroy(error));
    this.#transport.start({
      data: (bytes, isGiven) => this.#data(bytes, isGiven),
      end: () => this.#reading.endOfStream(),
      written: () => this.#onWritten(),
      close: (error) => this.#lifecycle.onTransportClose(error),
      target: () => this.#reading.target(),
    });
    this.#reading.start();
  }

  send(message: Uint8Array, signal?: AbortSignal): Promise<void> {
    this.#heartbeat?.message();
    const sent = this.#sendQueue.send(message, signal);
    this.#account();
    return sent;
  }

  recv(signal?: AbortSignal): Promise<Bytes | null> {
    const message = this.#receiveQueue.recv(signal);
    this.#hasRead();
    return message;
  }

  next(): Promise<IteratorResult<Bytes>> {
    const message = this.#receiveQueue.next();
    this.#hasRead();
    return message;
  }

  nextBatch(): Promise<IteratorResult<Bytes[]>> {
    const batch = this.#receiveQueue.nextBatch();
    this.#hasRead();
    return batch;
  }

  #hasRead(): void {
    this.#accountUnread();
    if (this.#drainCode !== undefined) this.#closeIfIdle(this.#drainCode);
  }

  /** Sends a PING; resolves with the next PONG, and never after a CLOSE or in classic. */
  ping(): Promise<void> {
    return new Promise((resolve) => this.#heartbeat?.ping(resolve));
  }

  /** Asks for fresh keys before the next message. */
  rekey(): void {
    this.#sendQueue.rekey();
  }

  /** Ends the sending half; resolves when the system has taken everything. */
  end(closeCode = 0): Promise<void> {
    this.#lifecycle.end(closeCode);
    return this.#sendQueue.whenEnded();
  }

  /** Ends the sending half, waits for the peer's end and gives up after `timeout`, by default `closeTimeout`. */
  close(closeCode = 0, timeout?: number): Promise<void> {
    this.#lifecycle.close(closeCode, timeout);
    return this.closed;
  }

  /**
   * Closes as soon as the program has no work of this connection's left: it waits for the next message, all before it
   * were read, and none has begun to arrive. What a program does without reading cannot be seen from here.
   */
  drain(closeCode: number): void {
    this.#drainCode = closeCode;
    this.#closeIfIdle(closeCode);
  }

  #closeIfIdle(closeCode: number): void {
    if (!this.#lifecycle.isClosable || !this.#receiveQueue.isAwaited) return;
    if (this.#reading.held === 0) void this.close(closeCode);
  }

  /** Gives up because of `error`, unread messages too, and tells the peer the CLOSE code if it takes what is sent. */
  abandon(error: SecureSocketError, closeCode: number): void {
    this.#lifecycle.abandon(error, closeCode);
    this.#account();
  }

  /** Gives everything up at once, final bytes too. */
  destroy(
    error: unknown = new SecureSocketError('CLOSED', 'the connection was destroyed on this side'),
  ): void {
    this.#lifecycle.destroy(error);
  }

  #data(bytes: Uint8Array, isGiven = false): void {
    if (!this.isOver) {
      this.#heartbeat?.onReceive(bytes.length);
      // where there is no PING and no PONG, all that comes is messages
      if (!this.#sendQueue.hasClose) this.#heartbeat?.message();
      this.#settleTime?.end();
    }
    this.#reading.receive(bytes, isGiven);
  }

  #onWritten(): void {
    this.#heartbeat?.onWrite();
    if (this.#lifecycle.onWritten()) this.#heartbeat?.message();
    this.#account();
  }

  #handle(event: ConnectionEvent): void {
    switch (event.type) {
      case 'received':
        this.#heartbeat?.message();
        break;
      case 'write':
        this.#sendQueue.write(event.chunks);
        break;
      case 'pong':
        this.#sendQueue.pong();
        break;
      case 'answered':
        this.#heartbeat?.onAnswered(event.bytes);
        break;
      case 'open':
        this.#open(event.result);
        break;
      case 'ended':
        this.#lifecycle.peerEnded(event.closeCode);
        break;
      case 'failed':
        this.#lifecycle.fail(event.error, event.finalBytes);
    }
  }

  #open(result: HandshakeResult): void {
    const sending = this.#sendQueue;
    sending.open(result.sender);
    this.#reading.open();
    if (result.settleMs) this.#settleTime = new SettleTime(sending, result.settleMs);
    const expire = (error: SecureSocketError): void => this.#lifecycle.expire(error);
    this.#heartbeat = new Heartbeat(this.#settings, sending, expire, sending.hasClose);
    if (!sending.hasClose) this.#probe = new PausedProbe(this.#transport);
    const [heartbeat, settleTime, probe] = [this.#heartbeat, this.#settleTime, this.#probe];
    this.#lifecycle.open({ heartbeat, settleTime, probe });
    this.#handshake.complete(result);
  }

  /** After everything that was read. */
  #onSettled(): void {
    this.#account();
    if (this.isOver) return;
    this.#heartbeat?.setPaused(this.#reading.isPaused);
    this.#probe?.setPaused(this.#reading.isPaused);
  }

  /** Reports what is held. Every change counts: a limit for all is made of many small holdings too. */
  #account(): void {
    const { charge } = this.#settings;
    if (charge === undefined) return;
    const change = this.buffered - this.#charged;
    this.#chargedUnread = this.#receiveQueue.cost;
    if (change === 0) return;
    this.#charged += change;
    charge(change);
  }

  /** The same after reading, which changes nothing else: to ask everything else costs a short message a tenth more. */
  #accountUnread(): void {
    const { charge } = this.#settings;
    if (charge === undefined) return;
    const change = this.#receiveQueue.cost - this.#chargedUnread;
    if (change === 0) return;
    this.#chargedUnread += change;
    this.#charged += change;
    charge(change);
  }
}
