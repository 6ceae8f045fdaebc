import type { StreamPair } from 'secure-sockets';
import { pause } from './sockets.js';

/** Milliseconds on the way. */
const DELAY = 5;

/**
 * Two ends of what is like a bidirectional stream of WebTransport: a write counts once it is buffered, `close()` once it
 * is acknowledged, and an abort resets the stream, which loses whatever has not arrived.
 */
export function webTransportStreams(): { near: StreamPair; far: StreamPair; resets: () => number } {
  let resets = 0;
  const there = direction(() => resets++);
  const back = direction(() => resets++);
  const near = { readable: back.readable, writable: there.writable };
  const far = { readable: there.readable, writable: back.writable };
  return { near, far, resets: () => resets };
}

function direction(onReset: () => void): StreamPair {
  let receiver: ReadableStreamDefaultController<Uint8Array>;
  let isReset = false;
  const readable = new ReadableStream<Uint8Array>(
    {
      start: (controller) => {
        receiver = controller;
      },
    },
    { highWaterMark: 0 },
  );
  const arrive = async (act: () => void): Promise<void> => {
    await pause(DELAY);
    if (!isReset) act();
  };
  const reset = (): void => {
    if (isReset) return;
    isReset = true;
    onReset();
    receiver.error(new Error('the stream was reset'));
  };
  const writable = new WritableStream<Uint8Array>({
    // the signal comes before abort(), which waits for the close that is under way
    start: (controller) => {
      const { signal } = controller as unknown as { signal: AbortSignal };
      signal.addEventListener('abort', reset);
    },
    write: (chunk) => {
      const own = new Uint8Array(chunk);
      void arrive(() => receiver.enqueue(own));
    },
    close: async () => {
      await arrive(() => receiver.close());
      await pause(DELAY);
    },
  });
  return { readable, writable };
}
