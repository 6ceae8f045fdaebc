/** From so many bytes on, unwritten, `send` waits. */
const HIGH_WATER = 2 ** 20;
/** From so many bytes on, received and not yet read, the socket is paused. */
const READ_AHEAD = 4 * 2 ** 20;
/** Up to here a message is copied behind its length; longer ones are written where they lie. */
const SMALL = 32 * 1024;
const STAGING = 64 * 1024;
const HEADER = 4;

const SENT = Promise.resolve();
const DONE = { value: undefined, done: true };

/**
 * `u32 length || body` on a net or tls socket, as fast as Node allows: what is sent in a tick, or while a write is under
 * way, leaves in one write; received messages are views of the chunks they came in.
 */
export class FramedConnection {
  #socket;
  #staging;
  #used = 0;
  #sendQueue = [];
  #unwritten = 0;
  #isWriting = false;
  #flushIsDue = false;
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
    if (message.length < SMALL) this.#copy(message);
    else {
      const header = Buffer.allocUnsafe(HEADER);
      header.writeUInt32BE(message.length);
      this.#unstage();
      this.#sendQueue.push(header, message);
    }
    this.#unwritten += HEADER + message.length;
    this.#flushSoon();
    if (this.#unwritten < HIGH_WATER) return SENT;
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
    this.#flush();
    this.#socket.end();
    // what still comes is read and dropped, so that the end is seen
    this.#socket.resume();
    return this.#closed;
  }

  #copy(message) {
    const length = HEADER + message.length;
    if (this.#used + length > STAGING) this.#unstage();
    this.#staging ??= Buffer.allocUnsafe(STAGING);
    const staging = this.#staging;
    const at = this.#used;
    staging[at] = message.length >>> 24;
    staging[at + 1] = message.length >>> 16;
    staging[at + 2] = message.length >>> 8;
    staging[at + 3] = message.length;
    staging.set(message, at + HEADER);
    this.#used = at + length;
  }

  #unstage() {
    if (this.#used === 0) return;
    this.#sendQueue.push(this.#staging.subarray(0, this.#used));
    this.#staging = undefined;
    this.#used = 0;
  }

  #flushSoon() {
    if (this.#flushIsDue || this.#isWriting) return;
    this.#flushIsDue = true;
    process.nextTick(() => {
      this.#flushIsDue = false;
      this.#flush();
    });
  }

  #flush() {
    if (this.#isWriting || this.#unwritten === 0 || !this.#socket.writable) return;
    this.#unstage();
    const outgoing = this.#sendQueue;
    const bytes = this.#unwritten;
    this.#sendQueue = [];
    this.#isWriting = true;
    const last = outgoing.length - 1;
    if (last > 0) this.#socket.cork();
    for (let i = 0; i < last; i++) this.#socket.write(outgoing[i]);
    this.#socket.write(outgoing[last], () => this.#written(bytes));
    if (last > 0) this.#socket.uncork();
  }

  #written(bytes) {
    this.#isWriting = false;
    this.#unwritten -= bytes;
    this.#flush();
    if (this.#unwritten < HIGH_WATER) this.#release();
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

  /** The next message if it is whole, or as much of it as there is, put aside. */
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

  /** A length cut in two: the rest of this chunk goes before the next one. */
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
