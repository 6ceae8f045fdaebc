import type { Random } from '../helpers/random.js';

/** Bytes and lengths at which parsers go wrong. */
const interesting = [0, 1, 2, 0x10, 0x20, 0x7f, 0x80, 0x81, 0x82, 0xfe, 0xff, 0x0a, 0x30, 0x39];

/** Another input out of one or two others. */
export function mutate(random: Random, input: Uint8Array, other: Uint8Array): Uint8Array {
  let bytes = input;
  for (let rounds = 1 + random.below(4); rounds > 0; rounds--)
    bytes = random.pick(ways)(random, bytes, other);
  return bytes.subarray(0, LONGEST);
}

/** Longer inputs find nothing that shorter ones do not, and take their time. */
const LONGEST = 6000;

type Way = (random: Random, bytes: Uint8Array, other: Uint8Array) => Uint8Array;

const flipBit: Way = (random, bytes) => changeByte(random, bytes, (byte) => byte ^ (1 << random.below(8)));
const setByte: Way = (random, bytes) => changeByte(random, bytes, () => random.pick(interesting));
const addToByte: Way = (random, bytes) => changeByte(random, bytes, (byte) => byte + random.below(9) - 4);

/** Changes a number of two or four bytes, as lengths are. */
const setNumber: Way = (random, bytes) => {
  const at = random.below(bytes.length);
  const width = random.pick([2, 3, 4]);
  const value = random.pick([0, 1, bytes.length - at, bytes.length, 0xffff, 0x10000, 0x7fffffff, 0xffffffff]);
  const number = Array.from({ length: width }, (_, i) => (value >>> (8 * (width - 1 - i))) & 0xff);
  return splice(bytes, at, width, Uint8Array.from(number));
};

const cutOff: Way = (random, bytes) => bytes.slice(0, random.below(bytes.length + 1));
const remove: Way = (random, bytes) =>
  splice(bytes, random.below(bytes.length), 1 + random.below(1 + bytes.length / 8));
const insert: Way = (random, bytes) =>
  splice(bytes, random.below(bytes.length + 1), 0, random.bytes(1 + random.below(20)));

/** Repeats a part of itself. */
const repeat: Way = (random, bytes) => {
  const from = random.below(bytes.length);
  const part = bytes.slice(from, from + 1 + random.below(64));
  return splice(bytes, random.below(bytes.length + 1), 0, part);
};

/** Begins like one input and goes on like another. */
const cross: Way = (random, bytes, other) =>
  join(bytes.subarray(0, random.below(bytes.length + 1)), other.subarray(random.below(other.length + 1)));

/** A part of another input in the middle. */
const graft: Way = (random, bytes, other) => {
  const from = random.below(other.length);
  const part = other.subarray(from, from + 1 + random.below(200));
  return splice(bytes, random.below(bytes.length + 1), random.below(2) * part.length, part);
};

const ways: readonly Way[] = [
  ...[flipBit, flipBit, setByte, setByte, addToByte, setNumber, setNumber],
  ...[cutOff, remove, insert, repeat, cross, graft],
];

function changeByte(random: Random, bytes: Uint8Array, change: (byte: number) => number): Uint8Array {
  if (bytes.length === 0) return random.bytes(1);
  const copy = bytes.slice();
  const at = random.below(copy.length);
  copy[at] = change(copy[at] as number);
  return copy;
}

function splice(
  bytes: Uint8Array,
  at: number,
  drop: number,
  put: Uint8Array = new Uint8Array(0),
): Uint8Array {
  return join(bytes.subarray(0, at), put, bytes.subarray(at + drop));
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts));
}
