import type { Bytes } from '../core/bytes.js';
import { onNextLoop } from '../turn.js';

/** Bytes in a WebSocket's own buffer that count as taken, as those in a kernel's do: enough to keep it busy between two looks. */
const TAKEN_BELOW = 256 * 1024;
/** As many where it was found to be empty: looks come late in a page out of sight, where timers run once a second. */
const TAKEN_AT_MOST = 8 * 1024 * 1024;
/** How often a WebSocket that has no event for it is asked how much it has left, in milliseconds. */
const LOOK_AGAIN = 2;

/** What differs from one kind of WebSocket to the other. */
export interface WebSocketDriver {
  /** Sends one binary message and calls `taken` later, once it counts as taken. May throw. */
  send(bytes: Uint8Array, taken: () => void): void;
  /** Bytes in its own buffer. */
  readonly buffered: number;
  /** Whether nothing else has the memory of the messages that it brings. */
  readonly givesMessages: boolean;
  close(code: number, reason: string): void;
  /** Ends without waiting for the peer. Absent where there is no way. */
  terminate?(): void;
  /** Absent where it cannot stop reading. */
  pause?(): void;
  resume?(): void;
}

/** What every WebSocket has: those of browsers, Node, Bun and Deno, and of the `ws` package. */
export interface WebSocketLike {
  /** 0 connecting, 1 open, 2 closing, 3 closed. */
  readonly readyState: number;
  /** Bytes given to `send` and not yet to the network. */
  readonly bufferedAmount: number;
  /** Is set to what brings bytes at once. */
  binaryType: string;
  /** Sends one message. */
  send(data: Bytes): void;
  /** Starts the closing handshake. */
  close(code?: number, reason?: string): void;
  /** For 'open', 'message', 'error' and 'close'. */
  addEventListener(
    type: 'open' | 'message' | 'error' | 'close',
    listener: (event: WebSocketEventLike) => void,
  ): void;
}

/** What is read of the events, each member in one of them. */
export interface WebSocketEventLike {
  /** Its name. */
  readonly type: string;
  /** A message's content. */
  readonly data?: unknown;
  /** With which it was closed. */
  readonly code?: number;
  /** With which it was closed. */
  readonly reason?: string;
  /** What went wrong, if the platform says so. */
  readonly error?: unknown;
  /** The same in words. */
  readonly message?: unknown;
}

/** What the sockets of the `ws` package have beyond. */
interface WsSocket extends WebSocketLike {
  send(data: Uint8Array, options: { binary: true; compress: false }, done: (error?: Error) => void): void;
  send(data: Uint8Array): void;
  terminate(): void;
  pause(): void;
  resume(): void;
}

/** What a WebSocket of `Bun.serve` has, which tells of its events elsewhere. */
export interface BunServerWebSocket {
  /** The peer's address. */
  readonly remoteAddress: string;
  /** Bytes sent, -1 if they were queued, 0 if they were dropped. */
  sendBinary(data: Uint8Array, compress?: boolean): number;
  /** Bytes that are queued. */
  getBufferedAmount(): number;
  /** Starts the closing handshake. */
  close(code?: number, reason?: string): void;
  /** Ends without it. */
  terminate(): void;
}

/** The driver of a WebSocket with events of its own. */
export function driverOf(socket: WebSocketLike): WebSocketDriver {
  if (isWs(socket)) {
    socket.binaryType = 'nodebuffer';
    return new WsDriver(socket);
  }
  socket.binaryType = 'arraybuffer';
  return new StandardDriver(socket);
}

function isWs(socket: WebSocketLike): socket is WsSocket {
  return ['on', 'terminate', 'pause', 'resume'].every(
    (name) => typeof (socket as never as Record<string, unknown>)[name] === 'function',
  );
}

/** The `ws` package says when a message has been written, and can stop reading. */
class WsDriver implements WebSocketDriver {
  readonly givesMessages = false;
  readonly #socket: WsSocket;

  constructor(socket: WsSocket) {
    this.#socket = socket;
  }

  get buffered(): number {
    return this.#socket.bufferedAmount;
  }

  send(bytes: Uint8Array, taken: () => void): void {
    this.#socket.send(bytes, { binary: true, compress: false }, (error) => {
      if (!error) taken();
    });
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason);
  }

  terminate(): void {
    this.#socket.terminate();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }
}

/**
 * The WebSocket of the standard tells nothing when its buffer gets empty, and must be asked. Until the next look it
 * has enough to do; below the threshold what was sent counts as taken at once. The threshold doubles when a look finds
 * that the buffer had run empty, and halves when one finds too much.
 */
class StandardDriver implements WebSocketDriver {
  readonly givesMessages = true;
  readonly #socket: WebSocketLike;
  #waiting: (() => void)[] = [];
  #takenBelow = TAKEN_BELOW;
  #isToLook = false;

  constructor(socket: WebSocketLike) {
    this.#socket = socket;
  }

  get buffered(): number {
    return this.#socket.bufferedAmount;
  }

  send(bytes: Uint8Array, taken: () => void): void {
    // the platform's own type does without shared memory, which no record has
    this.#socket.send(bytes as Bytes);
    this.#waiting.push(taken);
    if (this.#isToLook) return;
    this.#isToLook = true;
    queueMicrotask(() => this.#look());
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason);
  }

  #look(): void {
    if (this.#socket.readyState === CLOSED) return;
    if (this.#socket.bufferedAmount > this.#takenBelow) {
      // not at once: timers that a timer sets wait longer in browsers, 4 ms or, in a page out of sight, up to a minute
      onNextLoop(() => setTimeout(() => this.#lookAgain(), LOOK_AGAIN));
      return;
    }
    this.#isToLook = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const taken of waiting) taken();
  }

  #lookAgain(): void {
    const { bufferedAmount } = this.#socket;
    if (bufferedAmount === 0) this.#takenBelow = Math.min(TAKEN_AT_MOST, this.#takenBelow * 2);
    else if (bufferedAmount > this.#takenBelow)
      this.#takenBelow = Math.max(TAKEN_BELOW, this.#takenBelow / 2);
    this.#look();
  }
}

const CLOSED = 3;

/** Of Bun's server, which calls functions that all its sockets share. */
export class BunDriver implements WebSocketDriver {
  readonly givesMessages: boolean = true;
  readonly #socket: BunServerWebSocket;
  #waiting: (() => void)[] = [];

  constructor(socket: BunServerWebSocket) {
    this.#socket = socket;
  }

  get buffered(): number {
    return this.#socket.getBufferedAmount();
  }

  send(bytes: Uint8Array, taken: () => void): void {
    const isQueued = this.#socket.sendBinary(bytes, false) === -1;
    this.#waiting.push(taken);
    if (!isQueued || this.#socket.getBufferedAmount() <= TAKEN_BELOW) queueMicrotask(() => this.onDrain());
  }

  /** There may be room again. */
  onDrain(): void {
    if (this.#socket.getBufferedAmount() > TAKEN_BELOW) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const taken of waiting) taken();
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason);
  }

  terminate(): void {
    this.#socket.terminate();
  }
}
