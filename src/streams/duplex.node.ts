import { Duplex } from 'node:stream';
import type { Connection } from '../connection/connection.js';
import { isDetached } from '../core/bytes.js';
import { badArgument, SecureSocketError } from '../errors.js';
import { withJoined } from './joined.js';
import { whenStalled } from './stalled.js';

/** What a byte stream needs to know of its connection. */
export interface ByteStreamOptions {
  /** The longest message the peer takes. */
  readonly maxMessage: number;
  /** Whether the peer's end leaves the stream open for writing, as it leaves the connection. */
  readonly allowHalfOpen: boolean;
  /** Lives as long as the stream: when the reading side ends, data that can no longer be read is dropped. */
  readonly owner: object;
}

/**
 * A connection as a stream of bytes without message boundaries, for everything that speaks over a `node:stream` Duplex.
 * It has what Node's HTTP asks of a socket: addresses, `setTimeout`, `ref` and `unref`.
 */
export function byteStream(connection: Connection, options: ByteStreamOptions): Duplex {
  return new ByteStream(connection, options);
}

/** Longer writes are cut: the peer's stream gets nothing of a message before all of it has arrived. */
const PIECE = 64 * 1024;

class ByteStream extends Duplex {
  /** As set, in milliseconds; 0 is none. */
  timeout = 0;
  readonly #connection: Connection;
  readonly #piece: number;
  /** Not used, but kept. */
  readonly owner: object;
  #timer: NodeJS.Timeout | undefined;
  #peerHasEnded = false;
  #reads = 0;
  /** Why nothing more comes; told once all that came before has been read. */
  #failure: Error | undefined;

  constructor(connection: Connection, { maxMessage, allowHalfOpen, owner }: ByteStreamOptions) {
    super({ allowHalfOpen });
    this.#connection = connection;
    this.owner = owner;
    this.#piece = Math.min(maxMessage, PIECE);
    whenStalled(
      connection,
      () => this.#reads,
      (error) => {
        if (this.destroyed) return;
        // an error without a listener would end a program that neither reads nor listens for errors
        if (this.listenerCount('error') > 0) this.#giveUp(error as Error);
        else this.destroy();
      },
    );
  }

  get remoteAddress(): string | undefined {
    return this.#connection.transport.remoteAddress;
  }

  get remotePort(): number | undefined {
    return this.#connection.transport.remotePort;
  }

  get localAddress(): string | undefined {
    return this.#connection.transport.localAddress;
  }

  get localPort(): number | undefined {
    return this.#connection.transport.localPort;
  }

  /** As of `net.Socket`: emits 'timeout' after this time without a byte in either direction, and does nothing else. */
  setTimeout(milliseconds: number, listener?: () => void): this {
    clearTimeout(this.#timer);
    this.timeout = milliseconds;
    this.#timer = undefined;
    if (milliseconds === 0) {
      if (listener) this.off('timeout', listener);
    } else {
      if (listener) this.once('timeout', listener);
      this.#timer = setTimeout(() => this.emit('timeout'), milliseconds).unref();
    }
    return this;
  }

  /** Set by the connection's own options. */
  setKeepAlive(): this {
    return this;
  }

  /** Set by the connection itself. */
  setNoDelay(): this {
    return this;
  }

  ref(): this {
    this.#connection.transport.ref?.();
    return this;
  }

  unref(): this {
    this.#connection.transport.unref?.();
    return this;
  }

  override _read(): void {
    this.#receive().catch((error: Error) => {
      if (this.readableLength === 0 || this.#isOurs(error)) this.#giveUp(error);
      else this.#failure = error;
    });
  }

  /**
   * A stream that is destroyed drops the bytes that it has read ahead, up to its high-water mark. So what ends the
   * connection waits until they are read, as it does behind the messages of the connection itself.
   */
  override read(size?: number): unknown {
    const chunk: unknown = super.read(size);
    if (chunk !== null) this.#reads++;
    const failure = this.#failure;
    if (failure !== undefined && this.readableLength === 0) {
      this.#failure = undefined;
      process.nextTick(() => this.#giveUp(failure));
    }
    return chunk;
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    this.#settle(this.#send(chunk), done);
  }

  /**
   * What waited together leaves together: the small writes of a protocol such as HTTP/2 cost one step, and one message.
   */
  override _writev(
    writes: readonly { readonly chunk: Uint8Array }[],
    done: (error?: Error | null) => void,
  ): void {
    const chunks = writes.map(({ chunk }) => chunk);
    const [first, ...more] = chunks as [Uint8Array, ...Uint8Array[]];
    // one without its memory is for #send to refuse: joined with others it would be left out
    const lost = chunks.find(isDetached);
    if (lost !== undefined || more.length === 0) this.#settle(this.#send(lost ?? first), done);
    else
      this.#settle(
        withJoined(chunks, (joined) => this.#send(joined)),
        done,
      );
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#connection.end().then(() => done(), done);
  }

  /** What was written and ended is still delivered; anything else is given up. */
  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearTimeout(this.#timer);
    if (error === null && this.writableFinished) void this.#connection.close();
    else this.#connection.destroy(error ?? undefined);
    void this.#connection.closed.then(() => done(error));
  }

  /** An empty message is no bytes at all, which a stream cannot pass on. */
  async #receive(): Promise<void> {
    let message = await this.#connection.recv();
    while (message?.length === 0) message = await this.#connection.recv();
    this.#timer?.refresh();
    this.#reads++;
    this.#peerHasEnded = message === null;
    this.push(message);
  }

  #settle(sending: Promise<void>, done: (error?: Error | null) => void): void {
    sending.then(
      () => done(),
      (error: Error) => {
        this.#giveUp(error);
        done(error);
      },
    );
  }

  /** A stream cannot do without bytes that it was given: if their memory is gone, it is over. */
  async #send(chunk: Uint8Array): Promise<void> {
    const { length } = chunk;
    if (isDetached(chunk)) throw memoryGone();
    for (let at = 0; at < length; at += this.#piece) {
      if (chunk.length !== length) throw memoryGone();
      this.#timer?.refresh();
      await this.#connection.send(chunk.subarray(at, at + this.#piece));
    }
  }

  /** A connection closed on this side closes the stream without an error, as a socket destroyed does. */
  #giveUp(error: Error): void {
    this.destroy(this.#isOurs(error) ? undefined : error);
  }

  #isOurs(error: Error): boolean {
    return error instanceof SecureSocketError && error.code === 'CLOSED' && !this.#peerHasEnded;
  }
}

function memoryGone(): Error {
  return badArgument('bytes were transferred or resized after they were written, and before they were sent');
}
