import { SecureSocketError } from '../../errors.js';
import type { Chunk, Sender } from '../script.js';
import { SMALL_MESSAGE, Staging } from '../staging.js';
import { concat, u16, u32 } from './codec.js';
import { sealRecord } from './later.js';
import { PADDED_HEADER, type Padding, paddedLength } from './padding.js';
import { RECORD_HEADER, RECORD_OVERHEAD, RecordType, TAG_LENGTH, type TrafficKey } from './records.js';

/** Records and bytes that one key protects at most. */
export interface KeyLimits {
  readonly records: number;
  readonly bytes: number;
}

/** The limits of a sender (docs/protocol.md, R4.1); tests lower them, nothing raises them. */
export const SEND_LIMITS: KeyLimits = { records: 2 ** 20, bytes: 2 ** 36 };

/** A key is not used for longer, in milliseconds, if there are messages to send (R4.2). */
const KEY_LIFE = 3_600_000;

const LENGTH_FIELD = 4;
const NONE = new Uint8Array(0);
/** What a KEY_UPDATE takes of a key's bytes. */
const KEY_UPDATE_LENGTH = RECORD_OVERHEAD;

/** What a sender needs to know. */
export interface SenderOptions {
  /** The largest message that the peer takes. */
  readonly maxMessage: number;
  /** The largest payload of a DATA record that both ends take. */
  readonly maxRecord: number;
  /** Bytes that are worth encrypting at once. */
  readonly partLength: number;
  /** Whether the platform may encrypt records asynchronously, so that their chunks are ready later. */
  readonly isPatient: boolean;
  readonly limits: KeyLimits;
  /** How the lengths of records are hidden, if they are. */
  readonly padding?: Padding | undefined;
}

/**
 * Turns messages into records: those of one tick into one record, large ones into records of their own.
 *
 * Order is everything here, since the number of a record is its nonce and is nowhere on the wire. A record gets its
 * number when it is sealed and must leave in that order: `flush`, `close` and the control records give all that was
 * sealed before, and what the platform encrypts later keeps its place in the outbox. Messages that are only
 * staged have no number yet, so PING and PONG may leave before them; a message that is sealed alone may not, and
 * what is staged is sealed first.
 */
export class SealedSender implements Sender {
  readonly maxMessage: number;
  readonly partLength: number;
  /** Bytes of messages in a record, and of its payload. */
  readonly #maxRecord: number;
  readonly #longest: number;
  readonly #padding: Padding | undefined;
  readonly #limits: KeyLimits;
  readonly #key: TrafficKey;
  /** The type of a record, then messages behind their lengths. */
  readonly #staging = new Staging();
  readonly #isPatient: boolean;
  #records: Chunk[] = [];
  #recordBytes = 0;
  #rekeyWanted = false;
  /** When the key came into use, and when it was last asked, both by the owner's clock. */
  #keyedAt: number | undefined;
  #now = 0;
  #isClosed = false;

  constructor(key: TrafficKey, options: SenderOptions) {
    this.#key = key;
    this.maxMessage = options.maxMessage;
    this.partLength = options.partLength;
    this.#isPatient = options.isPatient;
    this.#longest = options.maxRecord;
    this.#padding = options.padding;
    this.#maxRecord = options.maxRecord - (options.padding === undefined ? 0 : PADDED_HEADER);
    this.#limits = options.limits;
  }

  get staged(): number {
    return this.#recordBytes + this.#staging.used;
  }

