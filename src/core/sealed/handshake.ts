import type { AeadName, Backend, RsaPublicKey } from '../../backend.js';
import { SecureSocketError } from '../../errors.js';
import { isSame } from '../bytes.js';
import { decodeSpki } from '../encodings/der.js';
import { checkSealedKey } from '../encodings/rsa-key.js';
import { encodeHex } from '../encodings/text.js';
import { type Chunk, type PeerKey, peek, read, type Script } from '../script.js';
import { ascii, concat, malformedMessage, u16 } from './codec.js';
import { openRecord, sealRecord } from './later.js';
import { bodyLength, MAGIC, MESSAGE_HEADER, type ReceiveLimits } from './messages.js';
import {
  HANDSHAKE_RECORD_LIMIT,
  RECORD_HEADER,
  RECORD_OVERHEAD,
  RecordType,
  readU24,
  TrafficKey,
} from './records.js';
import type { TicketReceiver } from './resumption.js';
import { KeySchedule, Transcript } from './schedule.js';
import { type SuiteName, suites } from './suites.js';

/** The part of a script before the connection is open, and what it gives in the end. */
export type Handshaking<Result> = Script<Result>;

/** What outlives the secrets of a handshake. */
export interface ApplicationKeys {
  readonly sending: TrafficKey;
  readonly receiving: TrafficKey;
  readonly exporterSecret: Uint8Array;
}

/** What a handshake gives. */
export interface Established extends ApplicationKeys {
  readonly suite: SuiteName;
  readonly peer: PeerKey | null;
  readonly peerLimits: ReceiveLimits;
  /** Whether a ticket took the place of the RSA key. */
  readonly resumed: boolean;
  /** The payloads of the TICKET records that a server begins with. */
  readonly tickets?: readonly Uint8Array[];
  /** Where a client's tickets go. */
  readonly ticketReceiver?: TicketReceiver | undefined;
}

/** Receives the secrets of a connection, so that a capture can be decrypted. */
export type KeyLog = (line: string) => void;

/** The label of the RSA secret in CLIENT_KEY. */
export const OAEP_LABEL: Uint8Array = ascii('sealed v1 server key');
/** Length of that secret. */
export const RSA_SECRET_LENGTH = 32;

/** What the first byte of a classic server's pickled key can be. */
const CLASSIC_FIRST_BYTES = [0x80, 0x28, 0x63];

/** What a handshake takes of the options of an end. */
export interface HandshakeOptions {
  readonly backend: Backend;
  readonly keylog?: KeyLog | undefined;
  /** Whether records may be left to a platform that computes elsewhere. */
  readonly isPatient?: boolean | undefined;
}

/**
 * What both ends keep during the handshake. The limits of a body and of a record bound what a peer can make an end
 * read before it is open: four messages, with their records 16476 bytes.
 *
 * Keys follow from the transcript as it is at the moment (H3, H4), so the order of calls is the protocol: a message is
 * added before or after a key is derived because the specification says so, and the other way round both ends would
 * get keys that differ, or that do not cover the message. `seal` adds what it encrypts; what was received is added by
 * those who have checked it.
 */
export class Handshake {
  readonly transcript: Transcript;
  readonly schedule: KeySchedule;
  readonly #backend: Backend;
  readonly #isClient: boolean;
  #cipher: AeadName | undefined;
  #sending: TrafficKey | undefined;
  #receiving: TrafficKey | undefined;
  readonly #keylog: KeyLog | undefined;
  readonly #isPatient: boolean;

  constructor({ backend, keylog, isPatient = false }: HandshakeOptions, role: 'client' | 'server') {
    this.#backend = backend;
    this.#keylog = keylog;
    this.#isPatient = isPatient;
    this.#isClient = role === 'client';
    this.transcript = new Transcript(backend);
    this.schedule = new KeySchedule(backend, this.transcript);
  }

  /** SERVER_HELLO has named the suite, and with it both ends share a secret: on to the first keys. */
  begin(suite: SuiteName, secret: Uint8Array): void {
    this.#cipher = suites[suite].cipher;
    this.schedule.mix(secret);
    this.nextKeys('hs');
  }

