import type { Backend } from '../../backend.js';
import { badArgument } from '../../errors.js';
import { ascii, concat, u16 } from './codec.js';

/** Length of every secret and hash here. */
export const HASH_LENGTH = 32;
const PREFIX = 'sealed1 ';
const NONE = new Uint8Array(0);
/** The input of a step of the key schedule that has none. */
export const ZEROS: Uint8Array = new Uint8Array(HASH_LENGTH);

/** HKDF-Expand-Label (RFC 8446 7.1) with a prefix of its own. */
export function expandLabel(
  backend: Backend,
  secret: Uint8Array,
  label: string | Uint8Array,
  context: Uint8Array,
  length: number,
): Uint8Array {
  const head =
    typeof label === 'string'
      ? headOf(label, context.length, length)
      : makeHead(label, context.length, length);
  return backend.hkdfExpand(secret, context.length === 0 ? head : concat(head, context), length);
}

// What is the same for all connections is kept by backend, so that one of an application that computes wrongly spoils
// nothing for others.
const nothingHashed = new WeakMap<Backend, Uint8Array>();
const firstSalts = new WeakMap<Backend, Uint8Array>();

/** The hash of no messages. */
export function hashOfNothing(backend: Backend): Uint8Array {
  const known = nothingHashed.get(backend) ?? backend.sha256(NONE);
  nothingHashed.set(backend, known);
  return known;
}

/**
 * What follows from the secret of zeros for the first step, where there is no ticket; the same for all connections, and no
 * secret. A copy, for the caller to overwrite.
 */
function firstSalt(backend: Backend): Uint8Array {
  const known = firstSalts.get(backend);
  if (known) return known.slice();
  const secret = backend.hkdfExtract(ZEROS, ZEROS);
  const salt = saltAfter(backend, secret);
  secret.fill(0);
  firstSalts.set(backend, salt.slice());
  return salt;
}

function saltAfter(backend: Backend, secret: Uint8Array): Uint8Array {
  return expandLabel(backend, secret, 'derived', hashOfNothing(backend), HASH_LENGTH);
}

/** What was made before, for the few labels of the protocol, each of which always has the same two lengths. */
const heads = new Map<string, Uint8Array>();

/** The HkdfLabel of RFC 8446 7.1 up to the bytes of the context. */
function headOf(label: string, contextLength: number, length: number): Uint8Array {
  const known = heads.get(label);
  if (known?.[1] === length && known[known.length - 1] === contextLength) return known;
  const head = makeHead(ascii(label), contextLength, length);
  heads.set(label, head);
  return head;
}

function makeHead(label: Uint8Array, contextLength: number, length: number): Uint8Array {
  const full = concat(ascii(PREFIX), label);
  return concat(u16(length), Uint8Array.of(full.length), full, Uint8Array.of(contextLength));
}

/** The handshake messages so far, each complete with its header. */
export class Transcript {
  readonly #backend: Backend;
  #messages: Uint8Array = NONE;
  #hash: Uint8Array | undefined;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  add(message: Uint8Array): void {
    this.#messages = concat(this.#messages, message);
    this.#hash = undefined;
  }

  /** What names the connection: the random bytes that begin the body of CLIENT_HELLO. */
  get clientRandom(): Uint8Array {
    return this.#messages.subarray(8, 40);
  }

  /** TH of everything so far. */
  hash(): Uint8Array {
    this.#hash ??= this.#backend.sha256(this.#messages);
    return this.#hash;
  }
}

/** The line of secrets ES, HS, AHS, MS (docs/protocol.md, H3): one at a time, the one before is overwritten. */
export class KeySchedule {
  readonly #backend: Backend;
  readonly #transcript: Transcript;
  /** Absent before the first step, which needs no computation; nothing is derived before it. */
  #secret: Uint8Array | undefined;

  constructor(backend: Backend, transcript: Transcript) {
    this.#backend = backend;
    this.#transcript = transcript;
  }

  /** Begins the line with the secret of a ticket, which is overwritten, instead of zeros. */
  startWith(psk: Uint8Array): void {
    this.#secret = this.#backend.hkdfExtract(ZEROS, psk);
    psk.fill(0);
  }

  /** Goes on to the next secret of the line by mixing in another, which is overwritten. */
  mix(input: Uint8Array): void {
    const backend = this.#backend;
    const salt = this.#secret ? saltAfter(backend, this.#secret) : firstSalt(backend);
    this.wipe();
    this.#secret = backend.hkdfExtract(salt, input);
    salt.fill(0);
    input.fill(0);
  }

  /** The last step, where nothing is left to mix in. */
  mixZeros(): void {
    this.mix(ZEROS.slice());
  }

  /** Derive-Secret over the transcript as it is now. */
  derive(label: string): Uint8Array {
    return expandLabel(
      this.#backend,
      this.#secret as Uint8Array,
      label,
      this.#transcript.hash(),
      HASH_LENGTH,
    );
  }

  /** The MAC over the transcript that proves knowledge of the whole line (RFC 8446 4.4.4). */
  finishedMac(label: 'c finished' | 's finished'): Uint8Array {
    const key = expandLabel(this.#backend, this.#secret as Uint8Array, label, NONE, HASH_LENGTH);
    const mac = this.#backend.hmacSha256(key, this.#transcript.hash());
    key.fill(0);
    return mac;
  }

  wipe(): void {
    this.#secret?.fill(0);
  }
}

/** Keying material for an application (RFC 8446 7.5). Throws on a label or a length that the construction has no room for. */
export function exportFrom(
  backend: Backend,
  exporterSecret: Uint8Array,
  label: string,
  context: Uint8Array,
  length: number,
): Uint8Array {
  // an encoder would take each half of a pair for the same replacement
  if (/\p{Cs}/u.test(label)) throw badArgument('the label is no text: it has half of a surrogate pair');
  const name = new TextEncoder().encode(label);
  if (name.length > 255 - PREFIX.length)
    throw badArgument(`the label has ${name.length} bytes, the maximum is 247`);
  if (!Number.isInteger(length) || length < 1 || length > 255 * HASH_LENGTH) {
    throw badArgument(
      `the length must be 1 to ${255 * HASH_LENGTH} bytes, not ${typeof length === 'number' ? length : typeof length}`,
    );
  }
  const derived = expandLabel(backend, exporterSecret, name, hashOfNothing(backend), HASH_LENGTH);
  const material = expandLabel(backend, derived, ascii('exporter'), backend.sha256(context), length);
  derived.fill(0);
  return material;
}
