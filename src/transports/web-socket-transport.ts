import { asOne, isArrayBuffer } from '../core/bytes.js';
import { reasonOf, SecureSocketError } from '../errors.js';
import { ReadAhead } from './read-ahead.js';
import type { Transport, TransportEvents } from './transport.js';
import type { WebSocketDriver } from './web-socket-driver.js';

/** Chunks are put together into messages up to this length: each costs the receiver an event. */
const JOIN_BELOW = 128 * 1024;
/** Longer chunks are cut: some servers take no longer messages than a mebibyte. */
const LONGEST_MESSAGE = 256 * 1024;

/** Close codes that this library sends; beside the first they are of the range for private use (RFC 6455 7.4.2). */
const CloseCode = { orderly: 1000, givenUp: 4000, unsupported: 4003, tooMuch: 4009 } as const;
/** What the peer may say without that anything is wrong: an end, as of a TCP connection. */
const ENDS: readonly number[] = [CloseCode.orderly, 1001, 1005, CloseCode.givenUp];

/** How long the WebSocket's closing handshake may take once both ends have ended, in milliseconds. */
const CLOSED_WITHIN = 2000;

/** What a transport over a WebSocket needs to know. */
export interface WebSocketFacts {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  readonly maxReadAhead: number;
  /** Whether `onOpen` is still to be called. */
  readonly isConnecting: boolean;
}

/**
 * A byte stream over the binary messages of a WebSocket. Their borders mean nothing, but for the empty message: it ends
 * the sender's half, for which WebSockets have no message. An end that has sent and received it closes the WebSocket.
 *
 * It ends in three ways:
 *
 * - Both halves have ended: it is closed with 1000, and `onClose` follows when the close frames are exchanged.
 * - This side gives up what is unfinished, or refuses what the peer does: a code of 4000 and up says so. For this
 *   transport it is gone from then on (`#isGone`), whatever the WebSocket still reports.
 * - The peer, or the network, closes it: a code that means an end ends the peer's half, every other is an error.
 */
