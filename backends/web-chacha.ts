import type { Aead, LaterAead } from '../src/backend.js';
import { requireLength } from './checks.js';
import { loadNoble, noImmediateForm } from './web-loading.js';

/**
 * ChaCha20-Poly1305: JavaScript that is loaded by the first connection whose server wants it. Until then records wait, and
 * their bytes are copied. Platforms begin to have it, Node 24.7 and Deno 2.9 as an experiment. There it takes a seventh of
 * the time for a record of 64 KiB, and no less for one of 1 KiB; not worth its code in a page, whose servers prefer AES-GCM
 * unless they have no hardware for it.
 */
export class LoadedChaCha implements Aead {
  readonly later: LaterAead = {
    minLength: 0,
    seal: async (nonce, associatedData, plaintext, prefix) => {
      if (this.#cipher) return this.#cipher.seal(nonce, associatedData, plaintext, prefix);
      const copies = plaintext.map((piece) => new Uint8Array(piece));
      const [ownNonce, ownData, ownPrefix] = [
        new Uint8Array(nonce),
        new Uint8Array(associatedData),
        prefix && new Uint8Array(prefix),
      ];
      return (await this.#loading).seal(ownNonce, ownData, copies, ownPrefix);
    },
    open: async (nonce, associatedData, ciphertext) => {
      if (this.#cipher) return this.#cipher.open(nonce, associatedData, ciphertext);
      const [ownNonce, ownData, copy] = [
        new Uint8Array(nonce),
        new Uint8Array(associatedData),
        new Uint8Array(ciphertext),
      ];
      return (await this.#loading).open(ownNonce, ownData, copy);
    },
  };
  readonly #loading: Promise<Aead>;
  #cipher: Aead | undefined;

  constructor(key: Uint8Array) {
    requireLength('ChaCha20-Poly1305 key', key, 32);
    const secret = Uint8Array.from(key);
    this.#loading = loadNoble().then((noble) => {
      const cipher = noble.chaCha20Poly1305(secret);
      secret.fill(0);
      this.#cipher = cipher;
      return cipher;
    });
    // a caller that needs it gets the error
    this.#loading.catch(() => {});
  }

  seal(): never {
    throw noImmediateForm();
  }

  open(): never {
    throw noImmediateForm();
  }

  /** Behind what waits for it. */
  wipe(): void {
    this.#loading.then(
      (cipher) => cipher.wipe?.(),
      () => {},
    );
  }
}
