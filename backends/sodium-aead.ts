import library from 'sodium-native';
import type { Aead } from '../src/backend.js';
import { nullIf, requireLength } from './checks.js';
import { lengthOf, NONE, write } from './pieces.js';

const TAG = 16;

/** ChaCha20-Poly1305 of libsodium, which encrypts and decrypts where it is told to: no object for a record, no copy. */
export class SodiumAead implements Aead {
  readonly #key: Uint8Array;

  constructor(key: Uint8Array) {
    requireLength('ChaCha20-Poly1305 key', key, 32);
    this.#key = Uint8Array.from(key);
  }

  seal(
    nonce: Uint8Array,
    associatedData: Uint8Array,
    plaintext: readonly Uint8Array[],
    prefix: Uint8Array = NONE,
  ): Uint8Array[] {
    requireLength('nonce', nonce, 12);
    const from = prefix.length;
    const length = lengthOf(plaintext);
    const record = allocate(from + length + TAG);
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

  open(nonce: Uint8Array, associatedData: Uint8Array, ciphertext: Uint8Array): Uint8Array | null {
    requireLength('nonce', nonce, 12);
    const length = ciphertext.length - TAG;
    if (length < 0) return null;
    return this.#decrypt(allocate(length), nonce, associatedData, ciphertext);
  }

  wipe(): void {
    this.#key.fill(0);
  }

  #decrypt(
    output: Uint8Array,
    nonce: Uint8Array,
    associatedData: Uint8Array,
    ciphertext: Uint8Array,
  ): Uint8Array | null {
    const decrypted = nullIf(/^could not verify data$/, () =>
      library.crypto_aead_chacha20poly1305_ietf_decrypt(
        output,
        null,
        ciphertext,
        associatedData,
        nonce,
        this.#key,
      ),
    );
    // the count of bytes is the library's word that the tag is right, and nothing else is
    return decrypted === output.length ? output : null;
  }
}

/** Several pieces where they are going to be encrypted, which libsodium does in place. */
function together(pieces: readonly Uint8Array[], memory: Uint8Array, length: number): Uint8Array {
  write(pieces, memory, 0);
  return memory.subarray(0, length);
}

/** From here on clearing memory, all of which is written anyway, costs more than asking for it uncleared. */
const LARGE = 4 * 1024;

function allocate(length: number): Uint8Array {
  if (length < LARGE) return new Uint8Array(length);
  const { buffer } = Buffer.allocUnsafeSlow(length);
  return new Uint8Array(buffer);
}
