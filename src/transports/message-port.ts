import { readArguments } from '../arguments.js';
import { isBytes } from '../core/bytes.js';
import { badArgument, kindOf, SecureSocketError } from '../errors.js';
import { ReadAhead, type ReadAheadOptions, readAheadRules, readMaxReadAhead } from './read-ahead.js';
import type { Transport, TransportEvents } from './transport.js';

/** A `MessagePort`, or what speaks like one: a worker seen from outside, and a worker's own global object. */
export interface MessagePortLike {
  /** Sends one value. */
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  /** For 'message', and 'close' where there is one. */
  addEventListener(type: string, listener: (event: MessageEventLike) => void): void;
  /** The opposite. */
  removeEventListener(type: string, listener: (event: MessageEventLike) => void): void;
  /** Ports hold messages back until then. */
  start?(): void;
  /** Ports only. */
  close?(): void;
}

/** What is read of the events. */
export interface MessageEventLike {
  /** Its name. */
  readonly type: string;
  /** The value sent. */
  readonly data?: unknown;
}

/**
 * The transport over a `MessagePort`, between a page and its workers, frames and tabs, or between threads of Node. The
 * port is the transport's from then on: it is closed with it. The other end must be such a transport too.
 *
 * Throws a `TypeError` for what is no port.
 */
export function messagePort(port: MessagePortLike, options: ReadAheadOptions = {}): Transport {
  const maxReadAhead = readMaxReadAhead(readArguments(options, readAheadRules, 'messagePort()'));
  const { postMessage, addEventListener } = (port ?? {}) as Partial<MessagePortLike>;
  if (typeof postMessage !== 'function')
    throw badArgument(`messagePort() takes a MessagePort or a Worker, not ${kindOf(port)}`);
  if (typeof addEventListener !== 'function')
    throw badArgument(
      'a Worker of node:worker_threads is no MessagePort: send it one port of a MessageChannel, and give messagePort() the other',
    );
  return new MessagePortTransport(port, maxReadAhead);
}

/** A view of larger memory would keep all of that, where only its own bytes are counted. */
function withoutRest(bytes: Uint8Array): Uint8Array {
  return bytes.length < bytes.buffer.byteLength ? new Uint8Array(bytes) : bytes;
}

/** Beside bytes and how many were taken, the ends tell each other these. */
const Word = { end: 'end', endTaken: 'end taken', givenUp: 'given up' } as const;

/**
 * A port has neither back-pressure nor half-close, so the ends tell each other: a `Uint8Array` is bytes, a number says
 * how many bytes the reader has taken, and the rest are words. The port is closed when each has taken the other's end.
 */
class MessagePortTransport implements Transport {
  readonly #port: MessagePortLike;
  readonly #incoming: ReadAhead;
  #events: TransportEvents | undefined;
  #pending = 0;
  #hasEnded = false;
  #endIsTaken = false;
  #peerEndIsTaken = false;
  #isGone = false;

  constructor(port: MessagePortLike, maxReadAhead: number) {
    this.#port = port;
    this.#incoming = new ReadAhead(maxReadAhead, (error) => this.#refuse(error), true);
    port.addEventListener('message', this.#onMessage);
    port.addEventListener('messageerror', this.#onMessage);
    port.addEventListener('close', this.#onClose);
    port.start?.();
  }

  start(events: TransportEvents): void {
    this.#events = events;
    this.#incoming.start({
      data: (bytes) => {
        const { length } = bytes;
        events.data(bytes, true);
        this.#post(length);
      },
      end: () => {
        events.end();
        this.#peerEndIsTaken = true;
        this.#post(Word.endTaken);
        this.#closeIfEnded();
      },
      written: () => {},
      close: (error) => events.close(error),
    });
  }

  get pending(): number {
    return this.#pending;
  }

  write(chunks: readonly Uint8Array[]): void {
    if (this.#hasEnded || this.#isGone) return;
    for (const chunk of chunks) {
      if (chunk.length === 0) continue;
      this.#pending += chunk.length;
      // a copy: with a view all of the memory would be sent that it is a view of
      const own = new Uint8Array(chunk);
      this.#post(own, [own.buffer]);
    }
  }

  pause(): void {
    this.#incoming.pause();
  }

  resume(): void {
    this.#incoming.resume();
  }

  end(): void {
    if (this.#hasEnded || this.#isGone) return;
    this.#hasEnded = true;
    this.#post(Word.end);
  }

  destroy(error?: Error): void {
    this.#post(Word.givenUp);
    this.#letGo();
    this.#incoming.abandon(error);
  }

  readonly #onMessage = ({ data }: MessageEventLike): void => {
    if (isBytes(data)) this.#incoming.data(withoutRest(data));
    else if (data === Word.end) this.#incoming.end();
    else if (data === Word.endTaken && this.#hasEnded) {
      this.#endIsTaken = true;
      this.#closeIfEnded();
    } else if (data === Word.givenUp) this.#onClose();
    else if (typeof data === 'number' && data > 0 && data <= this.#pending) {
      this.#pending -= data;
      this.#events?.written();
    } else {
      const text = `a message came through the port that is not of this library: ${kindOf(data)}`;
      this.#refuse(new SecureSocketError('PROTOCOL', text));
    }
  };

  /** The other end is gone, and told so where the platform does not. */
  readonly #onClose = (): void => {
    this.#letGo();
    this.#incoming.close();
  };

  #closeIfEnded(): void {
    if (this.#endIsTaken && this.#peerEndIsTaken) this.#onClose();
  }

  #refuse(error: SecureSocketError): void {
    this.#post(Word.givenUp);
    this.#letGo();
    this.#incoming.close(error);
  }

  #post(message: unknown, transfer: ArrayBuffer[] = []): void {
    if (!this.#isGone) this.#port.postMessage(message, transfer);
  }

  #letGo(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#port.removeEventListener('message', this.#onMessage);
    this.#port.removeEventListener('messageerror', this.#onMessage);
    this.#port.removeEventListener('close', this.#onClose);
    // a worker's global object has a `close` too, which ends the worker: only a port has `start`
    if (this.#port.start) this.#port.close?.();
  }
}
