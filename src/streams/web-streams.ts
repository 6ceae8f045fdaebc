import type { Connection } from '../connection/connection.js';
import type { Bytes } from '../core/bytes.js';
import { SecureSocketError } from '../errors.js';
import { whenStalled } from './stalled.js';

/** What `receive` gives as a stream of the Web Streams standard: one chunk is one message. Cancelling it closes. */
export function readableOf(
  connection: Connection,
  receive: () => Promise<Bytes | null>,
): ReadableStream<Bytes> & AsyncIterable<Bytes> {
  let reads = 0;
  const stream = new ReadableStream<Bytes>(
    {
      start: (controller) =>
        whenStalled(
          connection,
          () => reads,
          (error) => controller.error(error),
        ),
      pull: async (controller) => {
        const message = await receive();
        reads++;
        if (message === null) controller.close();
        else controller.enqueue(message);
      },
      cancel: () => connection.close(),
    },
    // nothing is read ahead: that is done, and bounded, below
    { highWaterMark: 0 },
  );
  // the standard has it, and not every browser
  if (!(Symbol.asyncIterator in stream))
    Object.defineProperty(stream, Symbol.asyncIterator, { value: chunksOf });
  return stream;
}

/** The chunks of a stream; leaving the loop cancels it. */
async function* chunksOf<Chunk>(this: ReadableStream<Chunk>): AsyncGenerator<Chunk, void, undefined> {
  const reader = this.getReader();
  try {
    for (let step = await reader.read(); !step.done; step = await reader.read()) yield step.value;
  } finally {
    await reader.cancel();
    reader.releaseLock();
  }
}

/**
 * Gives each chunk to `send` as one message. Closing it ends the sending half, aborting it destroys the connection, and
 * the connection's end ends it, so that a caller that waits to write is released.
 */
export function writableOf(
  connection: Connection,
  send: (message: Uint8Array) => Promise<void>,
): WritableStream<Uint8Array> {
  return new WritableStream<Uint8Array>({
    start: (controller) => {
      void failureOf(connection).then((error) => controller.error(error));
    },
    write: (message) => send(message),
    close: () => connection.end(),
    abort: (reason) => connection.destroy(reason),
  });
}

/** Why nothing can be sent any more, once the connection is over. */
async function failureOf(connection: Connection): Promise<unknown> {
  await connection.closed;
  try {
    await connection.end();
  } catch (error) {
    return error;
  }
  return new SecureSocketError('CLOSED', 'the connection is closed');
}
