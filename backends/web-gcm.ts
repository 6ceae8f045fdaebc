import type { Aead, LaterAead } from '../src/backend.js';
import { requireLength, requireNonce } from './checks.js';
import { joinRecord, lengthOf, NONE, write } from './pieces.js';
import { isNamed, type Subtle, subtle, type WebCryptoKey } from './web-crypto.js';
import { noImmediateForm } from './web-loading.js';

/**
 * Plaintexts of at least this many bytes are left to the platform, whose calls cost about the same whatever the length.
 * JavaScript costs by the byte, and from about here on more than that.
 */
const MIN_LENGTH = 256;

/**
 * AES-256-GCM: small records in JavaScript and at once, larger ones by the platform, later. Without JavaScript there is no
 * other form than that.
 */
export class WebGcm implements Aead {
  readonly later?: LaterAead;
  readonly #secret: Uint8Array;
  readonly #immediate: Immediate | undefined;

  constructor(key: Uint8Array, immediate?: Immediate) {
    requireLength('AES-256-GCM key', key, 32);
    this.#secret = Uint8Array.from(key);
    this.#immediate = immediate;
    if (subtle) this.later = new PlatformGcm(subtle, this.#secret, immediate ? MIN_LENGTH : 0);
  }

  seal(
    nonce: Uint8Array,
    associatedData: Uint8Array,
    plaintext: readonly Uint8Array[],
    prefix: Uint8Array = NONE,
  ): Uint8Array[] {
    return this.#atOnce().seal(nonce, associatedData, plaintext, prefix);
  }

  open(nonce: Uint8Array, associatedData: Uint8Array, ciphertext: Uint8Array): Uint8Array | null {
    return this.#atOnce().open(nonce, associatedData, ciphertext);
  }

  wipe(): void {
    this.#secret.fill(0);
  }

  /** A cipher object for each record, as noble has it: none to keep for connections that are idle. */
  #atOnce(): Aead {
    if (this.#immediate) return this.#immediate(this.#secret);
    throw noImmediateForm();
  }
}

type Immediate = (key: Uint8Array) => Aead;

class PlatformGcm implements LaterAead {
  readonly minLength: number;
  readonly #subtle: Subtle;
  readonly #secret: Uint8Array;
  /** Made by the first use: thousands of idle connections need none. */
  #importing: Promise<WebCryptoKey> | undefined;
  #key: WebCryptoKey | undefined;

  /** `secret` may be wiped after the first use, and is not used if there is none. */
  constructor(platform: Subtle, secret: Uint8Array, minLength: number) {
    this.minLength = minLength;
    this.#subtle = platform;
    this.#secret = secret;
  }

  async seal(
    nonce: Uint8Array,
    associatedData: Uint8Array,
    plaintext: readonly Uint8Array[],
    prefix: Uint8Array = NONE,
  ): Promise<Uint8Array[]> {
    const whole = new Uint8Array(lengthOf(plaintext));
    write(plaintext, whole, 0);
    const start = new Uint8Array(prefix);
    const ciphertext = await this.#run('encrypt', nonce, associatedData, whole);
    return joinRecord(start, [new Uint8Array(ciphertext)]);
  }

  async open(
    nonce: Uint8Array,
    associatedData: Uint8Array,
    ciphertext: Uint8Array,
  ): Promise<Uint8Array | null> {
    if (ciphertext.length < 16) return null;
    try {
      return new Uint8Array(await this.#run('decrypt', nonce, associatedData, ciphertext));
    } catch (error) {
      // a tag that does not verify; anything else is a failure of the platform (Web Cryptography 29.4.2)
      if (isNamed(error, 'OperationError')) return null;
      throw error;
    }
  }

  /** The platform copies what it is given in the call, so only what must wait for the key is copied here. */
  #run(
    operation: 'encrypt' | 'decrypt',
    nonce: Uint8Array,
    associatedData: Uint8Array,
    data: Uint8Array,
  ): Promise<ArrayBuffer> {
    requireNonce(nonce);
    const how = { name: 'AES-GCM', iv: nonce, additionalData: associatedData, tagLength: 128 };
    if (this.#key !== undefined) return this.#subtle[operation](how, this.#key, data);
    const own = { ...how, iv: new Uint8Array(nonce), additionalData: new Uint8Array(associatedData) };
    const copy = new Uint8Array(data);
    return this.#import().then((key) => this.#subtle[operation](own, key, copy));
  }

  #import(): Promise<WebCryptoKey> {
    this.#importing ??= this.#subtle
      .importKey('raw', this.#secret, { name: 'AES-GCM' }, false, ['encrypt', 'decrypt'])
      .then((key) => {
        this.#key = key;
        return key;
      });
    return this.#importing;
  }
}
