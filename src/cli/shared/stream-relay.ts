import { constants, type Http2Session, type Http2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { PausedProbe } from '../../connection/paused-probe.js';
import { probeSocket } from '../../transports/duplex.node.js';
import { Bulk } from './bulk.js';
import { Pump } from './pump.js';

const { NGHTTP2_INTERNAL_ERROR } = constants;

/** What the owner of a relay is told. */
export interface StreamRelayOptions {
  /** Aborts the relay, which rejects with the reason. */
  readonly stop: AbortSignal;
  /** The plain side has sent its first bytes, or ends without any; nothing was written to the stream yet. */
  readonly onFirst?: () => void;
  /** So much is carried that a connection of its own would be better. Told once. */
  readonly onBulk?: () => void;
}

/**
 * Carries bytes both ways between a plain connection and a stream of HTTP/2. Each direction ends as it did at its
 * source; if one is cut off, all sides are, with a reset.
 *
 * It can move from the stream to a sealed connection of its own (`moving.ts`). From then on each end writes to that, and
 * ends its half of the stream; and reads the stream to its end first, so that nothing is overtaken. The end of the stream
 * then says nothing about the end of the bytes, which is that of the connection. While a client has asked and has no
 * answer (`expectMove`), it cannot know which of the two an end of the stream is, and keeps it.
 */
export class StreamRelay {
  /** Settles when all sides are through, or with the reason why they were cut off. */
  readonly done: Promise<void>;
  readonly #plain: Socket;
  readonly #stream: Http2Stream;
  readonly #session: Http2Session | undefined;
  readonly #options: StreamRelayOptions;
  readonly #probe: PausedProbe;
  readonly #bulk: Bulk;
  /** From the plain side to what carries it. */
  #up: Pump | undefined;
  /** The sides that are not through. */
  readonly #open: Set<Duplex>;
  #own: Duplex | undefined;
  #expectsMove = false;
  #streamHasEnded = false;
  #isSettled = false;
  #settle: { resolve: () => void; reject: (error: unknown) => void } | undefined;

  constructor(plain: Socket, stream: Http2Stream, options: StreamRelayOptions) {
    this.#plain = plain;
    this.#stream = stream;
    this.#session = stream.session; // a stream loses it when it is closed
    this.#options = options;
    this.#probe = probeOf(plain);
    this.#bulk = new Bulk(options.onBulk);
    this.#open = new Set<Duplex>([plain, stream]);
    this.done = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    const { stop } = options;
    stop.addEventListener('abort', this.#abort, { once: true });
    if (stop.aborted || isGone(stream) || plain.destroyed) this.cut(this.#whyOver());
    else this.#begin();
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Until `move` or `stay`, an end of the stream may mean that the peer has moved. */
  expectMove(): void {
    this.#expectsMove = true;
  }

  /** The peer does not move. */
  stay(): void {
    this.#expectsMove = false;
    if (this.#streamHasEnded) this.#plain.end();
  }

  /** Goes on on a connection of its own; its end is in order if `isOrderly`. */
  move(own: Duplex, isOrderly: () => boolean): void {
    if (this.#isSettled) {
      own.destroy();
      return;
    }
    this.#own = own;
    this.#open.add(own);
    this.#expectsMove = false;
    own
      .on('error', (error) => this.cut(error))
      .on('close', () =>
        this.#onClose(own, isThrough(own) && isOrderly(), () => new Error('the sealed connection was lost')),
      );
    this.#up?.turnTo(own);
    if (this.#streamHasEnded) this.#readOwn(isOrderly);
    else this.#stream.once('end', () => this.#stream.rstCode === 0 && this.#readOwn(isOrderly));
  }

  /** Cuts all sides off. */
  cut(error: unknown): void {
    this.#finish(() => {
      resetPlain(this.#plain);
      resetStream(this.#stream);
      this.#own?.destroy(new Error('cut off'));
      this.#settle?.reject(error);
    });
  }

  #begin(): void {
    const [plain, stream] = [this.#plain, this.#stream];
    // an error is followed by the close, which reads the reason
    plain
      .on('error', (error) => this.cut(error))
      .on('close', () =>
        this.#onClose(plain, isThrough(plain), () => new Error('the plain side was closed')),
      );
    stream
      .on('error', (error) => this.cut(whyClosed(stream, this.#session, error)))
      .on('close', () =>
        this.#onClose(stream, isStreamThrough(stream), () => whyClosed(stream, this.#session)),
      );
    const { onFirst } = this.#options;
    this.#up = new Pump(plain, stream, { probe: this.#probe, onFirst, onBytes: this.#bulk.count });
    new Pump(stream, plain, { onBytes: this.#bulk.count, onEnd: () => this.#onStreamEnd() });
  }

  /** After a reset Node ends the readable side before it reports the error. */
  #onStreamEnd(): void {
    if (this.#stream.rstCode !== 0) return;
    this.#streamHasEnded = true;
    if (this.#own === undefined && !this.#expectsMove) this.#plain.end();
  }

  #readOwn(isOrderly: () => boolean): void {
    const [own, plain] = [this.#own as Duplex, this.#plain];
    new Pump(own, plain, { onEnd: () => isOrderly() && plain.end() });
  }

  readonly #abort = (): void => this.cut(this.#options.stop.reason);

  #onClose(side: Duplex, isThrough: boolean, reason: () => unknown): void {
    if (!isThrough) this.cut(reason());
    else this.#open.delete(side);
    // while it is expected to move, there is one more to come
    if (this.#open.size === 0 && !this.#expectsMove) this.#finish(() => this.#settle?.resolve());
  }

  #finish(act: () => void): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#options.stop.removeEventListener('abort', this.#abort);
    this.#probe.stop();
    act();
  }

  /** Why there is nothing to begin with: one side ended while the other was opened, and does not report it again. */
  #whyOver(): unknown {
    const { stop } = this.#options;
    if (stop.aborted) return stop.reason;
    if (isGone(this.#stream)) return whyClosed(this.#stream, this.#session);
    return new Error('the plain side was closed');
  }
}

/** Only TCP can be probed. */
function probeOf(plain: Socket): PausedProbe {
  return new PausedProbe(plain.remotePort === undefined ? {} : { probe: () => probeSocket(plain) });
}

/**
 * Whether a stream is over, in order or not. A reset that the peer calls no error leaves it `closed` and not `destroyed`
 * until everything is read; it takes no response from then on, but throws.
 */
export function isGone(stream: Http2Stream): boolean {
  return stream.closed || stream.destroyed;
}

/** Over TCP the peer sees a reset, not an end; Unix domain sockets have no reset. */
export function resetPlain(plain: Socket): void {
  if (plain.remoteAddress === undefined) plain.destroy();
  else plain.resetAndDestroy();
}

/**
 * Resets a stream. `close(code)` does not serve: it ends the writing half first, which the peer would mistake for
 * an end. Destroying it with an error resets it with INTERNAL_ERROR.
 */
export function resetStream(stream: Http2Stream): void {
  // the caller of `destroy` reports the reason
  stream.on('error', () => {});
  stream.destroy(new Error('cut off'));
}

function isThrough(stream: Duplex): boolean {
  return stream.readableEnded && stream.writableFinished;
}

/**
 * Node may close a stream before it calls back for the last write, since the end goes with it: `writableFinished` is false
 * then, though nghttp2, which closes a stream that was not reset when both ends have been sent, has all of it.
 */
function isStreamThrough({ rstCode, readableEnded, writableEnded }: Http2Stream): boolean {
  return rstCode === 0 && readableEnded && writableEnded;
}

function whyClosed({ rstCode }: Http2Stream, session: Http2Session | undefined, cause?: unknown): unknown {
  if (session === undefined || session.destroyed)
    return new Error('the sealed connection that carried it was lost', { cause });
  if (rstCode === NGHTTP2_INTERNAL_ERROR) return new Error('the peer was cut off on its side', { cause });
  return cause ?? new Error(`the stream was reset with code ${rstCode}`);
}
