import { SecureSocketError } from '../errors.js';

/** Times in milliseconds; 0 switches a watch off. */
export interface HeartbeatSettings {
  /** Time without a byte from the peer after which it is sent a PING. */
  readonly pingInterval: number;
  /** Time without a byte after that at which it is taken for dead. */
  readonly pingTimeout: number;
  /** Time without a message in either direction after which the connection is closed. */
  readonly idleTimeout: number;
}

/** What a watch sends by. */
export interface HeartbeatSender {
  ping(): void;
  pong(): void;
  /** Bytes that the peer has yet to take: while they become fewer, it lives. */
  unsent(): number;
}

/**
 * Milliseconds after it last sent anything at which an end that owes its peer a byte sends a PONG (docs/protocol.md,
 * R6.3).
 */
const PONG_INTERVAL = 10_000;

/**
 * Watches over one open connection, with one timer for four deadlines. `#due` says which comes next, `#check` acts on
 * those that have come:
 *
 * | Deadline | Counts from | Then |
 * |---|---|---|
 * | PONG, after 10 seconds | our last byte, while the peer sends or we do not read | a PONG that no one asked for |
 * | PING, after `pingInterval` | the peer's last byte | a PING |
 * | death, after `pingTimeout` | the PING, or the last byte that the peer took since | PING_TIMEOUT |
 * | idleness, after `idleTimeout` | the last message of either end | IDLE_TIMEOUT |
 *
 * Every message moves these times, and to set a timer anew for each would cost more than the message. So only the times
 * are moved: a timer that has run finds that nothing is due yet and is set to what is. It is set earlier only where a
 * new deadline comes before it, which `onReceive` notices.
 *
 * While we do not read, the peer's silence means nothing: it is our doing. Its clocks stand still, as `setPaused` moves
 * all times by the length of the pause.
 */
export class Heartbeat {
  readonly #settings: HeartbeatSettings;
  readonly #sender: HeartbeatSender;
  readonly #onExpired: (error: SecureSocketError) => void;
  readonly #hasHeartbeat: boolean;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerDue = Number.POSITIVE_INFINITY;
  #lastReceive = performance.now();
  #lastMessage = this.#lastReceive;
  #pingedAt: number | undefined;
  #unsentAtPing = 0;
  #pausedAt: number | undefined;
  /** When the peer was last sent a byte. */
  #lastSend = this.#lastReceive;
  /** Bytes that came since then, for which the peer is owed one. */
  #receivedSince = 0;
  #asks = true;
  /** Called with the next PONG. */
  #onPong: (() => void)[] = [];
  #isStopped = false;

  /**
   * Without `hasHeartbeat` the protocol has neither PING nor PONG. `onExpired` is told IDLE_TIMEOUT, or PING_TIMEOUT
   * of a peer that is dead, to which nothing more can be sent.
   */
  constructor(
    settings: HeartbeatSettings,
    sender: HeartbeatSender,
    onExpired: (error: SecureSocketError) => void,
    hasHeartbeat: boolean,
  ) {
    this.#settings = settings;
    this.#sender = sender;
    this.#onExpired = onExpired;
    this.#hasHeartbeat = hasHeartbeat;
    // a peer's first byte comes soon, as a rule, and for it a PONG will be due: to move the timer there costs as much again
    this.#schedule(settings.pingInterval > 0 && this.#beats() ? this.#lastSend + PONG_INTERVAL : undefined);
  }

