/** From this many unwritten bytes on, `write` asks the caller to wait. */
export const HIGH_WATER = 2 ** 20;
/** Messages up to this length are copied behind their length prefix; longer ones are written without a copy. */
const SMALL = 32 * 1024;
const STAGING = 64 * 1024;
/** Bytes of the length prefix. */
export const HEADER = 4;

/**
 * Writes `u32 length || body` to a net or tls socket, as fast as Node allows: what is written in a tick, or while a write
 * is under way, leaves in one write. `onRoom` is called when there is room below the high-water mark again.
 */
export class FrameWriter {
  #socket;
  #onRoom;
  #staging;
  #used = 0;
  #queue = [];
  #unwritten = 0;
  #isWriting = false;
  #flushIsDue = false;

  constructor(socket, onRoom) {
    this.#socket = socket;
    this.#onRoom = onRoom;
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
    this.#socket.write(queue[last], () => this.#onWritten(bytes));
    if (last > 0) this.#socket.uncork();
  }

  #onWritten(bytes) {
    this.#isWriting = false;
    this.#unwritten -= bytes;
    this.flush();
    if (this.#unwritten < HIGH_WATER) this.#onRoom();
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
}

function flush(writer) {
  writer.flush();
}
