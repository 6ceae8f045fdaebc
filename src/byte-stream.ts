import { Duplex } from 'node:stream';
import type { Connection } from './connection.js';

/**
 * A connection as a stream of bytes without message boundaries, for everything that speaks over a `node:stream` Duplex.
 * Writes longer than `maxMessage` are cut.
 */
export function byteStream(connection: Connection, maxMessage: number): Duplex {
  return new ByteStream(connection, maxMessage);
}

class ByteStream extends Duplex {
  readonly #connection: Connection;
  readonly #maxMessage: number;

  constructor(connection: Connection, maxMessage: number) {
    super({ allowHalfOpen: true });
    this.#connection = connection;
    this.#maxMessage = maxMessage;
  }

  override _read(): void {
    this.#receive().catch((error: Error) => this.destroy(error));
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    this.#send(chunk).then(() => done(), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#connection.end().then(() => done(), done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (error === null && this.readableEnded && this.writableFinished) void this.#connection.close();
    else this.#connection.destroy(error ?? undefined);
    done(error);
  }

  /** An empty message is no bytes at all, which a stream cannot pass on. */
  async #receive(): Promise<void> {
    let message = await this.#connection.recv();
    while (message?.length === 0) message = await this.#connection.recv();
    this.push(message);
  }

  async #send(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length; at += this.#maxMessage) {
      await this.#connection.send(chunk.subarray(at, at + this.#maxMessage));
    }
  }
}
