import type { BlockCipher } from '../../backend.js';
import { SecureSocketError } from '../../errors.js';
import type { Bytes } from '../bytes.js';
import { GrowableBuffer } from '../growable-buffer.js';
import { MessageMemory, type ProtectMemory, SLAB } from '../message-memory.js';
import { type Batch, peek, read, type Script } from '../script.js';

/** The seed pads to this, not to the cipher's 16 bytes. */
const PADDING_BLOCK = 32;
const ZERO = 0x30;
/** Frames looked at in a row: a view may hold a hundred thousand. */
const MAX_FRAMES = 1024;

/** What reading frames depends on. */
export interface FrameOptions {
  /** The longest message taken, in bytes. */
  readonly maxMessage: number;
  /** A larger frame is decrypted in parts of this many bytes. */
  readonly partLength: number;
  /** How messages are kept from being transferred together. */
  readonly protectMemory?: ProtectMemory | undefined;
}

/** Where one frame's ciphertext lies in the bytes at hand. */
interface Frame {
  readonly from: number;
  readonly to: number;
}

/** What the bytes at hand hold: whole frames, then the one begun, then perhaps a mistake. */
interface Scan {
  readonly frames: readonly Frame[];
  /** Bytes the whole frames take. */
  readonly used: number;
  /** Where the frame begun lies, as far as its header is there. */
  readonly begun?: Frame;
  readonly error?: SecureSocketError;
}

/**
 * Reads frames (docs/protocol.md, K3) until the stream ends at the start of one. A frame larger than `partLength` is
 * decrypted in parts of that length, as they come.
 *
 * All frames at hand are decrypted together, in groups: a call of the cipher for each would cost more than its bytes.
 * So the loop looks at what there is (`peek`) instead of reading frame by frame, and says with the next look how much
 * of it is dealt with (`used`) and how much it takes to make a difference (`min`): the whole of the frame that has
 * begun, or one byte more of its header. A large frame is not waited for: the look is ended after its header
 * (`peek(0, ...)`), and its body is read in parts.
 */
export function* classicFrames(cipher: BlockCipher, options: FrameOptions): Script {
  const { maxMessage, partLength } = options;
  let used = 0;
  let min = 1;
  for (;;) {
    const view = yield* peek(min, used);
    if (view === null) break;
    const scan = scanFrames(view, maxMessage);
    for (const group of groups(scan.frames)) {
      const batch = openGroup(cipher, view, group, options);
      if (batch.count > 0) yield { type: 'received', batch, held: 0 };
      if (batch.error) throw batch.error;
    }
    if (scan.error) throw scan.error;
    used = scan.used;
    min = scan.begun ? scan.begun.to - used : 1;
    if (scan.begun && lengthOf(scan.begun) > partLength) {
      yield* peek(0, scan.begun.from);
      const batch = yield* openInParts(cipher, lengthOf(scan.begun), options);
      yield { type: 'received', batch, held: 0 };
      used = 0;
      min = 1;
    }
  }
  yield { type: 'ended', closeCode: 0 };
}

/** Decrypts the body of a frame, whose header has been taken. */
function* openInParts(cipher: BlockCipher, length: number, options: FrameOptions): Script<Batch> {
  const body = new GrowableBuffer(length);
  while (body.missing > 0) {
    const part = yield* read(Math.min(options.partLength, body.missing));
    body.append(cipher.decrypt(part));
    yield { type: 'received', batch: undefined, held: body.held };
  }
  const batch = splitMessages(body.bytes, [length], options);
  if (batch.error) throw batch.error;
  return batch;
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
    while (used < view.length && frames.length < MAX_FRAMES) {
      const header = readHeader(view, used, maxMessage);
      if (header.to > view.length) return { frames, used, begun: header };
      frames.push(header);
      used = header.to;
    }
  } catch (error) {
    return { frames, used, error: error as SecureSocketError };
  }
  return { frames, used };
}

/**
 * Where the frame's body lies. While its header is incomplete, one byte more of it is asked for at a time, so that a
 * wrong byte is refused when it comes.
 */
function readHeader(view: Uint8Array, at: number, maxMessage: number): Frame {
  const digits = (view[at] as number) - ZERO;
  if (digits < 1 || digits > 9) throw badFrame(maxMessage);
  const body = at + 1 + digits;
  let length = 0;
  for (let i = at + 1; i < body; i++) {
    const byte = view[i];
    if (byte === undefined) return { from: i + 1, to: i + 1 };
    const digit = byte - ZERO;
    if (digit < 0 || digit > 9) throw badFrame(maxMessage);
    if (digit === 0 && i === at + 1) throw badFrame(maxMessage);
    length = length * 10 + digit;
  }
  if (length % PADDING_BLOCK !== 0) throw badFrame(maxMessage);
  if (length > paddedLength(maxMessage)) throw badFrame(maxMessage);
  return { from: body, to: body + length };
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
  options: FrameOptions,
): ClassicBatch {
  return splitMessages(cipher.decrypt(gather(view, group)), group.map(lengthOf), options);
}

/** The messages of a plaintext that consists of padded messages of these lengths. */
function splitMessages(
  plaintext: Uint8Array,
  padded: readonly number[],
  { maxMessage, protectMemory }: FrameOptions,
): ClassicBatch {
  const lengths: number[] = [];
  let at = 0;
  for (const paddedTo of padded) {
    const end = at + paddedTo;
    const length = unpaddedLength(plaintext, at, end);
    if (length < 0 || length > maxMessage)
      return new ClassicBatch(plaintext, lengths, protectMemory, badFrame(maxMessage));
    lengths.push(length);
    at = end;
  }
  return new ClassicBatch(plaintext, lengths, protectMemory);
}

function lengthOf({ from, to }: Frame): number {
  return to - from;
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
    `the peer sent an invalid frame: not a message of at most ${maxMessage} bytes under this connection's key`,
  );
}

/**
 * The messages of one decryption, not yet split: creating views of unread messages would cost more than the messages.
 */
class ClassicBatch implements Batch {
  readonly error: SecureSocketError | undefined;
  readonly #memory: MessageMemory;
  readonly #lengths: readonly number[];
  #next = 0;
  #at = 0;
  #bytes: number;

  constructor(
    plaintext: Uint8Array,
    lengths: readonly number[],
    protect: ProtectMemory | undefined,
    error?: SecureSocketError,
  ) {
    this.#memory = new MessageMemory(plaintext, protect);
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

  get held(): number {
    return this.count === 0 ? 0 : this.#memory.held;
  }

  next(): Bytes | undefined {
    const length = this.#lengths[this.#next];
    if (length === undefined) return undefined;
    const message = this.#memory.cut(this.#at, length, this);
    this.#next++;
    this.#at += paddedLength(length);
    this.#bytes -= length;
    return message;
  }
}
