import { type ArgumentRules, callback, readArguments } from '../arguments.js';
import { isArrayBuffer } from '../core/bytes.js';
import { badArgument, kindOf, reasonOf, SecureSocketError } from '../errors.js';
import { addressRules, ReadAhead } from './read-ahead.js';
import type { Transport, TransportEvents } from './transport.js';

/** Two streams of the Web Streams standard that are the two directions of one connection. */
export interface StreamPair {
  /** What the peer sends, in chunks of bytes of any length. */
  readonly readable: ReadableStream<Uint8Array>;
  /** What is sent to the peer. */
  readonly writable: WritableStream<Uint8Array>;
  /**
   * Ends what is sent and nothing else, where closing `writable` would end both directions. `Deno.connect()` gives it.
   * Called instead, once everything is written; `writable` is closed when both directions have ended.
   */
  closeWrite?(): Promise<unknown>;
}

/** What the streams do not tell of their connection. */
export interface WebStreamsOptions {
  /** The peer's address, for a server's limits for one source and for `client.remoteAddress`. */
  readonly remoteAddress?: string | undefined;
  /** The peer's port. */
  readonly remotePort?: number | undefined;
  /** Frees what lies below the streams, once both have ended or the transport is given up. */
  readonly close?: (() => unknown) | undefined;
}

const rules: ArgumentRules<WebStreamsOptions> = { ...addressRules, close: callback('() => void') };

/**
 * The transport over a pair of Web Streams: a stream of WebTransport, `Deno.connect()`, `connect()` of Cloudflare,
 * Direct Sockets, or anything else with `readable` and `writable`. Both are locked from then on. Reading that pauses is
 * felt by the peer as far as the streams pass it on.
 *
 * Throws a `TypeError` if these are no streams, or streams that are locked.
 */
export function webStreams(streams: StreamPair, options: WebStreamsOptions = {}): Transport {
  const given = readArguments(options, rules, 'webStreams()');
  const { readable, writable } = (streams ?? {}) as Partial<StreamPair>;
  if (!hasMethod(readable, 'getReader') || !hasMethod(writable, 'getWriter'))
    throw badArgument(`webStreams() takes { readable, writable }, not ${kindOf(streams)}`);
  if (readable.locked || writable.locked)
    throw badArgument(
      'webStreams() takes streams that are not locked: release their readers and writers first',
    );
  const closeWrite = hasMethod(streams, 'closeWrite') ? () => streams.closeWrite?.() : undefined;
  try {
    return new WebStreamsTransport(readable.getReader(), writable.getWriter(), given, closeWrite);
  } catch (error) {
    throw badArgument(
      `webStreams() takes streams of the platform, and these have failed: ${reasonOf(error)}`,
    );
  }
}

function hasMethod<T>(value: T | undefined, name: keyof T): value is T {
  return typeof value === 'object' && value !== null && typeof value[name] === 'function';
}

/** How long both directions may take to end once everything is written, in milliseconds. */
const ENDED_WITHIN = 2000;

