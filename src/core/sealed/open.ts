import type { Backend, Later } from '../../backend.js';
import { type ErrorCode, SecureSocketError } from '../../errors.js';
import type { ProtectMemory } from '../message-memory.js';
import { type Ask, perform, type Script } from '../script.js';
import { partLengthOf } from '../staging.js';
import type { Established, Handshaking, KeyLog } from './handshake.js';
import { OpenKeys } from './open-keys.js';
import { contentOf, type Padding } from './padding.js';
import { RECORD_HEADER, RECORD_OVERHEAD, RecordType, readU24, type TrafficKey } from './records.js';
import type { TicketReceiver } from './resumption.js';
import { type KeyLimits, SEND_LIMITS, SealedSender } from './sender.js';
import { MessageStream, SHORT_PLAINTEXT } from './stream.js';

/** What both ends of a sealed connection need to know beside their handshake. */
export interface OpenOptions {
  readonly backend: Backend;
  /** The longest message taken, in bytes. */
  readonly maxMessage: number;
  /** The largest payload of a DATA record taken, in bytes. */
  readonly maxRecord: number;
  /** How messages are kept from being transferred together. */
  readonly protectMemory?: ProtectMemory | undefined;
  /** How the lengths of what is sent are hidden, if they are. */
  readonly padding?: Padding | undefined;
  /** Told each traffic secret of the connection, as it comes into being. */
  readonly keylog?: KeyLog | undefined;
  /** Whether records may be left to a platform that computes elsewhere. Default false: all is done at once. */
  readonly isPatient?: boolean | undefined;
  /** Lower limits for what one key protects; higher ones have no effect. */
  readonly keyLimits?:
    | { readonly send?: Partial<KeyLimits>; readonly receive?: Partial<KeyLimits> }
    | undefined;
}

/** At this many records or bytes under one key a receiver gives up (docs/protocol.md, R4.3). */
export const RECEIVE_LIMITS: KeyLimits = { records: 2 ** 22, bytes: 2 ** 38 };

/** With which CLOSE an error of the open connection is told to the peer; all others in silence. */
const closeCodeOf: Partial<Record<ErrorCode, number>> = { PROTOCOL: 6, MESSAGE_TOO_BIG: 3, PEER_CLOSED: 0 };

const HEADER: Ask = { type: 'read', count: RECORD_HEADER };
/** Where short records are decrypted to, of all connections: what is kept of them is copied before the next `yield`. */
const scratch: Uint8Array = new Uint8Array(SHORT_PLAINTEXT);

/** A whole connection: the handshake, then records until the peer closes. */
export function* sealedConnection(handshake: () => Handshaking<Established>, options: OpenOptions): Script {
  const established = yield* handshake();
  const { receiving, suite, peer, resumed, tickets, ticketReceiver } = established;
  const sender = makeSender(established, options);
  let isOrderly = false;
  try {
    const keys = new OpenKeys(options.backend, established);
    yield { type: 'open', result: { sender, peer, suite, resumed, keys } };
    if (tickets?.length)
      yield { type: 'write', chunks: tickets.flatMap((payload) => sender.ticket(payload)) };
    yield { type: 'ended', closeCode: yield* receiveRecords(receiving, options, ticketReceiver) };
    isOrderly = true;
  } catch (error) {
    const closeCode = error instanceof SecureSocketError ? closeCodeOf[error.code] : undefined;
    if (closeCode !== undefined) yield { type: 'finalBytes', chunks: sender.close(closeCode) };
    throw error;
  } finally {
    receiving.wipe();
    ticketReceiver?.wipe();
    // after an orderly end of the peer's half, ours may go on
    if (!isOrderly) sender.abandon();
  }
}

