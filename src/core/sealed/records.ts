import type { Aead, AeadName, Backend, Later } from '../../backend.js';
import { expandLabel, HASH_LENGTH } from './schedule.js';

/** What the first byte of a record's plaintext says (docs/protocol.md, R2). */
export const RecordType = {
  handshake: 1,
  data: 2,
  keyUpdate: 3,
  ping: 4,
  pong: 5,
  close: 6,
  ticket: 7,
  padded: 8,
} as const;

/** Bytes before the ciphertext of a record: its length. */
export const RECORD_HEADER = 3;
/** Bytes at the end of a ciphertext that vouch for the rest. */
export const TAG_LENGTH = 16;
/** What a record's ciphertext has beside its payload: the type and the tag. */
export const RECORD_OVERHEAD: number = 1 + TAG_LENGTH;
/** Longest ciphertext of a handshake record: a message of 4104 bytes. */
export const HANDSHAKE_RECORD_LIMIT: number = 4096 + 8 + RECORD_OVERHEAD;

const NONCE_LENGTH = 12;
const NONE = new Uint8Array(0);

// Scratch memory of all keys: it is written and used up within one call.
const scratchNonce: Uint8Array = new Uint8Array(NONCE_LENGTH);
const scratchHeader: Uint8Array = new Uint8Array(RECORD_HEADER);

/** The keys of one direction: each record under the next nonce, each key until the update. */
export class TrafficKey {
  readonly #backend: Backend;
  readonly #cipher: AeadName;
  /** The iv, and behind it the secret: one piece of memory, since there may be thousands of idle connections. */
  readonly #secrets = new Uint8Array(NONCE_LENGTH + HASH_LENGTH);
  #aead: Aead;
  #sequence: number;
  #bytes = 0;

  /** Takes over `secret`. `sequence` is where the count of records begins. */
  constructor(backend: Backend, cipher: AeadName, secret: Uint8Array, sequence = 0) {
    this.#backend = backend;
    this.#cipher = cipher;
    this.#sequence = sequence;
    this.#aead = this.#setUp(secret);
  }

  /** Records under the present key so far. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Bytes of ciphertext under the present key so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The record of a plaintext, which is `length` bytes in all: in one chunk if it is small, else in a few. */
  seal(plaintext: readonly Uint8Array[], length: number): Uint8Array[] {
    writeU24(scratchHeader, length + TAG_LENGTH);
    this.#bytes += length + TAG_LENGTH;
    return this.#aead.seal(this.#nextNonce(), scratchHeader, plaintext, scratchHeader);
  }

  /**
   * The plaintext of a record's ciphertext, type first, or `null` if its tag is wrong. Where `output` is given and has
   * room, the plaintext may be the beginning of it.
   */
  open(ciphertext: Uint8Array, output?: Uint8Array): Uint8Array | null {
    writeU24(scratchHeader, ciphertext.length);
    this.#bytes += ciphertext.length;
    return this.#aead.open(this.#nextNonce(), scratchHeader, ciphertext, output);
  }

  /** The same as `seal` from the platform, when it has it; `undefined` where there is no such way at this length. */
  sealLater(plaintext: readonly Uint8Array[], length: number): Later<Uint8Array[]> | undefined {
    const { later } = this.#aead;
    if (later === undefined || length < later.minLength) return undefined;
    writeU24(scratchHeader, length + TAG_LENGTH);
    this.#bytes += length + TAG_LENGTH;
    return later.seal(this.#nextNonce(), scratchHeader, plaintext, scratchHeader);
  }

  /** The same as `open`. */
  openLater(ciphertext: Uint8Array): Later<Uint8Array | null> | undefined {
    const { later } = this.#aead;
    if (later === undefined || ciphertext.length - TAG_LENGTH < later.minLength) return undefined;
    writeU24(scratchHeader, ciphertext.length);
    this.#bytes += ciphertext.length;
    return later.open(this.#nextNonce(), scratchHeader, ciphertext);
  }

  /** On to the next key, from which the present one cannot be found again. */
  update(): void {
    const secret = this.#secrets.subarray(NONCE_LENGTH);
    const next = expandLabel(this.#backend, secret, 'traffic upd', NONE, HASH_LENGTH);
    this.wipe();
    this.#aead = this.#setUp(next);
    this.#sequence = 0;
    this.#bytes = 0;
  }

  /** Overwrites what can be overwritten; the copy of a key that the platform keeps goes with its cipher. */
  wipe(): void {
    this.#secrets.fill(0);
    this.#aead.wipe?.();
    this.#aead = destroyed;
  }

  /** Takes over a secret and gives the cipher made from it. */
  #setUp(secret: Uint8Array): Aead {
    const key = expandLabel(this.#backend, secret, 'key', NONE, HASH_LENGTH);
    const iv = expandLabel(this.#backend, secret, 'iv', NONE, NONCE_LENGTH);
    const aead = this.#backend[this.#cipher](key);
    this.#secrets.set(iv);
    this.#secrets.set(secret, NONCE_LENGTH);
    for (const copy of [key, iv, secret]) copy.fill(0);
    return aead;
  }

  #nextNonce(): Uint8Array {
    writeNonce(scratchNonce, this.#secrets, this.#sequence++);
    return scratchNonce;
  }
}

/** nonce = iv XOR the sequence number in eight bytes at the end (RFC 8446 5.3). The iv is the first 12 bytes given. */
export function writeNonce(nonce: Uint8Array, iv: Uint8Array, sequence: number): void {
  for (let i = 0; i < NONCE_LENGTH; i++) nonce[i] = iv[i] as number;
  let rest = sequence;
  for (let i = NONCE_LENGTH - 1; rest > 0; i--) {
    nonce[i] = (nonce[i] as number) ^ (rest % 256);
    rest = Math.floor(rest / 256);
  }
}

/** The number in the first three bytes, such as the length in a record's header. */
export function readU24(header: Uint8Array): number {
  return ((header[0] as number) << 16) | ((header[1] as number) << 8) | (header[2] as number);
}

function writeU24(header: Uint8Array, value: number): void {
  header[0] = value >>> 16;
  header[1] = value >>> 8;
  header[2] = value;
}

const destroyed: Aead = {
  seal: () => {
    throw new Error('the key has been wiped');
  },
  open: () => {
    throw new Error('the key has been wiped');
  },
};
