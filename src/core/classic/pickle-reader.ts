import { SecureSocketError } from '../../errors.js';

/** The opcodes that occur, by the names of CPython's pickletools. */
export const OP = {
  MARK: 0x28,
  EMPTY_TUPLE: 0x29,
  STOP: 0x2e,
  INT: 0x49,
  BININT: 0x4a,
  BININT1: 0x4b,
  LONG: 0x4c,
  BININT2: 0x4d,
  NONE: 0x4e,
  REDUCE: 0x52,
  SHORT_BINSTRING: 0x55,
  BINUNICODE: 0x58,
  BUILD: 0x62,
  GLOBAL: 0x63,
  PUT: 0x70,
  BINPUT: 0x71,
  LONG_BINPUT: 0x72,
  TUPLE: 0x74,
  SETITEMS: 0x75,
  EMPTY_DICT: 0x7d,
  PROTO: 0x80,
  NEWOBJ: 0x81,
  TUPLE2: 0x86,
  LONG1: 0x8a,
  LONG4: 0x8b,
  SHORT_BINUNICODE: 0x8c,
  STACK_GLOBAL: 0x93,
  MEMOIZE: 0x94,
  FRAME: 0x95,
} as const;

/** What ends a line in the opcodes that come from protocol 0. */
export const LF = 0x0a;

/** Thrown by a {@link PickleReader} where the bytes at hand end: what is there may be the beginning of a pickle. */
export const endOfInput: Error = new Error('end of input');

/** Reads the pieces that the templates of K1 (docs/protocol.md) are made of. */
export class PickleReader {
  position = 0;
  readonly #bytes: Uint8Array;
  /** No valid pickle goes beyond this. */
  #limit = MAX_LENGTH;
  #framed = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The next byte, not taken. */
  peek(): number {
    if (this.position >= this.#limit) this.#beyondLimit();
    const byte = this.#bytes[this.position];
    if (byte === undefined) throw endOfInput;
    return byte;
  }

  /** The next byte. */
  byte(): number {
    const byte = this.peek();
    this.position += 1;
    return byte;
  }

  /** The next bytes, a view. */
  take(length: number): Uint8Array {
    if (length > this.#limit - this.position) this.#beyondLimit();
    if (length > this.#bytes.length - this.position) throw endOfInput;
    this.position += length;
    return this.#bytes.subarray(this.position - length, this.position);
  }

  /** Takes exactly these bytes. */
  expect(...bytes: number[]): void {
    for (const expected of bytes) {
      const byte = this.byte();
      if (byte !== expected) fail(`byte ${this.position - 1} is ${hex(byte)}; expected ${hex(expected)}`);
    }
  }

  /** Takes exactly this ASCII text. */
  expectText(text: string): void {
    this.expect(...ascii(text));
  }

  /** FRAME: its length is that of all that follows. */
  frame(): void {
    this.expect(OP.FRAME);
    const length = this.byte() + 256 * this.byte();
    this.expect(0, 0, 0, 0, 0, 0);
    if (length > this.#limit - this.position) this.#beyondLimit();
    this.#limit = this.position + length;
    this.#framed = true;
  }

  /** Here the pickle ends. */
  end(): void {
    if (this.#framed && this.position !== this.#limit) fail('its frame does not end with it');
  }

  /** An opcode that stores in the memo; nothing accepted here ever reads it. */
  memo(): void {
    const opcode = this.peek();
    if (opcode === OP.MEMOIZE) this.take(1);
    else if (opcode === OP.BINPUT) this.take(2);
    else if (opcode === OP.LONG_BINPUT) this.take(5);
    else if (opcode === OP.PUT) {
      this.take(1);
      this.digits(10);
      this.expect(LF);
    }
  }

  /** The length of a LONG4. */
  longLength(): number {
    const length = this.byte() + 256 * this.byte();
    this.expect(0, 0);
    if (length < 256) fail('an integer is not minimal');
    return length;
  }

  /** At least one decimal digit, up to the first byte that is none. */
  digits(max: number): Uint8Array {
    const start = this.position;
    while (isDigit(this.peek())) {
      this.position += 1;
      if (this.position - start > max) fail(`a number of more than ${max} digits`);
    }
    if (this.position === start) fail(`byte ${start} is ${hex(this.peek())}; expected a decimal digit`);
    return this.#bytes.subarray(start, this.position);
  }

  #beyondLimit(): never {
    fail(this.#framed ? 'it is longer than its frame' : `it is longer than ${MAX_LENGTH} bytes`);
  }
}

/** Refuses the pickle. */
export function fail(problem: string): never {
  throw new SecureSocketError('BAD_KEY', `not the pickle of an rsa.PublicKey: ${problem}`);
}

/** A byte as it is shown in messages. */
export function hex(byte: number): string {
  return `0x${byte.toString(16).padStart(2, '0')}`;
}

/** The codes of an ASCII text. */
export function ascii(text: string): number[] {
  return Array.from(text, (character) => character.charCodeAt(0));
}

const MAX_LENGTH = 4000;

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}
