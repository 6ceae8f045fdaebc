import type { RsaPublicNumbers } from '../../backend.js';
import { decodeHex } from '../encodings/text.js';
import { ascii, endOfInput, fail, hex, LF, OP, PickleReader } from './pickle-reader.js';

/** The pickle of `rsa.PublicKey(n, e)` that CPython from 3.8 on writes in protocol 4 (docs/protocol.md, K1). */
export function encodePickle(key: RsaPublicNumbers): Uint8Array {
  const body = [
    ...[OP.SHORT_BINUNICODE, MODULE.length, ...ascii(MODULE), OP.MEMOIZE],
    ...[OP.SHORT_BINUNICODE, CLASS.length, ...ascii(CLASS), OP.MEMOIZE, OP.STACK_GLOBAL, OP.MEMOIZE],
    ...[OP.EMPTY_TUPLE, OP.NEWOBJ, OP.MEMOIZE],
    ...[...encodeInteger(key.n), ...encodeInteger(key.e), OP.TUPLE2, OP.MEMOIZE, OP.BUILD, OP.STOP],
  ];
  return Uint8Array.from([OP.PROTO, 4, OP.FRAME, ...littleEndian(body.length, 8), ...body]);
}

/**
 * The key in a pickle of `rsa.PublicKey`, if the bytes start with one of the templates of K1; `length` is the
 * pickle's own. `'incomplete'` if they are the beginning of one; BAD_KEY as soon as they cannot become one. Nothing
 * is ever called or constructed: it is a comparison with templates in which two integers are left open.
 */
export function decodePickle(bytes: Uint8Array): { key: RsaPublicNumbers; length: number } | 'incomplete' {
  const reader = new PickleReader(bytes);
  try {
    const [n, e] = readPickle(reader);
    return { key: { n: n(), e: e() }, length: reader.position };
  } catch (error) {
    if (error === endOfInput) return 'incomplete';
    throw error;
  }
}

const MODULE = 'rsa.key';
const CLASS = 'PublicKey';
const MAX_DIGITS = 1300;

const LETTER_L = 0x4c;

/** Integers are converted only when the whole pickle is there: it is read anew with every chunk that arrives. */
type Deferred = () => Uint8Array;

function readPickle(reader: PickleReader): [Deferred, Deferred] {
  if (reader.peek() === OP.GLOBAL) return readReconstructor(reader);
  reader.expect(OP.PROTO);
  const protocol = reader.byte();
  if (protocol < 2 || protocol > 5) fail(`pickle protocol ${protocol}`);
  if (protocol < 4) {
    reader.expectText(`c${MODULE}\n${CLASS}\n`);
  } else {
    if (reader.peek() === OP.FRAME) reader.frame();
    reader.expect(OP.SHORT_BINUNICODE, MODULE.length, ...ascii(MODULE));
    reader.memo();
    reader.expect(OP.SHORT_BINUNICODE, CLASS.length, ...ascii(CLASS));
    reader.memo();
    reader.expect(OP.STACK_GLOBAL);
  }
  reader.memo();
  reader.expect(OP.EMPTY_TUPLE, OP.NEWOBJ);
  reader.memo();
  const numbers = reader.peek() === OP.NONE ? readSlots(reader) : readPair(reader);
  readEnd(reader, OP.TUPLE2);
  return numbers;
}

/** Protocols 0 and 1, which have no NEWOBJ. */
function readReconstructor(reader: PickleReader): [Deferred, Deferred] {
  reader.expectText('ccopy_reg\n_reconstructor\n');
  reader.memo();
  reader.expectText(`(c${MODULE}\n${CLASS}\n`);
  reader.memo();
  reader.expectText('c__builtin__\nobject\n');
  reader.memo();
  reader.expect(OP.NONE, OP.TUPLE);
  reader.memo();
  reader.expect(OP.REDUCE);
  reader.memo();
  reader.expect(OP.MARK);
  const numbers = readPair(reader);
  readEnd(reader, OP.TUPLE);
  return numbers;
}

function readEnd(reader: PickleReader, tuple: number): void {
  reader.expect(tuple);
  reader.memo();
  reader.expect(OP.BUILD, OP.STOP);
  reader.end();
}