class WebStreamsTransport implements Transport {
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #release: (() => unknown) | undefined;
  readonly #closeWrite: (() => unknown) | undefined;
  #lastWrite: Promise<unknown> = Promise.resolve();
  /** Never full: nothing is read while reading is paused, but for the chunk that is under way. */
  readonly #incoming = new ReadAhead(Number.POSITIVE_INFINITY, () => {});
  #events: TransportEvents | undefined;
  #pending = 0;
  #isPaused = false;
  #isReading = false;
  #hasEnded = false;
  #isWritten = false;
  #peerHasEnded = false;
  #isGone = false;
  #endTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    reader: ReadableStreamDefaultReader<Uint8Array>,
    writer: WritableStreamDefaultWriter<Uint8Array>,
    { remoteAddress, remotePort, close }: WebStreamsOptions,
    closeWrite: (() => unknown) | undefined,
  ) {
    this.#reader = reader;
    this.#writer = writer;
    this.remoteAddress = remoteAddress;
    this.remotePort = remotePort;
    this.#release = close;
    this.#closeWrite = closeWrite;
    // each failure is met where something is read or written
    reader.closed.catch(() => {});
    writer.closed.catch((error) => this.#fail(error));
    writer.ready.catch(() => {});
  }

  start(events: TransportEvents): void {
    this.#events = events;
    this.#incoming.start(events);
    void this.#read();
  }

  get pending(): number {
    return this.#pending;
  }

  write(chunks: readonly Uint8Array[]): void {
    if (this.#hasEnded || this.#isGone) return;
    for (const chunk of chunks) if (chunk.length > 0) this.#write(chunk);
  }

  pause(): void {
    this.#isPaused = true;
    this.#incoming.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#incoming.resume();
    if (this.#events) void this.#read();
  }

  end(): void {
    if (this.#hasEnded || this.#isGone) return;
    this.#hasEnded = true;
    this.#endWriting().then(
      () => {
        this.#isWritten = true;
        this.#closeIfEnded();
      },
      (error) => this.#fail(error),
    );
  }

  async #endWriting(): Promise<void> {
    if (this.#closeWrite === undefined) return this.#writer.close();
    await this.#lastWrite;
    await this.#closeWrite();
  }

  /**
   * A connection that has sent everything gives its transport up without waiting for the peer's end. What the streams
   * have taken may not have left yet, and aborting would lose it: both directions then still end in order.
   */
  destroy(error?: Error): void {
    if (this.#hasEnded && error === undefined) this.#finishEnding();
    else this.#giveUp(error);
    this.#incoming.abandon(error);
  }

  /** Reads on, too: what the peer has yet to write would keep its own direction from ending. */
  #finishEnding(): void {
    if (this.#isGone) return;
    this.#endTimer ??= setTimeout(() => this.#giveUp(undefined), ENDED_WITHIN);
    this.#endTimer.unref?.();
    this.#isPaused = false;
    void this.#read();
  }

  /** Reads until paused; one loop at a time. */
  async #read(): Promise<void> {
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      while (!this.#isPaused && !this.#peerHasEnded && !this.#isGone) {
        const { done, value } = await this.#reader.read();
        if (done) this.#peerEnded();
        else if (this.#onChunk(value) === 0 || this.#incoming.isOver) await letOthersRun();
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#isReading = false;
    }
  }

  /** Returns its length. */
  #onChunk(chunk: unknown): number {
    const bytes = bytesOf(chunk);
    if (bytes === undefined) {
      const error = new SecureSocketError(
        'PROTOCOL',
        `the stream gave ${kindOf(chunk)}: only bytes are taken`,
      );
      this.#giveUp(error);
      this.#incoming.close(error);
    } else this.#incoming.data(bytes);
    return bytes?.length ?? 0;
  }

  #peerEnded(): void {
    this.#peerHasEnded = true;
    this.#incoming.end();
    this.#closeIfEnded();
  }

  #write(chunk: Uint8Array): void {
    this.#pending += chunk.length;
    this.#lastWrite = this.#writer.write(chunk);
    this.#lastWrite.then(
      () => {
        this.#pending -= chunk.length;
        if (!this.#isGone && !this.#incoming.isOver) this.#events?.written();
      },
      (error) => this.#fail(error),
    );
  }

  #closeIfEnded(): void {
    if (!this.#isWritten || !this.#peerHasEnded || this.#isGone) return;
    this.#isGone = true;
    // nothing is left to lose
    if (this.#closeWrite) this.#writer.close().catch(() => {});
    this.#releaseBelow();
    this.#incoming.close();
  }

  #fail(error: unknown): void {
    if (this.#isGone) return;
    this.#giveUp(error);
    this.#incoming.close(failure(error));
  }

  #giveUp(reason: unknown): void {
    if (this.#isGone) return;
    this.#isGone = true;
    // each rejects with what has happened already
    this.#writer.abort(reason).catch(() => {});
    this.#reader.cancel(reason).catch(() => {});
    this.#releaseBelow();
  }

  #releaseBelow(): void {
    clearTimeout(this.#endTimer);
    const release = this.#release;
    if (release === undefined) return;
    // what the application does there cannot change anything here any more
    void (async () => release())().catch(() => {});
  }
}

/**
 * A stream may have chunks ready at once, without end: where they are empty or dropped nothing would count them, and no
 * timer would ever run between the microtasks that read them.
 */
function letOthersRun(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

function bytesOf(chunk: unknown): Uint8Array | undefined {
  if (ArrayBuffer.isView(chunk)) return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  return isArrayBuffer(chunk) ? new Uint8Array(chunk) : undefined;
}

function failure(error: unknown): Error {
  if (error instanceof Error && !isDomException(error)) return error;
  const why = reasonOf(error);
  return new SecureSocketError('TRANSPORT_FAILED', `the stream below the connection failed: ${why}`, {
    cause: error,
  });
}

/** Errors of the platform, which say little by themselves. */
function isDomException(error: Error): boolean {
  return Object.prototype.toString.call(error) === '[object DOMException]';
}