/** Records until a CLOSE, whose code is returned. */
function* receiveRecords(
  key: TrafficKey,
  options: OpenOptions,
  tickets: TicketReceiver | undefined,
): Handshaking<number> {
  const limits = lower(RECEIVE_LIMITS, options.keyLimits?.receive);
  const longest = options.maxRecord + RECORD_OVERHEAD;
  const stream = new MessageStream(options.maxMessage, options.protectMemory);
  for (;;) {
    // yielded by hand: the generators of `read` would be two objects for each record
    const length = readU24((yield HEADER) as Uint8Array);
    checkRecord(length, longest, key, limits);
    const ciphertext = (yield { type: 'read', count: length }) as Uint8Array;
    const later = options.isPatient ? key.openLater(ciphertext) : undefined;
    const plaintext = later === undefined ? key.open(ciphertext, scratch) : yield* awaitPlaintext(later);
    if (plaintext === null)
      throw new SecureSocketError('DECRYPT_FAILED', 'a record was changed, repeated or reordered in transit');
    const type = plaintext[0];
    if (type === RecordType.data || type === RecordType.padded) {
      const isPadded = type === RecordType.padded;
      const content = isPadded ? contentOf(plaintext) : plaintext;
      // cover traffic: no message, and no activity
      if (content.length === 0) continue;
      checkPayload(plaintext);
      const batch = stream.push(content, isPadded ? 0 : 1);
      yield { type: 'received', batch, held: stream.held };
      if (stream.tooBig !== undefined) throw tooBig(stream.tooBig, options.maxMessage);
    } else if (type === RecordType.close) return closeCode(plaintext, stream);
    else if (type === RecordType.ticket && tickets) tickets.receive(plaintext.subarray(1));
    else if (type === RecordType.ticket) throw violation('a ticket that was not asked for');
    else {
      checkEmpty(plaintext);
      if (type === RecordType.ping) yield { type: 'pong' };
      else if (type === RecordType.keyUpdate) update(key);
      else if (type === RecordType.pong) yield { type: 'answered', bytes: RECORD_HEADER + length };
      else throw violation(`a record of type ${type}`);
    }
  }
}

/** A record's plaintext when the platform has it, which has begun already. */
function* awaitPlaintext(later: Later<Uint8Array | null>): Handshaking<Uint8Array | null> {
  return yield* perform(() => later, 'record');
}

function makeSender({ sending, peerLimits }: Established, options: OpenOptions): SealedSender {
  return new SealedSender(sending, {
    maxMessage: peerLimits.maxMessage,
    maxRecord: Math.min(peerLimits.maxRecord, options.maxRecord),
    partLength: partLengthOf(options.backend),
    isPatient: options.isPatient ?? false,
    limits: lower(SEND_LIMITS, options.keyLimits?.send),
    padding: options.padding,
  });
}

/** A key is used up at the same record at both ends of a broken sender, so nothing is decrypted beyond. */
function checkRecord(length: number, longest: number, key: TrafficKey, limits: KeyLimits): void {
  if (length < RECORD_OVERHEAD || length > longest) {
    throw violation(`a record of ${length} bytes, which is not ${RECORD_OVERHEAD} to ${longest}`);
  }
  if (key.sequence >= limits.records || key.bytes + length >= limits.bytes) {
    throw violation(`more under one key than ${limits.records} records or ${limits.bytes} bytes`);
  }
}

function checkPayload(plaintext: Uint8Array): void {
  if (plaintext.length === 1) throw violation('an empty DATA record');
}

function checkEmpty(plaintext: Uint8Array): void {
  if (plaintext.length > 1) throw violation(`a record of type ${plaintext[0]} with a payload`);
}

/** One update after another without a record between them is a way to make us work, and nothing else. */
function update(key: TrafficKey): void {
  if (key.sequence === 1) throw violation('a KEY_UPDATE as the first record under its key');
  key.update();
}

/** The code of an orderly CLOSE (R7). */
function closeCode(plaintext: Uint8Array, stream: MessageStream): number {
  if (plaintext.length !== 3) throw violation('a CLOSE without a code of two bytes');
  const code = ((plaintext[1] as number) << 8) | (plaintext[2] as number);
  if (code >= 2 && code < FIRST_APPLICATION_CODE) throw peerClosed(code);
  if (stream.isAtBoundary) return code;
  throw new SecureSocketError('TRUNCATED', 'the peer closed inside a message');
}

function peerClosed(code: number): SecureSocketError {
  const reason = closeReasons[code - 2] ?? 'an error that this version does not know';
  const why = `the peer closed the connection with code ${code} (${reason})`;
  return new SecureSocketError('PEER_CLOSED', why, { closeCode: code });
}

function tooBig(length: number, limit: number): SecureSocketError {
  return new SecureSocketError(
    'MESSAGE_TOO_BIG',
    `the peer began a message of ${length} bytes, maxMessage is ${limit}`,
  );
}

function violation(what: string): SecureSocketError {
  return new SecureSocketError('PROTOCOL', `the peer sent ${what}`);
}

function lower(limits: KeyLimits, wanted: Partial<KeyLimits> | undefined): KeyLimits {
  return {
    records: Math.min(limits.records, wanted?.records ?? limits.records),
    bytes: Math.min(limits.bytes, wanted?.bytes ?? limits.bytes),
  };
}

const FIRST_APPLICATION_CODE = 0x4000;
const closeReasons = ['unauthorized', 'message too big', 'idle timeout', 'internal error', 'protocol error'];
