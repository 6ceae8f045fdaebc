import library from 'sodium-native';
import type { Aead } from '../src/backend.js';
import { nullFor, requireLength, requireNonce } from './checks.js';
import { unclearedBytes } from './node-bytes.js';
import { lengthOf, NONE, write } from './pieces.js';

const TAG = 16;
const WRONG_TAG = /^could not verify data$/;

/**
 * From here on OpenSSL's cipher is faster, object and all: by a fifth to a third at 64 KiB where processors have
 * AVX2, by two thirds where they have AVX-512, which libsodium does not use for this.
 */
const LARGE = 16 * 1024;

/**
 * ChaCha20-Poly1305 of libsodium, which encrypts and decrypts where it is told to: no object for a record, no copy.
 * Large records are given to `makeLarge`, the same cipher of another library, where there is one.
 */
export class SodiumAead implements Aead {
  readonly #key: Uint8Array;
  readonly #makeLarge: ((key: Uint8Array) => Aead) | undefined;
  #large: Aead | undefined;

  constructor(key: Uint8Array, makeLarge?: (key: Uint8Array) => Aead) {
    requireLength('ChaCha20-Poly1305 key', key, 32);
    this.#key = new Uint8Array(key);
    this.#makeLarge = makeLarge;
  }

  seal(
    nonce: Uint8Array,
    associatedData: Uint8Array,
    plaintext: readonly Uint8Array[],
    prefix: Uint8Array = NONE,
  ): Uint8Array[] {
    requireNonce(nonce);
    const from = prefix.length;
    const length = lengthOf(plaintext);
    const large = this.#forLarge(length);
    if (large) return large.seal(nonce, associatedData, plaintext, prefix);
    const record = unclearedBytes(from + length + TAG);
    record.set(prefix);
    const ciphertext = record.subarray(from);
    const text =
      plaintext.length === 1 ? (plaintext[0] as Uint8Array) : together(plaintext, ciphertext, length);
    library.crypto_aead_chacha20poly1305_ietf_encrypt(
      ciphertext,
      text,
      associatedData,
      null,
      nonce,
      this.#key,
    );
    return [record];
  }

  open(
    nonce: Uint8Array,
    associatedData: Uint8Array,
    ciphertext: Uint8Array,
    output?: Uint8Array,
  ): Uint8Array | null {
    requireNonce(nonce);
    const length = ciphertext.length - TAG;
    if (length < 0) return null;
    const large = this.#forLarge(length);
    if (large) return large.open(nonce, associatedData, ciphertext);
    const isRoom = output !== undefined && output.length >= length;
    const memory = isRoom ? output.subarray(0, length) : new Uint8Array(length);
    return this.#decrypt(memory, nonce, associatedData, ciphertext);
  }

  wipe(): void {
    this.#key.fill(0);
    this.#large?.wipe?.();
    this.#large = undefined;
  }

  /** The other library's cipher, if it is the one for records of this length. */
  #forLarge(length: number): Aead | undefined {
    if (length < LARGE) return undefined;
    this.#large ??= this.#makeLarge?.(this.#key);
    return this.#large;
  }

  #decrypt(
    output: Uint8Array,
    nonce: Uint8Array,
    associatedData: Uint8Array,
    ciphertext: Uint8Array,
  ): Uint8Array | null {
    const decrypt = library.crypto_aead_chacha20poly1305_ietf_decrypt;
    try {
      // the count of bytes is the library's word that the tag is right, and nothing else is
      const length = decrypt(output, null, ciphertext, associatedData, nonce, this.#key);
      return length === output.length ? output : null;
    } catch (error) {
      return nullFor(WRONG_TAG, error);
    }
  }
}

/** Several pieces where they are going to be encrypted, which libsodium does in place. */
function together(pieces: readonly Uint8Array[], memory: Uint8Array, length: number): Uint8Array {
  write(pieces, memory, 0);
  return memory.subarray(0, length);
}