  stage(message: Uint8Array, from = 0, max: number = Number.POSITIVE_INFINITY): number {
    if (this.#isClosed) throw new SecureSocketError('CLOSED', 'the connection has been closed');
    if (message.length > this.maxMessage) throw tooLarge(message.length, this.maxMessage);
    if (message.length >= SMALL_MESSAGE || message.length + LENGTH_FIELD > this.#maxRecord)
      return this.#sealAlone(message, from, max);
    this.#copy(message);
    return message.length;
  }

  flush(now?: number): Chunk[] {
    if (now !== undefined) this.#watchKey(now);
    this.#sealStaged();
    return this.#take();
  }

  close(code: number): Chunk[] {
    if (this.#isClosed) return [];
    this.#sealStaged();
    this.#seal([Uint8Array.of(RecordType.close), u16(code)], 3);
    const chunks = this.#take();
    this.abandon();
    return chunks;
  }

  ping(): Chunk[] {
    return this.#control(RecordType.ping);
  }

  pong(): Chunk[] {
    return this.#control(RecordType.pong);
  }

  /** A ticket for the peer to come back with. */
  ticket(payload: Uint8Array): Chunk[] {
    return this.#control(RecordType.ticket, payload);
  }

  rekey(): void {
    this.#rekeyWanted = true;
  }

  /** Nothing more is sent, not even a CLOSE; what was staged is dropped and the keys are wiped. */
  abandon(): void {
    this.#isClosed = true;
    this.#staging.release();
    this.#records = [];
    this.#recordBytes = 0;
    this.#key.wipe();
  }

  /** Before what is staged but not yet sealed, behind what is. */
  #control(type: number, payload: Uint8Array = NONE): Chunk[] {
    if (this.#isClosed) return [];
    this.#seal([Uint8Array.of(type), payload], 1 + payload.length);
    return this.#take();
  }

  #copy(message: Uint8Array): void {
    const { length } = message;
    const at = this.#reserve(LENGTH_FIELD + length);
    const { buffer } = this.#staging;
    buffer[at] = length >>> 24;
    buffer[at + 1] = length >>> 16;
    buffer[at + 2] = length >>> 8;
    buffer[at + 3] = length;
    buffer.set(message, at + LENGTH_FIELD);
  }

  /** Where in the staging buffer there is room, in this record or in the next. */
  #reserve(length: number): number {
    if (this.#staging.used + length <= this.#maxRecord + 1) {
      if (this.#staging.used === 0) this.#startRecord();
      const at = this.#staging.reserve(length);
      if (at >= 0) return at;
    }
    this.#sealStaged();
    this.#startRecord();
    return this.#staging.reserve(length);
  }

  #startRecord(): void {
    const at = this.#staging.reserve(1);
    this.#staging.buffer[at] = RecordType.data;
  }

  #sealStaged(): void {
    const { used } = this.#staging;
    if (used === 0) return;
    this.#sealData([this.#staging.bytes], used);
    this.#staging.release();
  }

  /** A message behind what was staged, in as many records as it takes, without copying it. */
  #sealAlone(message: Uint8Array, from: number, max: number): number {
    this.#sealStaged();
    const type = Uint8Array.of(RecordType.data);
    let at = from;
    if (from === 0) {
      at = Math.min(message.length, this.#maxRecord - LENGTH_FIELD);
      const head = concat(type, u32(message.length));
      this.#sealData([head, message.subarray(0, at)], head.length + at);
    }
    while (at < message.length && at - from < max) {
      const body = message.subarray(at, at + this.#maxRecord);
      this.#sealData([type, body], 1 + body.length);
      at += body.length;
    }
    return at;
  }

  /** R4.2: an update that was asked for stands directly before a DATA record, and never first under a key. */
  #sealData(plaintext: readonly Uint8Array[], length: number): void {
    if (this.#rekeyWanted) this.#update();
    if (this.#padding === undefined) this.#seal(plaintext, length);
    else this.#sealPadded(this.#padding, plaintext, length - 1);
  }

  /** The same bytes of messages behind their number, without the type of DATA, and zeros. */
  #sealPadded(padding: Padding, [first, ...rest]: readonly Uint8Array[], count: number): void {
    const head = concat(Uint8Array.of(RecordType.padded), u32(count).subarray(1));
    const length = paddedLength(padding, PADDED_HEADER + count, this.#longest);
    const zeros = new Uint8Array(length - PADDED_HEADER - count);
    this.#seal([head, (first as Uint8Array).subarray(1), ...rest, zeros], 1 + length);
  }

  #seal(plaintext: readonly Uint8Array[], length: number): void {
    if (this.#isAtLimit(length + TAG_LENGTH)) this.#update();
    this.#push(plaintext, length);
  }

  /** R4.1: whether this record would leave no room for the KEY_UPDATE, which the key protects too. */
  #isAtLimit(ciphertextLength: number): boolean {
    const { sequence, bytes } = this.#key;
    return (
      sequence + 1 >= this.#limits.records ||
      bytes + ciphertextLength + KEY_UPDATE_LENGTH > this.#limits.bytes
    );
  }

  /** There is no clock here: the first call starts the life of the key. */
  #watchKey(now: number): void {
    this.#now = now;
    this.#keyedAt ??= now;
    if (now - this.#keyedAt > KEY_LIFE) this.#rekeyWanted = true;
  }

  #update(): void {
    this.#rekeyWanted = false;
    this.#keyedAt = this.#now;
    // a key that has protected nothing is as fresh as the next one, and the peer refuses an update there (R4.2)
    if (this.#key.sequence === 0) return;
    this.#push([Uint8Array.of(RecordType.keyUpdate)], 1);
    this.#key.update();
  }

  #push(plaintext: readonly Uint8Array[], length: number): void {
    this.#records.push(...sealRecord(this.#key, plaintext, length, this.#isPatient));
    this.#recordBytes += RECORD_HEADER + length + TAG_LENGTH;
  }

  #take(): Chunk[] {
    const records = this.#records;
    this.#records = [];
    this.#recordBytes = 0;
    return records;
  }
}

function tooLarge(length: number, limit: number): SecureSocketError {
  return new SecureSocketError(
    'MESSAGE_TOO_BIG_FOR_PEER',
    `the message has ${length} bytes, the peer takes ${limit}; raise its maxMessage or send less`,
  );
}
