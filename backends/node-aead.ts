import {
  type CipherGCM,
  type CipherGCMTypes,
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type DecipherGCM,
  type KeyObject,
} from 'node:crypto';
import type { Aead } from '../src/backend.js';
import { nullFor, requireLength, requireNonce } from './checks.js';
import { plain, unclearedBytes } from './node-bytes.js';
import { joinRecord, NONE } from './pieces.js';

const WRONG_TAG = /unable to authenticate data$/;
/** Without it Node takes truncated tags. */
const FULL_TAG = { authTagLength: 16 } as const;

/** The two AEADs by OpenSSL's names. Both take a key of 32 bytes. */
export type Algorithm = 'aes-256-gcm' | 'chacha20-poly1305';

/**
 * An AEAD under one key. Node wants a new object for each nonce, which is half of a small record's cost. Making it ahead, while
 * there is nothing else to do, cost more than it saved, with one connection as with a thousand.
 */
export class NodeAead implements Aead {
  readonly #algorithm: Algorithm;
  readonly #secret: KeyObject;

  constructor(algorithm: Algorithm, key: Uint8Array) {
    requireLength(`${algorithm} key`, key, 32);
    this.#algorithm = algorithm;
    this.#secret = createSecretKey(key);
  }

  seal(
    nonce: Uint8Array,
    associatedData: Uint8Array,
    plaintext: readonly Uint8Array[],
    prefix: Uint8Array = NONE,
  ): Uint8Array[] {
    const cipher = this.#makeCipher(nonce);
    if (associatedData.length > 0) cipher.setAAD(associatedData);
    const pieces: Uint8Array[] = [];
    for (const piece of plaintext) if (piece.length > 0) pieces.push(plain(cipher.update(piece)));
    cipher.final();
    pieces.push(plain(cipher.getAuthTag()));
    return joinRecord(prefix, pieces, unclearedBytes);
  }

  open(nonce: Uint8Array, associatedData: Uint8Array, ciphertext: Uint8Array): Uint8Array | null {
    const decipher = this.#makeDecipher(nonce);
    const end = ciphertext.length - 16;
    if (end < 0) return null;
    if (associatedData.length > 0) decipher.setAAD(associatedData);
    decipher.setAuthTag(ciphertext.subarray(end));
    const plaintext = plain(decipher.update(ciphertext.subarray(0, end)));
    // nothing of it leaves before the tag is verified
    try {
      decipher.final();
      return plaintext;
    } catch (error) {
      return nullFor(WRONG_TAG, error);
    }
  }

  // both algorithms have the same objects; only the declarations set them apart
  #makeCipher(nonce: Uint8Array): CipherGCM {
    requireNonce(nonce);
    return createCipheriv(this.#algorithm as CipherGCMTypes, this.#secret, nonce, FULL_TAG);
  }

  #makeDecipher(nonce: Uint8Array): DecipherGCM {
    requireNonce(nonce);
    return createDecipheriv(this.#algorithm as CipherGCMTypes, this.#secret, nonce, FULL_TAG);
  }
}
