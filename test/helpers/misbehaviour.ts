/** What a misbehaviour is, and what several of them need. */
import type { KeyObject } from 'node:crypto';
import type { Wire } from './misbehaving-peer.js';
import { concat, flip, spkiOf, u8, u16, vec16 } from './misbehaving-peer-crypto.js';

/** The keys that a misbehaviour may need. */
export interface TestKeys {
  /** Of the server under test, or of the server that the client under test has pinned. */
  readonly server: KeyObject;
  readonly client: KeyObject;
  readonly other: KeyObject;
  readonly weak: KeyObject;
}

/** One thing done wrong, and what has to come of it. */
export interface Misbehaviour {
  readonly name: string;
  /** The code of the error at the end under test; `null` if it is no misbehaviour but has to be tolerated. */
  readonly code: string | null;
  /** What it writes upon it. */
  readonly wire: string;
  readonly play: Play;
  /** How the end under test has to be set up, if not as usual. */
  readonly setUp?:
    | 'hybrid'
    | 'clients none'
    | 'clients required'
    | 'refusing'
    | 'with identity'
    | 'trusting, with identity';
}

/**
 * Does it over the wire and says what the end wrote upon it; `connect` gives a connection to another end like it.
 */
export type Play = (wire: Wire, keys: TestKeys, connect: () => Wire) => Promise<string>;

/** An extension, and a block of them. */
export const extension = (kind: number, data = ''): Buffer => concat(u16(kind), vec16(Buffer.from(data)));
export const extensions = (...entries: Buffer[]): Buffer => vec16(concat(...entries));

export function changeByte(bytes: Buffer, place: number, value: number): Buffer {
  const changed = Buffer.from(bytes);
  changed[place] = value;
  return changed;
}

/** Ways to encode or choose an RSA key that must be refused. */
export const badKeys: readonly [string, (key: KeyObject, weak: KeyObject) => Buffer][] = [
  ['of 1024 bits', (_, weak) => spkiOf(weak)],
  ['with a byte behind', (key) => concat(spkiOf(key), u8(0))],
  ['cut short', (key) => spkiOf(key).subarray(0, -1)],
  [
    'with a length longer than needed',
    (key) => concat(Buffer.from([0x30, 0x83, 0x00]), spkiOf(key).subarray(2)),
  ],
  [
    'of indefinite length',
    (key) => concat(Buffer.from([0x30, 0x80]), spkiOf(key).subarray(4), Buffer.alloc(2)),
  ],
  ['with an even modulus', (key) => flip(spkiOf(key), -6)],
  ['with a negative modulus', (key) => negative(spkiOf(key))],
  ['with the exponent 65539', (key) => concat(spkiOf(key).subarray(0, -1), u8(3))],
  ['of the algorithm RSASSA-PSS', (key) => changeByte(spkiOf(key), 16, 0x0a)],
  ['without the NULL of its algorithm', (key) => withoutNull(spkiOf(key))],
  ['with unused bits', (key) => changeByte(spkiOf(key), 23, 1)],
  ['of no bytes', () => Buffer.alloc(0)],
];

/** 2048 bits: the modulus without the zero byte in front, all lengths around it one less. */
function negative(spki: Buffer): Buffer {
  const inner = concat(Buffer.from('02820100', 'hex'), spki.subarray(33));
  const sequence = concat(Buffer.from([0x30, 0x82]), u16(inner.length), inner);
  const bits = concat(Buffer.from([0x03, 0x82]), u16(sequence.length + 1), u8(0), sequence);
  return concat(Buffer.from([0x30, 0x82]), u16(15 + bits.length), spki.subarray(4, 19), bits);
}

function withoutNull(spki: Buffer): Buffer {
  const algorithm = concat(Buffer.from([0x30, 0x0b]), spki.subarray(6, 17));
  const rest = spki.subarray(19);
  return concat(Buffer.from([0x30, 0x82]), u16(algorithm.length + rest.length), algorithm, rest);
}
