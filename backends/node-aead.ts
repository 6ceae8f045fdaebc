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
import { nullIf, requireLength } from './checks.js';
import { plain } from './node-bytes.js';
import { NONE, sealed } from './pieces.js';

/** Without it Node takes truncated tags. */
const FULL_TAG = { authTagLength: 16 } as const;

/**
 * So many keys may have ciphers made ahead, the last ones used: each cipher costs about two kibibytes, which the
 * thousands of connections that are idle need not pay.
 */
const KEYS_AHEAD = 64;

/** Keys that have a cipher made ahead, the last used at the end. */
const ahead = new Set<NodeAead>();

// both algorithms have these objects; only the declarations set them apart
type Cipher = CipherGCM;
type Decipher = DecipherGCM;

/** A cipher object, and the nonce it is for. */
interface Made<Object> {
  readonly object: Object;
  readonly nonce: Uint8Array;
}

/** The two AEADs by OpenSSL's names. Both take a key of 32 bytes. */
export type Algorithm = 'aes-256-gcm' | 'chacha20-poly1305';

/** An AEAD under one key. Node wants a new object for each nonce, and making one is half of a small record's cost. */
export class NodeAead implements Aead {
  readonly #algorithm: Algorithm;
  readonly #secret: KeyObject;
  #cipher: Made<Cipher> | undefined;
  #decipher: Made<Decipher> | undefined;

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
    const cipher = taken(this.#cipher, nonce) ?? this.#makeCipher(nonce);
    this.#cipher = undefined;
    if (associatedData.length > 0) cipher.setAAD(associatedData);
    const pieces: Uint8Array[] = [];
    for (const piece of plaintext) if (piece.length > 0) pieces.push(plain(cipher.update(piece)));
    cipher.final();
    pieces.push(plain(cipher.getAuthTag()));
    return sealed(prefix, pieces);
  }

  open(nonce: Uint8Array, associatedData: Uint8Array, ciphertext: Uint8Array): Uint8Array | null {
    const decipher = taken(this.#decipher, nonce) ?? this.#makeDecipher(nonce);
    this.#decipher = undefined;
    const end = ciphertext.length - 16;
    if (end < 0) return null;
    if (associatedData.length > 0) decipher.setAAD(associatedData);
    decipher.setAuthTag(ciphertext.subarray(end));
    const plaintext = plain(decipher.update(ciphertext.subarray(0, end)));
    // nothing of it leaves before the tag is verified
    return nullIf(/unable to authenticate data$/, () => {
      decipher.final();
      return plaintext;
    });
  }

  prepareSeal(nonce: Uint8Array): void {
    this.#cipher ??= { object: this.#makeCipher(nonce), nonce: nonce.slice() };
    this.#keepAhead();
  }

  prepareOpen(nonce: Uint8Array): void {
    this.#decipher ??= { object: this.#makeDecipher(nonce), nonce: nonce.slice() };
    this.#keepAhead();
  }

  /** The key is in Node's hands; what was made of it is let go of. */
  wipe(): void {
    this.#letGo();
  }

  #makeCipher(nonce: Uint8Array): Cipher {
    requireLength('nonce', nonce, 12);
    return createCipheriv(this.#algorithm as CipherGCMTypes, this.#secret, nonce, FULL_TAG);
  }

  #makeDecipher(nonce: Uint8Array): Decipher {
    requireLength('nonce', nonce, 12);
    return createDecipheriv(this.#algorithm as CipherGCMTypes, this.#secret, nonce, FULL_TAG);
  }

  #letGo(): void {
    this.#cipher = undefined;
    this.#decipher = undefined;
    ahead.delete(this);
  }

  #keepAhead(): void {
    ahead.delete(this);
    ahead.add(this);
    if (ahead.size <= KEYS_AHEAD) return;
    for (const oldest of ahead) {
      oldest.#letGo();
      return;
    }
  }
}

/** What was made ahead, if it was made for this nonce. */
function taken<Object>(made: Made<Object> | undefined, nonce: Uint8Array): Object | undefined {
  if (made === undefined || made.nonce.length !== nonce.length) return undefined;
  for (let i = 0; i < nonce.length; i++) if (made.nonce[i] !== nonce[i]) return undefined;
  return made.object;
}
