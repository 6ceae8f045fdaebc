import type { RsaPrivateNumbers, RsaPublicNumbers } from '../../backend.js';
import { type ErrorCode, SecureSocketError } from '../../errors.js';
import { isSame } from '../bytes.js';

/** SubjectPublicKeyInfo (RFC 5280 4.1) of an RSA key. */
export function encodeSpki(key: RsaPublicNumbers): Uint8Array {
  const publicKey = element(SEQUENCE, integer(key.n), integer(key.e));
  return element(SEQUENCE, RSA_ENCRYPTION, element(BIT_STRING, Uint8Array.of(0), publicKey));
}

/** The numbers of a SubjectPublicKeyInfo in its one canonical encoding (E2). Anything else is BAD_KEY. */
export function decodeSpki(der: Uint8Array): RsaPublicNumbers {
  const info = new Reader(der, 'BAD_KEY', 'public key').inside(SEQUENCE);
  info.literal(RSA_ENCRYPTION, 'the algorithm rsaEncryption');
  const bits = info.inside(BIT_STRING);
  bits.literal(Uint8Array.of(0), 'no unused bits');
  const key = bits.inside(SEQUENCE);
  const numbers = { n: key.integer(), e: key.integer() };
  for (const reader of [key, bits, info]) reader.end();
  requireCanonical(encodeSpki(numbers), der, 'BAD_KEY');
  return numbers;
}

/** PKCS#8 PrivateKeyInfo (RFC 5958) of an RSA key. */
export function encodePkcs8(key: RsaPrivateNumbers): Uint8Array {
  return element(SEQUENCE, ZERO, RSA_ENCRYPTION, element(OCTET_STRING, encodePkcs1Private(key)));
}

/** The numbers of a PKCS#8 PrivateKeyInfo without attributes, canonically encoded. Anything else is BAD_IDENTITY. */
export function decodePkcs8(der: Uint8Array): RsaPrivateNumbers {
  const info = new Reader(der, 'BAD_IDENTITY', 'private key').inside(SEQUENCE);
  info.literal(ZERO, 'version 0');
  info.literal(RSA_ENCRYPTION, 'the algorithm rsaEncryption');
  const numbers = decodePkcs1Private(info.content(OCTET_STRING));
  info.end();
  requireCanonical(encodePkcs8(numbers), der, 'BAD_IDENTITY');
  return numbers;
}

/** PKCS#1 RSAPrivateKey (RFC 8017 A.1.2), two primes. */
export function encodePkcs1Private(key: RsaPrivateNumbers): Uint8Array {
  return element(SEQUENCE, ZERO, ...privateFields.map((name) => integer(key[name])));
}

/** The numbers of a PKCS#1 RSAPrivateKey with two primes, canonically encoded. Anything else is BAD_IDENTITY. */
export function decodePkcs1Private(der: Uint8Array): RsaPrivateNumbers {
  const key = new Reader(der, 'BAD_IDENTITY', 'private key').inside(SEQUENCE);
  key.literal(ZERO, 'version 0, two primes');
  const [n, e, d, p] = [key.integer(), key.integer(), key.integer(), key.integer()];
  const [q, dp, dq, qi] = [key.integer(), key.integer(), key.integer(), key.integer()];
  key.end();
  const numbers = { n, e, d, p, q, dp, dq, qi };
  requireCanonical(encodePkcs1Private(numbers), der, 'BAD_IDENTITY');
  return numbers;
}

const SEQUENCE = 0x30;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const INTEGER = 0x02;

/** INTEGER 0, a version. */
const ZERO = Uint8Array.of(INTEGER, 1, 0);
/** AlgorithmIdentifier { 1.2.840.113549.1.1.1, NULL } (RFC 3279 2.3.1). */
const RSA_ENCRYPTION = Uint8Array.of(
  ...[SEQUENCE, 13, 0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0],
);
const privateFields = ['n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi'] as const;

function element(tag: number, ...parts: Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const header = [tag, ...lengthOctets(length)];
  const out = new Uint8Array(header.length + length);
  out.set(header);
  let position = header.length;
  for (const part of parts) {
    out.set(part, position);
    position += part.length;
  }
  return out;
}

function lengthOctets(length: number): number[] {
  if (length < 0x80) return [length];
  const octets: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256);
  return [0x80 | octets.length, ...octets];
}

function integer(magnitude: Uint8Array): Uint8Array {
  const sign = (magnitude[0] ?? 0x80) >= 0x80 ? Uint8Array.of(0) : new Uint8Array(0);
  return element(INTEGER, sign, magnitude);
}

/** Whatever leniency the reader may have is caught here. */
function requireCanonical(canonical: Uint8Array, der: Uint8Array, code: ErrorCode): void {
  if (!isSame(canonical, der)) throw new SecureSocketError(code, 'key is not in its canonical DER encoding');
}

/** Reads definite-length elements in order. Only views are made, so a declared length costs nothing. */
class Reader {
  readonly #bytes: Uint8Array;
  readonly #code: ErrorCode;
  readonly #subject: string;
  #position = 0;

  constructor(bytes: Uint8Array, code: ErrorCode, subject: string) {
    this.#bytes = bytes;
    this.#code = code;
    this.#subject = subject;
  }

  inside(tag: number): Reader {
    return new Reader(this.content(tag), this.#code, this.#subject);
  }

  content(tag: number): Uint8Array {
    if (this.#byte() !== tag) this.#fail(`expected tag 0x${tag.toString(16).padStart(2, '0')}`);
    const length = this.#length();
    if (length > this.#bytes.length - this.#position) this.#fail('an element is longer than what holds it');
    this.#position += length;
    return this.#bytes.subarray(this.#position - length, this.#position);
  }

  literal(expected: Uint8Array, meaning: string): void {
    for (const byte of expected) if (this.#byte() !== byte) this.#fail(`expected ${meaning}`);
  }

  /** A positive integer, as a copy. */
  integer(): Uint8Array {
    const content = this.content(INTEGER);
    const magnitude = content[0] === 0 ? content.subarray(1) : content;
    const first = magnitude[0] ?? 0;
    if (first === 0) this.#fail('an integer is zero or not minimal');
    if (content === magnitude && first >= 0x80) this.#fail('an integer is negative');
    if (content !== magnitude && first < 0x80) this.#fail('an integer is not minimal');
    return new Uint8Array(magnitude);
  }

  end(): void {
    if (this.#position < this.#bytes.length) this.#fail('bytes behind the last element');
  }

  #byte(): number {
    const byte = this.#bytes[this.#position];
    if (byte === undefined) this.#fail('ends too early');
    this.#position += 1;
    return byte;
  }

  #length(): number {
    const first = this.#byte();
    if (first < 0x80) return first;
    const count = first & 0x7f;
    if (count < 1 || count > 4) this.#fail('a length is not definite or beyond 32 bits');
    let length = 0;
    for (let index = 0; index < count; index += 1) length = length * 256 + this.#byte();
    if (length < 0x80 || length < 256 ** (count - 1)) this.#fail('a length is not minimal');
    return length;
  }

  #fail(problem: string): never {
    throw new SecureSocketError(this.#code, `malformed DER of an RSA ${this.#subject}: ${problem}`);
  }
}
