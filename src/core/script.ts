import type { Later } from '../backend.js';
import type { SecureSocketError } from '../errors.js';
import type { Bytes } from './bytes.js';
import type { SuiteName } from './sealed/suites.js';

/**
 * A protocol is a script: a generator that asks for bytes and says what is to happen, by effects that are told apart by
 * their `type`. Its runner ({@link Session}) has no knowledge of the protocol, and the script none of sockets,
 * clocks or promises.
 *
 * What an answer is, `yield` cannot know: it gives `unknown`. So a script asks by the functions below, each of which
 * yields its effect and gives the answer its type: `const header = yield* read(3)`. An effect without an answer is
 * yielded as it is.
 *
 * Buffer ownership: bytes handed to a script are a view of the transport's memory, or of the session's, that is valid
 * until its next `yield`: what it keeps it copies, or decrypts to memory of its own. Bytes that it yields belong to
 * the receiver of the effect, and are not written to afterwards. A script ends by returning after `ended`, or by
 * throwing a {@link SecureSocketError}.
 */
export type Script<Result = void> = Generator<Effect, Result, unknown>;

/** What a script wants. */
export type Effect = Ask | Task | Action;

/** Bytes that a script waits for. */
export type Ask =
  /** Exactly `count` bytes. If the stream ends before, the session fails. */
  | { readonly type: 'read'; readonly count: number }
  /**
   * What is at hand, as far as it is worth looking at in one turn, but no less than `min` bytes, after dropping the
   * first `used` bytes of what the last such ask gave. `null` if the stream ends with nothing left.
   */
  | { readonly type: 'peek'; readonly min: number; readonly used: number };

/** An asynchronous step, whose result a script waits for. Nothing is read meanwhile. A rejection is thrown into it. */
export interface Task {
  readonly type: 'task';
  readonly run: () => unknown;
  readonly kind: TaskKind;
}

/** Something that happens at once, and has no answer. */
export type Action =
  /** Bytes for the peer. */
  | { readonly type: 'write'; readonly chunks: readonly Chunk[] }
  /** The handshake is done. */
  | { readonly type: 'open'; readonly result: HandshakeResult }
  /**
   * Bytes of messages have arrived: those of `batch` are complete, and `held` bytes of memory are in use for one that
   * is not, outside the session's own buffer.
   */
  | { readonly type: 'received'; readonly batch: Batch | undefined; readonly held: number }
  /** A record that carried no message arrived and wants an answer, at most one waiting at a time. */
  | { readonly type: 'pong' }
  /** A PONG of so many bytes arrived, for which the peer is owed nothing. */
  | { readonly type: 'answered'; readonly bytes: number }
  /** The peer has ended its half in order; for protocols with a close message, its code. What follows is discarded. */
  | { readonly type: 'ended'; readonly closeCode: number }
  /** The last bytes for the peer before the script throws: written, ended, and a bounded wait for the peer's end. */
  | { readonly type: 'finalBytes'; readonly chunks: readonly Chunk[] };

/** Exactly `count` bytes. */
export function* read(count: number): Script<Uint8Array> {
  return (yield { type: 'read', count }) as Uint8Array;
}

/** At least this many bytes, after dropping `used` bytes of the previous ones; `null` at the end of the stream. */
export function* peek(min: number, used: number): Script<Uint8Array | null> {
  return (yield { type: 'peek', min, used }) as Uint8Array | null;
}

/** What an asynchronous step settles to. */
export function* perform<Result>(run: () => Result, kind: TaskKind): Script<Awaited<Result>> {
  return (yield { type: 'task', run, kind }) as Awaited<Result>;
}

/**
 * `privateKey`: an RSA private operation, which the shell counts and bounds. `decision`: a callback of the application.
 * `record`: something that the platform computes, begun already.
 */
export type TaskKind = 'privateKey' | 'decision' | 'record';

/** Bytes to be written in their order: there already, or still to be computed by the platform. */
export type Chunk = Uint8Array | LaterChunk;

/** Chunks whose number of bytes is known, and nothing else yet. */
export interface LaterChunk {
  readonly length: number;
  readonly bytes: Later<Uint8Array[]>;
}

/** What the end of a handshake gives. */
export interface HandshakeResult {
  /** The power to send, which does not exist before. */
  readonly sender: Sender;
  /** Whom the peer proved to be (sealed) or claimed to be (classic, the server's key); `null`: an anonymous peer. */
  readonly peer: PeerKey | null;
  /** Name of the cipher suite. */
  readonly suite?: SuiteName;
  /** Whether a ticket of an earlier connection took the place of the long-term keys. */
  readonly resumed?: boolean;
  /** Absent where a protocol has nothing of the kind. */
  readonly keys?: ConnectionKeys;
  /** No message may be written until the peer's first byte has arrived or this many milliseconds have passed. */
  readonly settleMs?: number;
}

/** What the keys of an open connection are good for beside sending and receiving. */
export interface ConnectionKeys {
  /** Keying material for the application (RFC 8446 7.5). */
  exportKey(label: string, context: Uint8Array, length: number): Bytes;
  /** Overwrites the secret behind `exportKey`, which throws from then on. */
  forget(): void;
}

/** A peer's public key. */
export interface PeerKey {
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  /** `SHA256:` and the base64 of the SHA-256 of `spki`, without padding. */
  readonly fingerprint: string;
}

/** The sending half of an open connection. */
export interface Sender<Piece = Chunk> {
  /** The largest message that may be staged, in bytes. */
  readonly maxMessage: number;
  /** Bytes taken by `stage` and not yet returned by `flush`. */
  readonly staged: number;
  /** Bytes that are worth encrypting or decrypting at once; beyond that, other connections get a turn in between. */
  readonly partLength: number;
  /**
   * Takes a message, `from` a place on if it was begun before, and all of it or a little more than `max` bytes.
   * Returns the place it has come to. What was taken is the caller's again: it was copied or encrypted. A message
   * that was begun has to be finished before another.
   */
  stage(message: Uint8Array, from?: number, max?: number): number;
  /**
   * What is to be written for everything staged, in order; empty if there is nothing. `now`: milliseconds of a steady
   * clock, by which the age of a key is told.
   */
  flush(now?: number): Piece[];
  /**
   * The rest, and then the protocol's close message if it has one. Nothing can be staged afterwards; empty the second
   * time.
   */
  close(code: number): Piece[];
  /** Gives up: what was staged is dropped and the keys are wiped. */
  abandon(): void;
  /** Asks the peer for a byte. Absent where the protocol has no such thing. */
  ping?(): Piece[];
  /** Answers a PING, or keeps the peer from taking this end for dead. */
  pong?(): Piece[];
  /** Asks for fresh keys before the next message. */
  rekey?(): void;
}

/** Messages that arrived together, cut out as they are read. */
export interface Batch {
  /** Messages left. */
  readonly count: number;
  /** Bytes of the messages left, without overhead. */
  readonly bytes: number;
  /** Bytes of memory that these take, and with them those that were read. */
  readonly held: number;
  /** The next one. Belongs to the caller, and pins at most 16 KiB beyond its own size. */
  next(): Bytes | undefined;
}
