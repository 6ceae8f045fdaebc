import { FrameWriter, HEADER } from './frame-writer.mjs';

/** From this many received and unread bytes on, the socket is paused. */
const READ_AHEAD = 4 * 2 ** 20;

const SENT = Promise.resolve();
const DONE = { value: undefined, done: true };

/**
 * `u32 length || body` on a net or tls socket, as fast as Node allows: what is sent in a tick, or while a write is under
 * way, leaves in one write; received messages are views of the chunks they came in.
 */
export class FramedConnection {
  #socket;
  #writer;
  #drained;

  #chunks = [];
  #at = 0;
  #buffered = 0;
  #body;
  #have = 0;
  #reader;
  #isPaused = false;
  #hasEnded = false;
  #error;
  #closed;

  constructor(socket) {
    this.#socket = socket;
    this.#writer = new FrameWriter(socket, () => this.#release());
    this.#closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('data', (chunk) => this.#data(chunk));
    socket.on('end', () => this.#end());
    socket.on('error', (error) => {
      this.#error = error;
      this.#end();
    });
    socket.on('close', () => {
      this.#end();
      this.#release();
    });
  }

  send(message) {
    if (this.#error) return Promise.reject(this.#error);
    if (this.#writer.write(message)) return SENT;
    this.#drained ??= withResolvers();
    return this.#drained.promise;
  }

  next() {
    const message = this.#cut();
    if (message !== undefined) return Promise.resolve({ value: message, done: false });
    if (this.#error) return Promise.reject(this.#error);
    if (this.#hasEnded) return Promise.resolve(DONE);
    this.#reader = withResolvers();
    return this.#reader.promise;
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  close() {
    this.#writer.flush();
    this.#socket.end();
    // what still arrives is read and dropped, so that the end is noticed
    this.#socket.resume();
    return this.#closed;
  }

  #release() {
    const drained = this.#drained;
    this.#drained = undefined;
    if (this.#error) drained?.reject(this.#error);
    else drained?.resolve();
  }

  #data(chunk) {
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    this.#serve();
    if (this.#buffered < READ_AHEAD || this.#isPaused) return;
    this.#isPaused = true;
    this.#socket.pause();
  }

  #serve() {
    const reader = this.#reader;
    if (reader === undefined) return;
    const message = this.#cut();
    if (message === undefined) return;
    this.#reader = undefined;
    reader.resolve({ value: message, done: false });
  }

  #end() {
    this.#hasEnded = true;
    const reader = this.#reader;
    this.#reader = undefined;
    if (this.#error) reader?.reject(this.#error);
    else reader?.resolve(DONE);
  }

  /** The next message if it is complete; otherwise its beginning is kept. */
  #cut() {
    if (this.#body === undefined) {
      const chunk = this.#chunks[0];
      if (chunk === undefined) return undefined;
      const at = this.#at;
      if (chunk.length - at >= HEADER) {
        const length = chunk.readUInt32BE(at);
        const end = at + HEADER + length;
        if (end <= chunk.length) {
          this.#consume(chunk, end);
          return new Uint8Array(chunk.buffer, chunk.byteOffset + at + HEADER, length);
        }
        this.#body = Buffer.allocUnsafe(length);
        this.#have = 0;
        this.#consume(chunk, at + HEADER);
      } else if (!this.#joinHeader()) return undefined;
      return this.#cut();
    }
    while (this.#have < this.#body.length) {
      const chunk = this.#chunks[0];
      if (chunk === undefined) return undefined;
      const end = Math.min(chunk.length, this.#at + this.#body.length - this.#have);
      chunk.copy(this.#body, this.#have, this.#at, end);
      this.#have += end - this.#at;
      this.#consume(chunk, end);
    }
    const message = this.#body;
    this.#body = undefined;
    return message;
  }

  /** An incomplete length prefix: the rest of this chunk is joined with the next one. */
  #joinHeader() {
    if (this.#chunks.length < 2) return false;
    const rest = this.#chunks.shift().subarray(this.#at);
    this.#chunks[0] = Buffer.concat([rest, this.#chunks[0]]);
    this.#at = 0;
    return true;
  }

  #consume(chunk, end) {
    this.#buffered -= end - this.#at;
    this.#at = end;
    if (end === chunk.length) {
      this.#chunks.shift();
      this.#at = 0;
    }
    if (this.#isPaused && this.#buffered < READ_AHEAD / 2) {
      this.#isPaused = false;
      this.#socket.resume();
    }
  }
}

function withResolvers() {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => {
    parts.resolve = resolve;
    parts.reject = reject;
  });
  return parts;
}
