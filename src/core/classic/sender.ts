import type { BlockCipher } from '../../backend.js';
import type { Sender } from '../script.js';
import { SMALL_MESSAGE, Staging } from '../staging.js';
import { paddedLength } from './frames.js';

const CIPHER_BLOCK = 16;
const ASCII_ZERO = 0x30;

/**
 * Writes frames (docs/protocol.md, K3): small messages of a tick are encrypted by one call and leave as one chunk.
 *
 * ECB makes that possible: every block is encrypted by itself, so the padded messages of a tick can be encrypted as
 * one text and cut into frames afterwards. For the same reason a large message need not be copied to be padded: all
 * of its whole blocks are encrypted where they lie, in parts if it has many, and only the last piece gets its padding
 * in memory of its own. A header promises the length of the whole, so a message that was begun has to be finished.
 *
 * Headers and ciphertext leave in one write. A Python peer reads a frame's header and body by single calls of `recv`,
 * and takes what has arrived then for all there is.
 */
export class ClassicSender implements Sender {
  readonly maxMessage: number;
  readonly partLength: number;
  readonly #cipher: BlockCipher;
  readonly #staging = new Staging();
  #lengths: number[] = [];
  #ready: Uint8Array[] = [];
  #readyBytes = 0;
  #isClosed = false;

  constructor(cipher: BlockCipher, maxMessage: number, partLength: number) {
    this.#cipher = cipher;
    this.maxMessage = maxMessage;
    this.partLength = partLength;
  }

  get staged(): number {
    return this.#readyBytes + this.#staging.used;
  }

  stage(message: Uint8Array, from = 0, max: number = Number.POSITIVE_INFINITY): number {
    if (this.#isClosed) return message.length;
    if (message.length >= SMALL_MESSAGE) return this.#stageLarge(message, from, max);
    this.#stageSmall(message);
    return message.length;
  }

  flush(): Uint8Array[] {
    this.#encryptStaged();
    const chunks = this.#ready;
    this.#ready = [];
    this.#readyBytes = 0;
    return chunks;
  }

  /** Classic has no close message: the end of the stream is all there is. */
  close(): Uint8Array[] {
    const chunks = this.flush();
    this.#isClosed = true;
    return chunks;
  }

  abandon(): void {
    this.#isClosed = true;
    this.#staging.release();
    this.#lengths = [];
    this.#ready = [];
    this.#readyBytes = 0;
  }

  #stageSmall(message: Uint8Array): void {
    const length = paddedLength(message.length);
    let at = this.#staging.reserve(length);
    if (at < 0) {
      this.#encryptStaged();
      at = this.#staging.reserve(length);
    }
    const { buffer } = this.#staging;
    buffer.set(message, at);
    buffer.fill(length - message.length, at + message.length, at + length);
    this.#lengths.push(length);
  }

  #stageLarge(message: Uint8Array, from: number, max: number): number {
    this.#encryptStaged();
    const length = paddedLength(message.length);
    const whole = message.length - (message.length % CIPHER_BLOCK);
    if (from === 0) this.#push(header(length));
    const end = Math.min(whole, from + CIPHER_BLOCK * Math.ceil(max / CIPHER_BLOCK));
    this.#push(this.#cipher.encrypt(message.subarray(from, end)));
    if (end < whole) return end;
    const rest = new Uint8Array(length - whole).fill(length - message.length);
    rest.set(message.subarray(whole));
    this.#push(this.#cipher.encrypt(rest));
    return message.length;
  }

  #encryptStaged(): void {
    if (this.#lengths.length === 0) return;
    const ciphertext = this.#cipher.encrypt(this.#staging.bytes);
    this.#staging.release();
    const frames = new Uint8Array(ciphertext.length + this.#lengths.length * 10);
    let to = 0;
    let from = 0;
    for (const length of this.#lengths) {
      to = writeHeader(frames, to, length);
      frames.set(ciphertext.subarray(from, from + length), to);
      from += length;
      to += length;
    }
    this.#lengths = [];
    this.#push(frames.subarray(0, to));
  }

  #push(chunk: Uint8Array): void {
    this.#ready.push(chunk);
    this.#readyBytes += chunk.length;
  }
}

function header(length: number): Uint8Array {
  const bytes = new Uint8Array(10);
  return bytes.subarray(0, writeHeader(bytes, 0, length));
}

/** One digit that counts the digits of the length, then the length. Returns where it ends. */
function writeHeader(target: Uint8Array, at: number, length: number): number {
  let digits = 1;
  for (let bound = 10; length >= bound; bound *= 10) digits++;
  target[at] = ASCII_ZERO + digits;
  for (let i = at + digits, rest = length; i > at; i--, rest = Math.floor(rest / 10))
    target[i] = ASCII_ZERO + (rest % 10);
  return at + 1 + digits;
}
