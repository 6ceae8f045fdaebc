import type { BlockCipher } from '../backend.js';
import { SecureSocketError } from '../errors.js';
import type { Batch, Script } from './script.js';

/** The seed pads to this, not to the cipher's 16 bytes. */
const PADDING_BLOCK = 32;
/** Messages read from one decryption share its memory, which is no longer than this unless one message alone is. */
const SLAB = 16 * 1024;
const ZERO = 0x30;

/** Where one frame's ciphertext lies in the bytes at hand. */
interface Frame {
  readonly from: number;
  readonly to: number;
}

/** What the bytes at hand hold: whole frames, then the size of the one begun, then perhaps a mistake. */
interface Scan {
  readonly frames: readonly Frame[];
  /** Bytes the whole frames take. */
  readonly used: number;
  /** Bytes from `used` on that the next step needs. */
  readonly needed: number;
  readonly error?: SecureSocketError;
}

/** Reads frames (docs/protocol.md, K3) until the stream ends at the start of one. */
export function* classicFrames(cipher: BlockCipher, maxMessage: number): Script {
  let used = 0;
  let atLeast = 1;
  for (;;) {
    const view: Uint8Array | null = yield { atLeast, used };
    if (view === null) break;
    const scan = scanFrames(view, maxMessage);
    for (const group of groups(scan.frames)) {
      const batch = openGroup(cipher, view, group, maxMessage);
      if (batch.count > 0) yield { batch };
      if (batch.error) throw batch.error;
    }
    if (scan.error) throw scan.error;
    used = scan.used;
    atLeast = scan.needed;
  }
  yield { ended: 0 };
}

/** The length on the wire of a message of `length` bytes: padding adds 1 to 32. */
export function paddedLength(length: number): number {
  return length - (length % PADDING_BLOCK) + PADDING_BLOCK;
}

/** One frame at a time, each byte checked as soon as it is there, so that a bad length is refused before its body. */
function scanFrames(view: Uint8Array, maxMessage: number): Scan {
  const frames: Frame[] = [];
  let used = 0;
  try {
    while (used < view.length) {
      const header = readHeader(view, used, maxMessage);
      if (header.end > view.length) return { frames, used, needed: header.end - used };
      frames.push({ from: header.body, to: header.end });
      used = header.end;
    }
  } catch (error) {
    return { frames, used, needed: 1, error: error as SecureSocketError };
  }
  return { frames, used, needed: 1 };
}

/** Where the frame's body begins and the frame ends; as far as its header is there. */
function readHeader(view: Uint8Array, at: number, maxMessage: number): { body: number; end: number } {
  const digits = (view[at] as number) - ZERO;
  if (digits < 1 || digits > 9) throw badFrame(maxMessage);
  const body = at + 1 + digits;
  let length = 0;
  for (let i = at + 1; i < body; i++) {
    const byte = view[i];
    if (byte === undefined) return { body, end: body };
    const digit = byte - ZERO;
    if (digit < 0 || digit > 9) throw badFrame(maxMessage);
    if (digit === 0 && i === at + 1) throw badFrame(maxMessage);
    length = length * 10 + digit;
  }
  if (length % PADDING_BLOCK !== 0) throw badFrame(maxMessage);
  if (length > paddedLength(maxMessage)) throw badFrame(maxMessage);
  return { body, end: body + length };
}

/** Frames that are decrypted together: as many as fit into a slab, or one. */
function* groups(frames: readonly Frame[]): Generator<readonly Frame[]> {
  let first = 0;
  let bytes = 0;
  for (let i = 0; i < frames.length; i++) {
    const { from, to } = frames[i] as Frame;
    if (i > first && bytes + (to - from) > SLAB) {
      yield frames.slice(first, i);
      first = i;
      bytes = 0;
    }
    bytes += to - from;
  }
  if (first < frames.length) yield frames.slice(first);
}

/** Decrypts a group; the batch holds the messages before the first bad padding. */
function openGroup(
  cipher: BlockCipher,
  view: Uint8Array,
  group: readonly Frame[],
  maxMessage: number,
): ClassicBatch {
  const plaintext = cipher.decrypt(gather(view, group));
  const lengths: number[] = [];
  let at = 0;
  for (const { from, to } of group) {
    const end = at + to - from;
    const length = unpaddedLength(plaintext, at, end);
    if (length < 0 || length > maxMessage) return new ClassicBatch(plaintext, lengths, badFrame(maxMessage));
    lengths.push(length);
    at = end;
  }
  return new ClassicBatch(plaintext, lengths);
}

function gather(view: Uint8Array, group: readonly Frame[]): Uint8Array {
  const first = group[0] as Frame;
  if (group.length === 1) return view.subarray(first.from, first.to);
  const together = new Uint8Array(group.reduce((sum, { from, to }) => sum + to - from, 0));
  let at = 0;
  for (const { from, to } of group) {
    together.set(view.subarray(from, to), at);
    at += to - from;
  }
  return together;
}

/**
 * PKCS#7 with a block of 32 bytes (RFC 5652 6.3), all of the last 32 bytes looked at whatever they are; -1 if wrong.
 */
function unpaddedLength(plaintext: Uint8Array, from: number, end: number): number {
  const count = plaintext[end - 1] as number;
  let wrong = ((count - 1) | (PADDING_BLOCK - count)) >>> 31;
  for (let back = 1; back <= PADDING_BLOCK; back++) {
    const isPadding = (back - count - 1) >> 31;
    wrong |= isPadding & ((plaintext[end - back] as number) ^ count);
  }
  return wrong === 0 ? end - from - count : -1;
}

/** One text for everything that can be wrong with a frame (K3). */
function badFrame(maxMessage: number): SecureSocketError {
  return new SecureSocketError(
    'BAD_FRAME',
    `the peer sent what is no message of at most ${maxMessage} bytes under the key of this connection`,
  );
}

/** The messages of one decryption, still uncut: views that nobody reads would cost more than short messages. */
class ClassicBatch implements Batch {
  readonly error: SecureSocketError | undefined;
  readonly #plaintext: Uint8Array;
  readonly #lengths: readonly number[];
  #next = 0;
  #at = 0;
  #bytes: number;

  constructor(plaintext: Uint8Array, lengths: readonly number[], error?: SecureSocketError) {
    this.#plaintext = plaintext;
    this.#lengths = lengths;
    this.#bytes = lengths.reduce((sum, length) => sum + length, 0);
    this.error = error;
  }

  get count(): number {
    return this.#lengths.length - this.#next;
  }

  get bytes(): number {
    return this.#bytes;
  }

  next(): Uint8Array | undefined {
    const length = this.#lengths[this.#next];
    if (length === undefined) return undefined;
    const message = this.#plaintext.subarray(this.#at, this.#at + length);
    this.#next++;
    this.#at += paddedLength(length);
    this.#bytes -= length;
    return message;
  }
}
