import type { RsaPrivateKey, RsaPrivateNumbers } from '../src/backend.js';
import { decryptionFailed, requirePssRoom } from './checks.js';
import { checkModulusLength, checkPrivateNumbers, mapNumbers } from './rsa-numbers.js';
import { OAEP, PSS, type Subtle, subtle, toBase64url, type WebCryptoKey } from './web-crypto.js';
import { loadNoble } from './web-loading.js';

/** A new key, made by the platform where it can. */
export async function generateRsaKey(modulusLength: number): Promise<RsaPrivateNumbers> {
  checkModulusLength(modulusLength);
  if (subtle === undefined) return (await loadNoble()).generateRsaKey(modulusLength);
  const algorithm = { ...OAEP, modulusLength, publicExponent: Uint8Array.of(1, 0, 1) };
  const { privateKey } = await subtle.generateKey(algorithm, true, ['encrypt', 'decrypt']);
  return mapNumbers((await subtle.exportKey('jwk', privateKey)) as PrivateJwk, fromBase64url);
}

type PrivateJwk = Readonly<Record<keyof RsaPrivateNumbers, string>>;

/** A private key with its operations. */
export class PlatformKey implements RsaPrivateKey {
  readonly modulusLength: number;
  readonly #subtle: Subtle;
  readonly #numbers: RsaPrivateNumbers;
  readonly #length: number;
  readonly #jwk: object;
  // what has come, and not what is to come: what failed once is tried again
  readonly #keys = new Map<object, WebCryptoKey>();
  #javascript: RsaPrivateKey | undefined;

  constructor(platform: Subtle, numbers: RsaPrivateNumbers) {
    this.modulusLength = checkPrivateNumbers(numbers);
    this.#subtle = platform;
    this.#numbers = mapNumbers(numbers, (number) => new Uint8Array(number));
    this.#length = numbers.n.length;
    this.#jwk = { kty: 'RSA', ...mapNumbers(numbers, toBase64url) };
  }

  async decryptRaw(ciphertext: Uint8Array): Promise<Uint8Array> {
    const copy = new Uint8Array(ciphertext);
    this.#javascript ??= (await loadNoble()).rsaPrivateKey(this.#numbers);
    return this.#javascript.decryptRaw(copy);
  }

  async decryptOaep(ciphertext: Uint8Array, label: Uint8Array): Promise<Uint8Array> {
    if (ciphertext.length !== this.#length) throw decryptionFailed();
    const how = { name: OAEP.name, label: new Uint8Array(label) };
    const copy = new Uint8Array(ciphertext);
    return this.#subtle.decrypt(how, await this.#key(OAEP, 'decrypt'), copy).then(
      (message) => new Uint8Array(message),
      () => Promise.reject(decryptionFailed()),
    );
  }

  async signPss(message: Uint8Array): Promise<Uint8Array> {
    requirePssRoom(this.modulusLength);
    const copy = new Uint8Array(message);
    const how = { name: PSS.name, saltLength: 32 };
    return new Uint8Array(await this.#subtle.sign(how, await this.#key(PSS, 'sign'), copy));
  }

  /** Imported once for each use: the platform ties a key to one. */
  async #key(algorithm: object, usage: string): Promise<WebCryptoKey> {
    const key =
      this.#keys.get(algorithm) ??
      (await this.#subtle.importKey('jwk', this.#jwk, algorithm, false, [usage]));
    this.#keys.set(algorithm, key);
    return key;
  }
}

function fromBase64url(text: string): Uint8Array {
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}