export class WebSocketTransport implements Transport {
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  readonly #driver: WebSocketDriver;
  readonly #incoming: ReadAhead;
  #events: TransportEvents | undefined;
  #isConnecting: boolean;
  /** What is to be sent once it is open. */
  #early: Uint8Array[] = [];
  #pending = 0;
  #isPaused = false;
  #hasEnded = false;
  #peerHasEnded = false;
  #isGone = false;
  #failure: unknown;
  #closeTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(driver: WebSocketDriver, facts: WebSocketFacts) {
    this.#driver = driver;
    this.remoteAddress = facts.remoteAddress;
    this.remotePort = facts.remotePort;
    this.#isConnecting = facts.isConnecting;
    const refuse = (error: SecureSocketError): void => this.#refuse(error, CloseCode.tooMuch);
    this.#incoming = new ReadAhead(facts.maxReadAhead, refuse, driver.givesMessages);
  }

  start(events: TransportEvents): void {
    this.#events = events;
    this.#incoming.start(events);
  }

  get pending(): number {
    return this.#pending;
  }

  get unsent(): number {
    return this.#isConnecting ? this.#pending : this.#driver.buffered;
  }

  write(chunks: readonly Uint8Array[]): void {
    if (this.#hasEnded || this.#isGone) return;
    for (const message of messagesOf(chunks)) {
      this.#pending += message.length;
      this.#send(message);
    }
  }

  pause(): void {
    this.#isPaused = true;
    this.#incoming.pause();
    this.#driver.pause?.();
  }

  resume(): void {
    this.#isPaused = false;
    this.#driver.resume?.();
    this.#incoming.resume();
  }

  end(): void {
    if (this.#hasEnded || this.#isGone) return;
    this.#hasEnded = true;
    this.#send(END);
    this.#closeIfEnded();
  }

  /**
   * A connection that has sent everything gives its transport up without waiting for the peer's end. The WebSocket
   * then still finishes its closing handshake (RFC 6455 7.1.2): one that is cut counts as a failure at the other end,
   * where a browser may hold back the next connection to the same server.
   */
  destroy(error?: Error): void {
    if (this.#hasEnded && error === undefined && !this.#isConnecting) this.#finishClosing();
    else this.#letGo(CloseCode.givenUp, 'given up');
    this.#incoming.abandon(error);
  }

  /** The WebSocket is open. */
  onOpen(): void {
    if (!this.#isConnecting || this.#isGone) return;
    this.#isConnecting = false;
    if (this.#isPaused) this.#driver.pause?.();
    for (const message of this.#early.splice(0)) this.#send(message);
    this.#closeIfEnded();
  }

  /** A message has come. Bytes are handed over. */
  onMessage(data: unknown): void {
    if (this.#isGone) return;
    const bytes = bytesOf(data);
    if (bytes === undefined)
      this.#refuse(
        new SecureSocketError(
          'PROTOCOL',
          'the peer sent a text message over the WebSocket: only bytes are taken',
        ),
        CloseCode.unsupported,
      );
    else if (bytes.length > 0) this.#incoming.data(bytes);
    else this.#peerEnded();
  }

  /** Something is wrong; that it is closed follows. */
  onError(reason: unknown): void {
    this.#failure ??= reason;
  }

  /** The WebSocket is closed. */
  onClose(code: number, reason: string): void {
    clearTimeout(this.#closeTimer);
    if (this.#isGone) return;
    this.#isGone = true;
    const isEnd = ENDS.includes(code) && this.#failure === undefined && !this.#isConnecting;
    if (code === CloseCode.orderly || code === 1005) this.#incoming.end();
    this.#incoming.close(isEnd ? undefined : this.#closeError(code, reason));
  }

  #send(message: Uint8Array): void {
    if (this.#isConnecting) {
      this.#early.push(message);
      return;
    }
    try {
      this.#driver.send(message, () => {
        this.#pending -= message.length;
        if (!this.#isGone) this.#events?.written();
      });
    } catch (error) {
      // it is closing, and tells that it is closed
      this.onError(error);
    }
  }

  #peerEnded(): void {
    this.#peerHasEnded = true;
    this.#incoming.end();
    this.#closeIfEnded();
  }

  #closeIfEnded(): void {
    if (this.#hasEnded && this.#peerHasEnded && !this.#isConnecting && !this.#isGone)
      this.#driver.close(CloseCode.orderly, '');
  }

  #finishClosing(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    const { terminate } = this.#driver;
    if (terminate) {
      this.#closeTimer = setTimeout(() => terminate.call(this.#driver), CLOSED_WITHIN);
      this.#closeTimer.unref?.();
    }
    try {
      this.#driver.resume?.();
      this.#driver.close(CloseCode.orderly, '');
    } catch {
      // it is closed already
      clearTimeout(this.#closeTimer);
    }
  }

  /** Ends the WebSocket because of what the peer has done. */
  #refuse(error: SecureSocketError, code: number): void {
    this.#letGo(code, error.code);
    this.#incoming.close(error);
  }

  #letGo(code: number, reason: string): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#early = [];
    try {
      this.#driver.close(code, reason);
      this.#driver.terminate?.();
    } catch {
      // it was never open, or is closed already: there is nothing left to give up
    }
  }

  #closeError(code: number, reason: string): SecureSocketError {
    const cause = this.#failure instanceof Error ? { cause: this.#failure } : {};
    const why = reasonOf(this.#failure ?? reason);
    const what = this.#isConnecting
      ? 'the WebSocket could not be opened: is there a server that takes the subprotocol secure-sockets.1?'
      : 'the WebSocket was closed';
    const detail = why === '' ? '' : `, ${why}`;
    return new SecureSocketError('TRANSPORT_FAILED', `${what} (code ${code}${detail})`, cause);
  }
}

const END = new Uint8Array(0);

function bytesOf(data: unknown): Uint8Array | undefined {
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return isArrayBuffer(data) ? new Uint8Array(data) : undefined;
}

/** The same bytes in messages of a good length; empty chunks would be ends. */
function* messagesOf(chunks: readonly Uint8Array[]): Generator<Uint8Array> {
  let run: Uint8Array[] = [];
  let length = 0;
  for (const chunk of chunks) {
    if (length + chunk.length > JOIN_BELOW) {
      yield* cut(asOne(run));
      run = [];
      length = 0;
    }
    run.push(chunk);
    length += chunk.length;
  }
  yield* cut(asOne(run));
}

function* cut(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += LONGEST_MESSAGE) yield bytes.subarray(at, at + LONGEST_MESSAGE);
}