  /**
   * Bytes came. A completed write says nothing of the peer: the system takes bytes for a dead one too, until its buffer
   * is full.
   */
  onReceive(bytes: number): void {
    this.#lastReceive = performance.now();
    const owedBefore = this.#receivedSince > 0;
    this.#receivedSince += bytes;
    if (this.#pingedAt === undefined && owedBefore) return;
    this.#pingedAt = undefined;
    // the timer may stand at the end of a ping timeout, or at the next PING: something is due before
    if (this.#due() < this.#timerDue) this.#schedule();
  }

  /**
   * Of the bytes that came, so many were a PONG, now complete. Two ends that owed each other a PONG for a PONG would never
   * stop. A part of one counts, since it cannot be told apart; that matters only where a PONG takes longer than its turn.
   */
  onAnswered(bytes: number): void {
    this.#receivedSince = Math.max(0, this.#receivedSince - bytes);
    for (const answered of this.#onPong.splice(0)) answered();
  }

  /** Sends a PING that is not for a sign of life, and calls back with the next PONG. */
  ping(answered: () => void): void {
    if (this.#isStopped || !this.#beats()) return;
    this.#onPong.push(answered);
    this.#sender.ping();
  }

  /** A write was completed. */
  onWrite(): void {
    this.#lastSend = performance.now();
    this.#receivedSince = 0;
  }

  /** A message, or a part of one, came or was sent. */
  message(): void {
    if (this.#settings.idleTimeout > 0) this.#lastMessage = performance.now();
  }

  /** We have stopped reading, or go on: meanwhile the peer's silence means nothing, and ours must not worry it. */
  setPaused(isPaused: boolean): void {
    if (this.#isStopped || isPaused === (this.#pausedAt !== undefined)) return;
    const now = performance.now();
    if (isPaused) {
      this.#pausedAt = now;
      if (this.#beats()) this.#sendPong(now);
      this.#schedule();
    } else {
      const pause = now - (this.#pausedAt ?? now);
      this.#lastReceive += pause;
      this.#lastMessage += pause;
      if (this.#pingedAt !== undefined) this.#pingedAt += pause;
      this.#pausedAt = undefined;
      this.#schedule();
    }
  }

  /** A CLOSE has been sent or received: nothing is asked or answered any more, but idleness still counts. */
  stopAsking(): void {
    this.#asks = false;
    this.#pingedAt = undefined;
    // the timer stays: what it finds due is idleness alone
  }

  /** For good. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #beats(): boolean {
    return this.#asks && this.#hasHeartbeat;
  }

  #sendPong(now: number): void {
    this.#lastSend = now;
    this.#receivedSince = 0;
    this.#sender.pong();
  }

  #check(): void {
    const now = performance.now();
    const { idleTimeout } = this.#settings;
    if (idleTimeout > 0 && this.#pausedAt === undefined && now - this.#lastMessage >= idleTimeout) {
      this.#onExpired(
        new SecureSocketError('IDLE_TIMEOUT', `no message was sent or received for ${idleTimeout} ms`),
      );
      return;
    }
    if (this.#mustSend() && now - this.#lastSend >= PONG_INTERVAL) this.#sendPong(now);
    if (this.#pausedAt === undefined && this.#isDead(now)) return;
    this.#schedule();
  }

  /** Sends PING in time, and reports a peer that has not answered it in time. */
  #isDead(now: number): boolean {
    const { pingInterval, pingTimeout } = this.#settings;
    if (this.#pingedAt !== undefined) {
      if (now - this.#pingedAt < pingTimeout || this.#hasTaken(now)) return false;
      const silence = Math.round(now - this.#lastReceive);
      this.#onExpired(
        new SecureSocketError('PING_TIMEOUT', `no byte was received from the peer for ${silence} ms`),
      );
      return true;
    }
    if (this.#beats() && pingInterval > 0 && now - this.#lastReceive >= pingInterval) {
      this.#pingedAt = now;
      // without the PING itself: that the system takes it says nothing
      this.#unsentAtPing = this.#sender.unsent();
      this.#sender.ping();
    }
    return false;
  }

  /** Whether the peer has taken bytes since the PING, which may still wait among them; if so, it lives. */
  #hasTaken(now: number): boolean {
    const unsent = this.#sender.unsent();
    if (unsent >= this.#unsentAtPing) return false;
    this.#unsentAtPing = unsent;
    this.#pingedAt = now;
    return true;
  }

  /** Sets the timer to what is due next, or to `before`, if that is earlier. */
  #schedule(before: number = Number.POSITIVE_INFINITY): void {
    clearTimeout(this.#timer);
    this.#timerDue = Number.POSITIVE_INFINITY;
    if (this.#isStopped) return;
    const due = Math.min(before, this.#due());
    if (due === Number.POSITIVE_INFINITY) return;
    this.#timerDue = due;
    this.#timer = setTimeout(() => this.#check(), Math.max(1, Math.ceil(due - performance.now())));
    this.#timer.unref?.();
  }

  /**
   * Whether the peer waits for a byte: it is sending, and its PING may be queued behind megabytes of its own, or we do
   * not read, so that it never arrives.
   */
  #mustSend(): boolean {
    return this.#beats() && (this.#receivedSince > 0 || this.#pausedAt !== undefined);
  }

  /** When something is to be done at the earliest, as things stand. */
  #due(): number {
    const { idleTimeout, pingInterval, pingTimeout } = this.#settings;
    const pong = this.#mustSend() ? this.#lastSend + PONG_INTERVAL : Number.POSITIVE_INFINITY;
    if (this.#pausedAt !== undefined) return pong;
    const idle = idleTimeout > 0 ? this.#lastMessage + idleTimeout : Number.POSITIVE_INFINITY;
    if (pingInterval === 0 || !this.#beats()) return Math.min(idle, pong);
    const ping =
      this.#pingedAt === undefined ? this.#lastReceive + pingInterval : this.#pingedAt + pingTimeout;
    return Math.min(idle, pong, ping);
  }
}
