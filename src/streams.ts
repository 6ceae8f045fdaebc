import type { Connection } from './connection.js';

/** The messages received as a stream of the Web Streams standard: one chunk is one message. Cancelling it closes. */
export function readableOf(connection: Connection): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const message = await connection.recv();
        if (message === null) controller.close();
        else controller.enqueue(message);
      },
      cancel: () => connection.close(),
    },
    // nothing is read ahead: that is done, and bounded, below
    { highWaterMark: 0 },
  );
}

/** Sends each chunk as one message. Closing it ends the sending half, aborting it destroys the connection. */
export function writableOf(connection: Connection): WritableStream<Uint8Array> {
  return new WritableStream<Uint8Array>({
    write: (message) => connection.send(message),
    close: () => connection.end(),
    abort: (reason) => connection.destroy(reason),
  });
}
