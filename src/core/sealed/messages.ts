import { SecureSocketError } from '../../errors.js';
import { ascii, concat, malformedMessage, Reader, u16, u32, vec16 } from './codec.js';
import {
  decodeAcceptance,
  decodeHelloExtensions,
  encodeAcceptance,
  encodeHelloExtensions,
  type HelloExtensions,
} from './extensions.js';
import { isHybridId } from './suites.js';

/** The types of handshake messages (docs/protocol.md, M1 to M15). */
export const MessageType = {
  clientHello: 1,
  serverHello: 2,
  serverIdentity: 3,
  clientKey: 4,
  clientAuth: 5,
  clientFinished: 6,
  serverFinished: 7,
  reject: 15,
} as const;

/** What every handshake message begins with. */
export const MAGIC: Uint8Array = ascii('SEAL');
/** Bytes before the body of a handshake message. */
export const MESSAGE_HEADER = 8;
/** The longest body of a handshake message: what an unauthenticated peer can make an end hold. */
const MAX_BODY = 4096;

const LAYOUT = 1;
const RANDOM_LENGTH = 32;
const SHARE_LENGTH = 32;
const MAC_LENGTH = 32;
const KEM_KEY_LENGTH = 1184;
const KEM_CIPHERTEXT_LENGTH = 1088;

const NONE = new Uint8Array(0);
/** An empty block. */
const NO_EXTENSIONS: Uint8Array = vec16(NONE);

const nameOf: Readonly<Record<number, string>> = {
  1: 'CLIENT_HELLO',
  2: 'SERVER_HELLO',
  3: 'SERVER_IDENTITY',
  4: 'CLIENT_KEY',
  5: 'CLIENT_AUTH',
  6: 'CLIENT_FINISHED',
  7: 'SERVER_FINISHED',
  15: 'REJECT',
};

/** CLIENT_HELLO. */
export interface ClientHello extends HelloExtensions {
  readonly random: Uint8Array;
  readonly suites: readonly number[];
  readonly x25519: Uint8Array;
  /** Empty unless a hybrid suite is offered. */
  readonly kemKey: Uint8Array;
}

/** SERVER_HELLO. */
export interface ServerHello {
  readonly random: Uint8Array;
  readonly suite: number;
  readonly x25519: Uint8Array;
  /** Empty unless the suite is a hybrid one. */
  readonly kemCiphertext: Uint8Array;
  /** Whether the ticket is accepted; not if absent. */
  readonly resumed?: boolean;
}

/** The largest message and the largest DATA payload that an end takes. */
export interface ReceiveLimits {
  readonly maxMessage: number;
  readonly maxRecord: number;
}

/** SERVER_IDENTITY. `clients`: 0 none, 1 optional, 2 required. */
export interface ServerIdentity extends ReceiveLimits {
  readonly clients: number;
  readonly spki: Uint8Array;
}

/** CLIENT_AUTH. Without a proof the client stays anonymous. */
export interface ClientAuth extends ReceiveLimits {
  readonly proof: { readonly spki: Uint8Array; readonly signature: Uint8Array } | null;
}

export function encodeClientHello(hello: ClientHello): Uint8Array {
  const { random, x25519, kemKey } = hello;
  const suites = encodeSuites(hello.suites);
  const extensions = encodeHelloExtensions(hello);
  return message(MessageType.clientHello, random, suites, x25519, vec16(kemKey), extensions);
}

/** The numbers of the suites, behind how many there are. */
function encodeSuites(suites: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(1 + 2 * suites.length);
  bytes[0] = suites.length;
  for (let i = 0; i < suites.length; i++) bytes.set(u16(suites[i] as number), 1 + 2 * i);
  return bytes;
}

/**
 * Strict, as all decoders here: what is doubled, out of order or of another length is malformed, even where it could be
 * understood. Both ends hash the bytes, and two readings of the same bytes are what attacks on transcripts are made of.
 */
export function decodeClientHello(bytes: Uint8Array): ClientHello {
  const reader = bodyReader(bytes, MessageType.clientHello);
  const random = reader.take(RANDOM_LENGTH);
  const count = reader.within(reader.u8(), 1, 8, 'the number of suites');
  const suites = Array.from({ length: count }, () => reader.u16());
  if (new Set(suites).size !== count) throw malformedMessage('CLIENT_HELLO', 'a suite is offered twice');
  const x25519 = reader.take(SHARE_LENGTH);
  const kemKey = reader.vec16();
  reader.within(
    kemKey.length,
    ...exactly(suites.some(isHybridId) ? KEM_KEY_LENGTH : 0),
    'the length of the ML-KEM key',
  );
  const extensions = decodeHelloExtensions(reader.extensions());
  reader.end();
  return { random, suites, x25519, kemKey, ...extensions };
}

export function encodeServerHello(hello: ServerHello): Uint8Array {
  return message(
    MessageType.serverHello,
    hello.random,
    u16(hello.suite),
    hello.x25519,
    vec16(hello.kemCiphertext),
    encodeAcceptance(hello.resumed === true),
  );
}

export function decodeServerHello(bytes: Uint8Array): ServerHello {
  const reader = bodyReader(bytes, MessageType.serverHello);
  const random = reader.take(RANDOM_LENGTH);
  const suite = reader.u16();
  const x25519 = reader.take(SHARE_LENGTH);
  const kemCiphertext = reader.vec16();
  const length = isHybridId(suite) ? KEM_CIPHERTEXT_LENGTH : 0;
  reader.within(kemCiphertext.length, ...exactly(length), 'the length of the ML-KEM ciphertext');
  const resumed = decodeAcceptance(reader.extensions());
  reader.end();
  return { random, suite, x25519, kemCiphertext, resumed };
}