function readPair(reader: PickleReader): [Deferred, Deferred] {
  return [readInteger(reader), readInteger(reader)];
}

/** The state of python-rsa 3.1 to 3.3: None and the dictionary of the slots. */
function readSlots(reader: PickleReader): [Deferred, Deferred] {
  reader.expect(OP.NONE, OP.EMPTY_DICT);
  reader.memo();
  reader.expect(OP.MARK);
  readName(reader, 'n');
  const n = readInteger(reader);
  readName(reader, 'e');
  const e = readInteger(reader);
  reader.expect(OP.SETITEMS);
  return [n, e];
}

function readName(reader: PickleReader, name: string): void {
  const opcode = reader.byte();
  if (opcode === OP.BINUNICODE) reader.expect(1, 0, 0, 0);
  else if (opcode === OP.SHORT_BINUNICODE || opcode === OP.SHORT_BINSTRING) reader.expect(1);
  else fail(`opcode ${hex(opcode)} in place of the name of a slot`);
  reader.expectText(name);
  reader.memo();
}

function readInteger(reader: PickleReader): Deferred {
  const opcode = reader.byte();
  switch (opcode) {
    case OP.BININT1:
      return decodeFixedWidth(reader.take(1), 1);
    case OP.BININT2:
      return decodeFixedWidth(reader.take(2), 0x100);
    case OP.BININT:
      return decodeFixedWidth(reader.take(4), 0x10000);
    case OP.LONG1:
      return decodeLong(reader.take(reader.byte()));
    case OP.LONG4:
      return decodeLong(reader.take(reader.longLength()));
    case OP.INT:
    case OP.LONG:
      return decimal(reader, opcode);
    default:
      return fail(`opcode ${hex(opcode)} in place of an integer`);
  }
}

/** `min`: the smallest positive number that no shorter opcode holds. */
function decodeFixedWidth(bytes: Uint8Array, min: number): Deferred {
  const value = bytes.reduceRight((sum, byte) => 256 * sum + byte, 0);
  if (value >= 0x80000000) fail('an integer is negative');
  if (value < min) fail('an integer is zero or not minimal');
  return () => fromLittleEndian(bytes);
}

/** Little-endian two's complement: the top bit is the sign, so a zero byte may have to stand above it. */
function decodeLong(bytes: Uint8Array): Deferred {
  const top = bytes.at(-1) ?? 0;
  if (top >= 0x80) fail('an integer is negative');
  if (top === 0 && (bytes.at(-2) ?? 0) < 0x80) fail('an integer is zero or not minimal');
  return () => fromLittleEndian(bytes);
}

/** A number in ASCII and a line feed; behind a LONG an `L` may stand before the line feed. */
function decimal(reader: PickleReader, opcode: number): Deferred {
  if (reader.peek() === 0x30) fail('an integer is zero or not minimal');
  const digits = reader.digits(MAX_DIGITS);
  if (opcode === OP.LONG && reader.peek() === LETTER_L) reader.expect(LETTER_L);
  reader.expect(LF);
  return () => {
    const text = BigInt(String.fromCharCode(...digits)).toString(16);
    return decodeHex(text.length % 2 === 0 ? text : `0${text}`);
  };
}

function fromLittleEndian(bytes: Uint8Array): Uint8Array {
  const number = bytes.toReversed();
  return number.subarray(number.findIndex((byte) => byte !== 0));
}

function encodeInteger(number: Uint8Array): number[] {
  const value = number.reduce((sum, byte) => 256 * sum + byte, 0);
  if (value < 0x100) return [OP.BININT1, value];
  if (value < 0x10000) return [OP.BININT2, ...littleEndian(value, 2)];
  if (value < 0x80000000) return [OP.BININT, ...littleEndian(value, 4)];
  const bytes = [...number].reverse();
  if ((number[0] ?? 0) >= 0x80) bytes.push(0);
  if (bytes.length < 256) return [OP.LONG1, bytes.length, ...bytes];
  return [OP.LONG4, ...littleEndian(bytes.length, 4), ...bytes];
}

function littleEndian(value: number, width: number): number[] {
  return Array.from({ length: width }, (_, index) => Math.floor(value / 256 ** index) % 256);
}