  /** On to the keys of the next stage, over the transcript as it is now. */
  nextKeys(stage: 'hs' | 'ahs'): void {
    this.#wipeKeys();
    const client = this.key(stage === 'hs' ? 'c hs traffic' : 'c ahs traffic');
    const server = this.key(stage === 'hs' ? 's hs traffic' : 's ahs traffic');
    [this.#sending, this.#receiving] = this.#isClient ? [client, server] : [server, client];
  }

  /** A key derived from the current secret; the caller wipes it. */
  key(label: string): TrafficKey {
    const secret = this.schedule.derive(label);
    this.#keylog?.(keylogLine(label, this.transcript.clientRandom, secret));
    return new TrafficKey(this.#backend, this.#cipher as AeadName, secret);
  }

  /** The record of a message of ours, which joins the transcript. */
  seal(message: Uint8Array): Chunk[] {
    this.transcript.add(message);
    return this.#seal(RecordType.handshake, message);
  }

  /** A CLOSE in place of a message. */
  sealClose(code: number): Chunk[] {
    return this.#seal(RecordType.close, u16(code));
  }

  /** The first message of the peer, which is not encrypted: of one of these types. */
  *readBare(types: readonly number[]): Handshaking<Uint8Array> {
    const header = yield* peekHeader();
    return concat(yield* read(MESSAGE_HEADER + bodyLength(header, types)));
  }

  /** The plaintext of the next record, type first; `null` if its length or its tag is wrong. */
  *readRecord(): Handshaking<Uint8Array | null> {
    const header = yield* read(RECORD_HEADER);
    const length = readU24(header);
    if (length < RECORD_OVERHEAD || length > HANDSHAKE_RECORD_LIMIT) return null;
    const ciphertext = yield* read(length);
    return yield* openRecord(this.#receiving as TrafficKey, ciphertext, this.#isPatient);
  }

  wipe(): void {
    this.schedule.wipe();
    this.#wipeKeys();
  }

  #wipeKeys(): void {
    this.#sending?.wipe();
    this.#receiving?.wipe();
  }

  #seal(type: number, payload: Uint8Array): Chunk[] {
    const key = this.#sending as TrafficKey;
    return sealRecord(key, [Uint8Array.of(type), payload], 1 + payload.length, this.#isPatient);
  }
}

/**
 * The header of the peer's first message, and perhaps more. The magic is compared as far as it has come, so that a peer
 * of another protocol is found out by its first wrong byte: one that waits for an answer would send no more, and both
 * would wait until the deadline.
 */
function* peekHeader(): Handshaking<Uint8Array> {
  let min = 1;
  for (;;) {
    // at the end of the stream there is nothing to be read, and the session says so
    const header = (yield* peek(min, 0)) ?? (yield* read(min));
    for (let i = min - 1; i < header.length && i < MAGIC.length; i++)
      if (header[i] !== MAGIC[i]) throw notSealed(header[i] as number);
    if (header.length >= MESSAGE_HEADER) return header;
    min = header.length + 1;
  }
}

/** What a HANDSHAKE record carries. */
export function handshakeMessage(plaintext: Uint8Array): Uint8Array {
  if (plaintext[0] === RecordType.handshake) return plaintext.subarray(1);
  throw malformedMessage('record', `type ${plaintext[0]} instead of a handshake message`);
}

/** Keys met last by each backend: a client that connects again meets the same server. */
const recentKeys = new WeakMap<Backend, { spki: Uint8Array; key: RsaPublicKey }[]>();
const RECENT_KEYS = 8;

/** A peer's RSA key out of its strict encoding (E1, E2), or as it was imported before. */
export function importPeerKey(backend: Backend, spki: Uint8Array): RsaPublicKey {
  const recent = recentKeys.get(backend) ?? [];
  const known = recent.find((entry) => isSame(entry.spki, spki));
  if (known) return known.key;
  const key = importKey(backend, spki);
  recentKeys.set(backend, [{ spki: spki.slice(), key }, ...recent.slice(0, RECENT_KEYS - 1)]);
  return key;
}

function importKey(backend: Backend, spki: Uint8Array): RsaPublicKey {
  const numbers = decodeSpki(spki);
  checkSealedKey(numbers);
  try {
    return backend.rsaPublicKey(numbers);
  } catch (error) {
    throw new SecureSocketError('BAD_KEY', 'the components of the RSA key are inconsistent', {
      cause: error,
    });
  }
}

/** The shape of NSS key logs: a label, the client random that names the connection, the secret; in hex. */
function keylogLine(label: string, clientRandom: Uint8Array, secret: Uint8Array): string {
  return `SEALED1_${label.toUpperCase().replaceAll(' ', '_')} ${encodeHex(clientRandom)} ${encodeHex(secret)}`;
}

function notSealed(byte: number): SecureSocketError {
  const hint = CLASSIC_FIRST_BYTES.includes(byte)
    ? "the peer seems to speak CLASSIC, for which both ends need protocol: 'classic'"
    : 'is there another service on this port?';
  const hex = byte.toString(16).padStart(2, '0');
  return new SecureSocketError(
    'NOT_SEALED',
    `the peer does not speak SEALED (unexpected byte 0x${hex}): ${hint}`,
  );
}
