import { SecureSocketError } from '../errors.js';

/** Times in milliseconds; 0 switches a watch off. */
export interface HeartbeatSettings {
  /** Silence of the peer after which it is asked for a sign of life. */
  readonly pingInterval: number;
  /** Silence after that at which it is taken for dead. */
  readonly pingTimeout: number;
  /** Time without a message in either direction after which the connection is closed. */
  readonly idleTimeout: number;
}

/** What a watch does. */
export interface HeartbeatActions {
  ping(): void;
  pong(): void;
  /** Bytes that the peer has yet to take: that they become fewer is a sign of life too. */
  unsent(): number;
  /** The peer is dead: nothing can be said to it any more. */
  dead(error: SecureSocketError): void;
  idle(error: SecureSocketError): void;
}

/** While we read nothing, the peer is told so often that we live. */
const PONG_INTERVAL = 10_000;

/** Watches over one open connection: heartbeat and idleness, with one timer that is set anew only when it has run. */
export class Heartbeat {
  readonly #settings: HeartbeatSettings;
  readonly #actions: HeartbeatActions;
  readonly #hasHeartbeat: boolean;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #lastHeard = performance.now();
  #lastMessage = this.#lastHeard;
  #pingedAt: number | undefined;
  #unsentAtPing = 0;
  #pausedAt: number | undefined;
  /** When the peer last saw a sign of us, as far as we know. */
  #lastSaid = this.#lastHeard;
  #asks = true;
  #isStopped = false;

  /** Without `hasHeartbeat` nothing is asked or said: the protocol has no signs of life. */
  constructor(settings: HeartbeatSettings, actions: HeartbeatActions, hasHeartbeat: boolean) {
    this.#settings = settings;
    this.#actions = actions;
    this.#hasHeartbeat = hasHeartbeat;
    this.#schedule();
  }

  /** Bytes came. A completed write says nothing: the system takes bytes for a dead peer too, until its buffer is full. */
  onReceive(): void {
    const now = performance.now();
    this.#lastHeard = now;
    this.#pingedAt = undefined;
    // a peer that only sends hears nothing of us, and its question may wait behind megabytes of its own
    if (this.#beats && now - this.#lastSaid >= PONG_INTERVAL) this.#sayWeLive(now);
  }

  /** A write was completed. */
  onWrite(): void {
    this.#lastSaid = performance.now();
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
      if (this.#beats) this.#sayWeLive(now);
      this.#schedule();
    } else {
      const pause = now - (this.#pausedAt ?? now);
      this.#lastHeard += pause;
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
    this.#schedule();
  }

  /** For good. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  get #beats(): boolean {
    return this.#asks && this.#hasHeartbeat;
  }

  #sayWeLive(now: number): void {
    this.#lastSaid = now;
    this.#actions.pong();
  }

  #check(): void {
    const now = performance.now();
    const { idleTimeout, pingInterval, pingTimeout } = this.#settings;
    if (idleTimeout > 0 && this.#pausedAt === undefined && now - this.#lastMessage >= idleTimeout) {
      this.#actions.idle(
        new SecureSocketError('IDLE_TIMEOUT', `no message was sent or received for ${idleTimeout} ms`),
      );
      return;
    }
    if (this.#pausedAt !== undefined) {
      if (this.#beats && now - this.#lastSaid >= PONG_INTERVAL) this.#sayWeLive(now);
    } else if (this.#pingedAt !== undefined && now - this.#pingedAt >= pingTimeout && !this.#hasTaken(now)) {
      const silence = Math.round(now - this.#lastHeard);
      this.#actions.dead(
        new SecureSocketError('PING_TIMEOUT', `the peer has given no sign of life for ${silence} ms`),
      );
      return;
    } else if (
      this.#beats &&
      pingInterval > 0 &&
      this.#pingedAt === undefined &&
      now - this.#lastHeard >= pingInterval
    ) {
      this.#pingedAt = now;
      // without the question itself: that the system takes it says nothing
      this.#unsentAtPing = this.#actions.unsent();
      this.#actions.ping();
    }
    this.#schedule();
  }

  /** Whether the peer has taken bytes since it was asked, among which the question may still wait; if so, it lives. */
  #hasTaken(now: number): boolean {
    const unsent = this.#actions.unsent();
    if (unsent >= this.#unsentAtPing) return false;
    this.#unsentAtPing = unsent;
    this.#pingedAt = now;
    return true;
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#isStopped) return;
    const due = this.#due();
    if (due === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(() => this.#check(), Math.max(1, Math.ceil(due - performance.now())));
    this.#timer.unref?.();
  }

  /** When something is to be done at the earliest, as things stand. */
  #due(): number {
    const { idleTimeout, pingInterval, pingTimeout } = this.#settings;
    const idle = idleTimeout > 0 ? this.#lastMessage + idleTimeout : Number.POSITIVE_INFINITY;
    if (this.#pausedAt !== undefined)
      return this.#beats ? this.#lastSaid + PONG_INTERVAL : Number.POSITIVE_INFINITY;
    if (pingInterval === 0 || !this.#beats) return idle;
    if (this.#pingedAt !== undefined) return Math.min(idle, this.#pingedAt + pingTimeout);
    return Math.min(idle, this.#lastHeard + pingInterval);
  }
}