export function encodeServerIdentity(identity: ServerIdentity): Uint8Array {
  const clients = Uint8Array.of(identity.clients);
  return message(MessageType.serverIdentity, clients, limits(identity), vec16(identity.spki), NO_EXTENSIONS);
}

export function decodeServerIdentity(bytes: Uint8Array): ServerIdentity {
  const reader = bodyReader(bytes, MessageType.serverIdentity);
  const clients = reader.within(reader.u8(), 0, 2, 'the mode of client authentication');
  const received = readLimits(reader);
  const spki = reader.vec16();
  reader.extensions();
  reader.end();
  return { clients, ...received, spki };
}

export function encodeClientKey(ciphertext: Uint8Array): Uint8Array {
  return message(MessageType.clientKey, vec16(ciphertext));
}

/** The RSA ciphertext in CLIENT_KEY. */
export function decodeClientKey(bytes: Uint8Array): Uint8Array {
  const reader = bodyReader(bytes, MessageType.clientKey);
  const ciphertext = reader.vec16();
  reader.end();
  return ciphertext;
}

export function encodeClientAuth(auth: ClientAuth): Uint8Array {
  const { proof } = auth;
  const mode = Uint8Array.of(proof === null ? 0 : 1);
  const spki = vec16(proof?.spki ?? NONE);
  const signature = vec16(proof?.signature ?? NONE);
  return message(MessageType.clientAuth, limits(auth), mode, spki, signature, NO_EXTENSIONS);
}

export function decodeClientAuth(bytes: Uint8Array): ClientAuth {
  const reader = bodyReader(bytes, MessageType.clientAuth);
  const received = readLimits(reader);
  const mode = reader.within(reader.u8(), 0, 1, 'the mode');
  const spki = reader.vec16();
  const signature = reader.vec16();
  reader.extensions();
  reader.end();
  if (mode === 1) return { ...received, proof: { spki, signature } };
  if (spki.length + signature.length > 0)
    throw malformedMessage('CLIENT_AUTH', 'an anonymous client shows a key');
  return { ...received, proof: null };
}

export function encodeFinished(type: 6 | 7, mac: Uint8Array): Uint8Array {
  return message(type, mac);
}

/** The MAC in CLIENT_FINISHED or SERVER_FINISHED. */
export function decodeFinished(bytes: Uint8Array, type: 6 | 7): Uint8Array {
  const reader = bodyReader(bytes, type);
  const mac = reader.take(MAC_LENGTH);
  reader.end();
  return mac;
}

export function encodeReject(code: 1 | 2): Uint8Array {
  return message(MessageType.reject, Uint8Array.of(code));
}

/** The error that a REJECT stands for. It is not authenticated, so it is only a hint (M15). */
export function decodeReject(bytes: Uint8Array): SecureSocketError {
  const reader = bodyReader(bytes, MessageType.reject);
  const code = reader.within(reader.u8(), 1, 2, 'the code');
  reader.end();
  return code === 1
    ? new SecureSocketError(
        'NO_COMMON_SUITE',
        'the server knows none of the suites offered; compare the option suites of both ends',
      )
    : new SecureSocketError('BUSY', 'the server has too many connections or handshakes: try again later');
}

/** What a client signs to prove its identity (RFC 8446 4.4.3, with a text of our own). */
export function signatureInput(transcriptHash: Uint8Array): Uint8Array {
  return concat(SIGNATURE_CONTEXT, transcriptHash);
}

const SIGNATURE_CONTEXT = ascii(`${' '.repeat(64)}sealed v1, client authentication\0`);

/** The length of the body that a header announces, once the header is one of `types`. */
export function bodyLength(header: Uint8Array, types: readonly number[]): number {
  const type = header[4] as number;
  if (!types.includes(type))
    throw new SecureSocketError(
      'PROTOCOL',
      `expected ${names(types)}, got ${nameOf[type] ?? `type ${type}`}`,
    );
  if (header[5] !== LAYOUT) throw malformedMessage(names(types), `its layout is ${header[5]}, not ${LAYOUT}`);
  const length = ((header[6] as number) << 8) | (header[7] as number);
  if (length > MAX_BODY)
    throw malformedMessage(names(types), `its body of ${length} bytes is beyond ${MAX_BODY}`);
  return length;
}

/** The messages that were expected, in the words of an error. */
function names(types: readonly number[]): string {
  return types.map((type) => nameOf[type]).join(' or ');
}

function bodyReader(bytes: Uint8Array, type: number): Reader {
  const name = nameOf[type] as string;
  if (bytes.length < MESSAGE_HEADER) throw malformedMessage(name, 'it ends inside its header');
  for (let i = 0; i < MAGIC.length; i++)
    if (bytes[i] !== MAGIC[i]) throw malformedMessage(name, 'it does not begin with SEAL');
  const length = bodyLength(bytes, [type]);
  if (length !== bytes.length - MESSAGE_HEADER) throw malformedMessage(name, `its length says ${length}`);
  return new Reader(bytes.subarray(MESSAGE_HEADER), name);
}

function message(type: number, ...fields: readonly Uint8Array[]): Uint8Array {
  return concat(MAGIC, Uint8Array.of(type, LAYOUT), vec16(concat(...fields)));
}

function limits(own: ReceiveLimits): Uint8Array {
  return concat(u32(own.maxMessage), u32(own.maxRecord));
}

function readLimits(reader: Reader): ReceiveLimits {
  const maxMessage = reader.within(reader.u32(), 1024, 2147483647, 'max_message');
  const maxRecord = reader.within(reader.u32(), 16384, 1052672, 'max_record');
  return { maxMessage, maxRecord };
}

function exactly(length: number): [number, number] {
  return [length, length];
}
