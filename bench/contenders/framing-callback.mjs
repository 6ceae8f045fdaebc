/** From so many bytes on, unwritten, `write` asks to wait. */
const HIGH_WATER = 2 ** 20;
/** Up to here a message is copied behind its length; longer ones are written where they lie. */
const SMALL = 32 * 1024;
const STAGING = 64 * 1024;
const HEADER = 4;

/**
 * `u32 length || body` on a net or tls socket with callbacks and no promise: the fastest way that a program on Node has.
 * What is written in a tick, or while a write is under way, leaves in one write. `onmessage` gets views of the chunks.
 */
export class CallbackConnection {
  onmessage = () => {};
  onend = () => {};
  #socket;
  #staging;
  #used = 0;
  #queue = [];
  #unwritten = 0;
  #isWriting = false;
  #flushIsDue = false;
  #whenDrained;
  /** The beginning of a message whose rest has not come. */
  #partial;
  #have = 0;
  /** A length cut in two. */
  #rest;
  #closed;

  constructor(socket) {
    this.#socket = socket;
    this.#closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('data', (chunk) => this.#data(chunk));
    socket.on('end', () => this.onend());
    socket.on('error', (error) => this.onend(error));
  }

  /** Whether more may be written at once. */
  write(message) {
    if (message.length < SMALL) this.#copy(message);
    else {
      const header = Buffer.allocUnsafe(HEADER);
      header.writeUInt32BE(message.length);
      this.#unstage();
      this.#queue.push(header, message);
    }
    this.#unwritten += HEADER + message.length;
    if (!this.#flushIsDue && !this.#isWriting) {
      this.#flushIsDue = true;
      process.nextTick(flush, this);
    }
    return this.#unwritten < HIGH_WATER;
  }

  drained() {
    return new Promise((resolve) => {
      this.#whenDrained = resolve;
    });
  }

  close() {
    this.flush();
    this.#socket.end();
    return this.#closed;
  }

  flush() {
    this.#flushIsDue = false;
    if (this.#isWriting || this.#unwritten === 0 || !this.#socket.writable) return;
    this.#unstage();
    const queue = this.#queue;
    const bytes = this.#unwritten;
    this.#queue = [];
    this.#isWriting = true;
    const last = queue.length - 1;
    if (last > 0) this.#socket.cork();
    for (let i = 0; i < last; i++) this.#socket.write(queue[i]);
    this.#socket.write(queue[last], () => this.#written(bytes));
    if (last > 0) this.#socket.uncork();
  }

  #written(bytes) {
    this.#isWriting = false;
    this.#unwritten -= bytes;
    this.flush();
    if (this.#unwritten >= HIGH_WATER) return;
    const whenDrained = this.#whenDrained;
    this.#whenDrained = undefined;
    whenDrained?.();
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
    this.#queue.push(this.#staging.subarray(0, this.#used));
    this.#staging = undefined;
    this.#used = 0;
  }

  #data(chunk) {
    const whole = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = undefined;
    let at = this.#partial === undefined ? 0 : this.#complete(whole);
    while (whole.length - at >= HEADER) {
      const length = whole.readUInt32BE(at);
      const end = at + HEADER + length;
      if (end > whole.length) {
        this.#begin(whole, at + HEADER, length);
        return;
      }
      this.onmessage(whole.subarray(at + HEADER, end));
      at = end;
    }
    if (at < whole.length) this.#rest = whole.subarray(at);
  }

  #begin(chunk, at, length) {
    this.#partial = Buffer.allocUnsafe(length);
    this.#have = chunk.copy(this.#partial, 0, at);
  }

  /** Goes on with the message that was begun; returns where the next one begins. */
  #complete(chunk) {
    const message = this.#partial;
    const taken = chunk.copy(message, this.#have, 0, message.length - this.#have);
    this.#have += taken;
    if (this.#have < message.length) return chunk.length;
    this.#partial = undefined;
    this.onmessage(message);
    return taken;
  }
}

function flush(connection) {
  connection.flush();
}
