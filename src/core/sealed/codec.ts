import { SecureSocketError } from '../../errors.js';
import { joinBytes } from '../bytes.js';

/** Puts byte strings together. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return joinBytes(parts);
}

/** A number as two bytes, big-endian. */
export function u16(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value);
}

/** A number as four bytes, big-endian. */
export function u32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

/** Bytes behind their length in two bytes. */
export function vec16(bytes: Uint8Array): Uint8Array {
  return concat(u16(bytes.length), bytes);
}

/** The bytes of a text that has only ASCII characters. */
export function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** A handshake message that is not as it has to be. */
export function malformedMessage(message: string, what: string): SecureSocketError {
  return new SecureSocketError('PROTOCOL', `the peer's ${message} is malformed: ${what}`);
}

/** Takes a body apart, field by field; whatever does not fit is malformed. */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #name: string;
  #at = 0;

  constructor(bytes: Uint8Array, name: string) {
    this.#bytes = bytes;
    this.#name = name;
  }

  take(length: number): Uint8Array {
    const from = this.#advance(length);
    return this.#bytes.slice(from, this.#at);
  }

  u8(): number {
    return this.#number(1);
  }

  u16(): number {
    return this.#number(2);
  }

  u32(): number {
    return this.#number(4);
  }

  vec16(): Uint8Array {
    return this.take(this.u16());
  }

  /** An extension block, by type in ascending order. */
  extensions(): Map<number, Uint8Array> {
    const entries = new Reader(this.vec16(), this.#name);
    const found = new Map<number, Uint8Array>();
    for (let last = -1; !entries.isAtEnd; ) {
      const type = entries.u16();
      if (type <= last) throw malformedMessage(this.#name, 'its extensions are not in ascending order');
      last = type;
      found.set(type, entries.vec16());
    }
    return found;
  }

  /** A number within bounds. */
  within(value: number, min: number, max: number, what: string): number {
    if (value < min || value > max)
      throw malformedMessage(this.#name, `${what} ${value} is not ${min} to ${max}`);
    return value;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  end(): void {
    if (!this.isAtEnd) throw malformedMessage(this.#name, `${this.#bytes.length - this.#at} bytes too many`);
  }

  #number(length: number): number {
    let value = 0;
    for (let at = this.#advance(length); at < this.#at; at++)
      value = value * 256 + (this.#bytes[at] as number);
    return value;
  }

  /** Goes on by a field of so many bytes; returns where it begins. */
  #advance(length: number): number {
    if (length > this.#bytes.length - this.#at) throw malformedMessage(this.#name, 'it ends inside a field');
    const from = this.#at;
    this.#at += length;
    return from;
  }
}
