// Messages over the byte streams of libp2p, in Node and in pages.
import { MessageQueue } from './queue.mjs';

/** Noise gives a stream of bytes, so messages get a length prefix. */
export function frame(stream) {
  const queue = new MessageQueue(
    () => stream.pause(),
    () => stream.resume(),
  );
  const closed = happens(stream, 'close');
  const parser = new Parser((message) => queue.push(message));
  stream.addEventListener('message', ({ data }) => parser.push(data));
  stream.addEventListener('remoteCloseWrite', () => queue.end());
  stream.addEventListener('close', ({ error }) => queue.end(error));
  return {
    send(message) {
      const frame = new Uint8Array(4 + message.length);
      new DataView(frame.buffer).setUint32(0, message.length);
      frame.set(message, 4);
      return stream.send(frame) ? SENT : happens(stream, 'drain');
    },
    [Symbol.asyncIterator]: () => queue,
    async close() {
      if (stream.status === 'open') await stream.close();
      await closed;
    },
  };
}

const happens = (stream, type) =>
  new Promise((resolve) => stream.addEventListener(type, resolve, { once: true }));

/** `u32 length || body` out of chunks that may be lists of arrays. */
class Parser {
  #emit;
  #header = new Uint8Array(4);
  #headerBytes = 0;
  #body;
  #have = 0;

  constructor(emit) {
    this.#emit = emit;
  }

  push(data) {
    for (const chunk of data instanceof Uint8Array ? [data] : data) this.#take(chunk);
  }

  #take(chunk) {
    let at = 0;
    while (at < chunk.length) {
      if (this.#body === undefined) {
        this.#header[this.#headerBytes++] = chunk[at++];
        if (this.#headerBytes < 4) continue;
        this.#headerBytes = 0;
        this.#have = 0;
        this.#body = new Uint8Array(new DataView(this.#header.buffer).getUint32(0));
        continue;
      }
      const end = Math.min(chunk.length, at + this.#body.length - this.#have);
      this.#body.set(chunk.subarray(at, end), this.#have);
      this.#have += end - at;
      at = end;
      if (this.#have < this.#body.length) continue;
      const message = this.#body;
      this.#body = undefined;
      this.#emit(message);
    }
  }
}

const SENT = Promise.resolve();
