import type { Bytes } from '../bytes.js';
import { GrowableBuffer } from '../growable-buffer.js';
import { MessageMemory, ON_HEAP, type ProtectMemory } from '../message-memory.js';
import type { Batch } from '../script.js';

const LENGTH_FIELD = 4;
/**
 * Plaintexts up to this length, a record's type included, may lie in memory that is used again: a message of them is
 * cut at once, to JavaScript's own heap, which costs less than memory for the plaintext. So does a lone short message,
 * the usual case of a conversation, cost no other memory than its own.
 */
export const SHORT_PLAINTEXT: number = 1 + LENGTH_FIELD + ON_HEAP;

/** Cuts the stream of `u32 length || body` that the DATA payloads of one direction are (docs/protocol.md, R3). */
export class MessageStream {
  readonly #maxMessage: number;
  readonly #protect: ProtectMemory | undefined;
  /** The length field of the unfinished message as far as it has come, and its body if the field is complete. */
  #length = 0;
  #lengthBytes = 0;
  #body: GrowableBuffer | undefined;
  #tooBig: number | undefined;

  constructor(maxMessage: number, protect?: ProtectMemory) {
    this.#maxMessage = maxMessage;
    this.#protect = protect;
  }

  /** Whether the stream stands between two messages. */
  get isAtBoundary(): boolean {
    return this.#lengthBytes === 0;
  }

  /** Bytes of memory held for the unfinished message. */
  get held(): number {
    return this.#body?.held ?? 0;
  }

  /** The length of a message beyond the limit, at which the stream stops for good. */
  get tooBig(): number | undefined {
    return this.#tooBig;
  }

  /**
   * Takes over a part of the stream, from a place on, or copies what it needs if that is short. Gives the messages that
   * are complete with it, if any.
   *
   * A record has up to three parts: the rest of a message that an earlier record began, whole messages, and the
   * beginning of one that a later record ends. The first and the last are copied, as they have to be put together; the
   * messages in the middle are counted and stay in the plaintext until they are read. Who holds the plaintext from then
   * on depends on what it costs: the batch takes it over if at least half of it is messages; otherwise a few bytes of
   * messages would keep a whole record in memory, for which no budget counts, and they are copied out of it.
   */
  push(plaintext: Uint8Array, from = 1): Batch | undefined {
    let at = from;
    let first: Bytes | undefined;
    if (this.#lengthBytes > 0) {
      at = this.#continue(plaintext, at);
      if (this.#body?.missing === 0) {
        first = this.#body.bytes;
        this.clear();
      }
    }
    const start = at;
    let count = 0;
    let bytes = 0;
    // nothing here costs more per message than reading its length: the messages are cut when they are read
    while (plaintext.length - at >= LENGTH_FIELD && this.#tooBig === undefined) {
      const length = readU32(plaintext, at);
      if (length > this.#maxMessage) this.#tooBig = length;
      else if (length > plaintext.length - at - LENGTH_FIELD) break;
      else {
        at += LENGTH_FIELD + length;
        count++;
        bytes += length;
      }
    }
    this.#continue(plaintext, at);
    if (count === 0 && first === undefined) return undefined;
    // a short plaintext may lie in scratch memory, which the next record is decrypted to: nothing of it is kept
    const isShort = plaintext.length <= SHORT_PLAINTEXT;
    if (count === 1 && first === undefined && isShort)
      return new SingleMessage(new Uint8Array(plaintext.subarray(at - bytes, at)));
    // the rest is part of messages with memory of their own: it must not be held, uncounted, for the few here
    if (!isShort && at - start >= plaintext.length / 2)
      return new RecordBatch(plaintext, { at: start, count, bytes }, first, this.#protect);
    const whole = new Uint8Array(plaintext.subarray(start, at));
    return new RecordBatch(whole, { at: 0, count, bytes }, first, this.#protect);
  }

  /** Drops the unfinished message. */
  clear(): void {
    this.#body = undefined;
    this.#length = this.#lengthBytes = 0;
  }

  /** Takes what belongs to the unfinished message, or begins one. Returns where that ends. */
  #continue(plaintext: Uint8Array, from: number): number {
    let at = from;
    while (this.#lengthBytes < LENGTH_FIELD) {
      if (at === plaintext.length || this.#tooBig !== undefined) return at;
      this.#length = this.#length * 256 + (plaintext[at++] as number);
      this.#lengthBytes++;
    }
    if (this.#length > this.#maxMessage) {
      this.#tooBig = this.#length;
      return at;
    }
    this.#body ??= new GrowableBuffer(this.#length);
    const end = Math.min(plaintext.length, at + this.#body.missing);
    this.#body.append(plaintext.subarray(at, end));
    return end;
  }
}

/** A message that has memory of its own already. */
class SingleMessage implements Batch {
  #message: Bytes | undefined;

  constructor(message: Bytes) {
    this.#message = message;
  }

  get count(): number {
    return this.#message === undefined ? 0 : 1;
  }

  get bytes(): number {
    return this.#message?.length ?? 0;
  }

  get held(): number {
    return this.bytes;
  }

  next(): Bytes | undefined {
    const message = this.#message;
    this.#message = undefined;
    return message;
  }
}

/** The messages of one record, still uncut, behind one that began in an earlier record. */
class RecordBatch implements Batch {
  readonly #plaintext: Uint8Array;
  readonly #memory: MessageMemory;
  #at: number;
  #count: number;
  #bytes: number;
  #first: Bytes | undefined;

  constructor(
    plaintext: Uint8Array,
    place: { readonly at: number; readonly count: number; readonly bytes: number },
    first: Bytes | undefined,
    protect: ProtectMemory | undefined,
  ) {
    this.#plaintext = plaintext;
    this.#memory = new MessageMemory(plaintext, protect);
    this.#at = place.at;
    this.#count = place.count + (first ? 1 : 0);
    this.#bytes = place.bytes + (first?.length ?? 0);
    this.#first = first;
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get held(): number {
    return this.#count === 0 ? 0 : this.#memory.held + (this.#first?.length ?? 0);
  }

  next(): Bytes | undefined {
    if (this.#count === 0) return undefined;
    const message = this.#first ?? this.#cut();
    this.#first = undefined;
    this.#count--;
    this.#bytes -= message.length;
    return message;
  }

  #cut(): Bytes {
    const from = this.#at + LENGTH_FIELD;
    const length = readU32(this.#plaintext, this.#at);
    this.#at = from + length;
    return this.#memory.cut(from, length, this);
  }
}

function readU32(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16);
  return (high | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)) >>> 0;
}
