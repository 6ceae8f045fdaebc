import { FrameWriter, HEADER } from './frame-writer.mjs';

/**
 * `u32 length || body` on a net or tls socket with callbacks and no promise: the fastest way that a program on Node has.
 * What is written in a tick, or while a write is under way, leaves in one write. `onmessage` gets views of the chunks.
 */
export class CallbackConnection {
  onmessage = () => {};
  onend = () => {};
  #socket;
  #writer;
  #whenDrained;
  /** The beginning of an incomplete message. */
  #partial;
  #have = 0;
  /** The beginning of an incomplete length prefix. */
  #rest;
  #closed;

  constructor(socket) {
    this.#socket = socket;
    this.#writer = new FrameWriter(socket, () => this.#release());
    this.#closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('data', (chunk) => this.#data(chunk));
    socket.on('end', () => this.onend());
    socket.on('error', (error) => this.onend(error));
  }

  /** Whether more may be written at once. */
  write(message) {
    return this.#writer.write(message);
  }

  whenDrained() {
    return new Promise((resolve) => {
      this.#whenDrained = resolve;
    });
  }

  close() {
    this.#writer.flush();
    this.#socket.end();
    return this.#closed;
  }

  #release() {
    const whenDrained = this.#whenDrained;
    this.#whenDrained = undefined;
    whenDrained?.();
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

  /** Continues the incomplete message; returns where the next one begins. */
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
