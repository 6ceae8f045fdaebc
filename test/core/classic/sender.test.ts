import { createCipheriv, createDecipheriv } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { node } from '../../../backends/node.js';
import { ClassicSender } from '../../../src/core/classic/sender.js';

const KEY = new Uint8Array(32).fill(5);
const SMALL = 32 * 1024;

function sender(maxMessage = 2 ** 30): ClassicSender {
  return new ClassicSender(node.aesEcb(KEY), maxMessage, 2 ** 20);
}

/** A message whose bytes depend on its length. */
const message = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => length + i);

/** What the seed writes for a message, computed with node:crypto alone. */
function frame(text: Uint8Array): Buffer {
  const padding = 32 - (text.length % 32);
  const cipher = createCipheriv('aes-256-ecb', KEY, null).setAutoPadding(false);
  const body = Buffer.concat([
    cipher.update(text),
    cipher.update(Buffer.alloc(padding, padding)),
    cipher.final(),
  ]);
  return Buffer.concat([Buffer.from(`${String(body.length).length}${body.length}`), body]);
}

/** The lengths of the frames' bodies. */
function bodies(wire: Buffer): number[] {
  const out: number[] = [];
  for (let at = 0; at < wire.length; ) {
    const digits = wire.readUInt8(at) - 0x30;
    const length = Number(wire.toString('latin1', at + 1, at + 1 + digits));
    const decipher = createDecipheriv('aes-256-ecb', KEY, null).setAutoPadding(false);
    const padded = decipher.update(wire.subarray(at + 1 + digits, at + 1 + digits + length));
    out.push(padded.length - (padded.at(-1) ?? 0));
    at += 1 + digits + length;
  }
  return out;
}

describe('frames', () => {
  const lengths = [
    ...[0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 67, 68, 95, 96, 963, 964, 991, 992, 9963, 9983, 9984],
    ...[SMALL - 33, SMALL - 1, SMALL, SMALL + 1, SMALL + 15, SMALL + 16, SMALL + 31, SMALL + 32],
    ...[65503, 65504, 65535, 65536, 99967, 99968, 99999, 999967, 999968, 1000000],
  ];

  it.each(lengths)('of a message of %i bytes are what the seed writes', (length) => {
    const own = sender();
    own.stage(message(length));
    expect(Buffer.concat(own.flush()).equals(frame(message(length)))).toBe(true);
  });

  it('of many messages follow one another in their order, small or large', () => {
    const own = sender();
    const some = [0, 40000, 5, 6, 32767, 32767, 32768, 1, 20000, 20000, 20000, 20000, 0];
    for (const length of some) own.stage(message(length));
    const wire = Buffer.concat(own.flush());
    expect(bodies(wire)).toEqual(some);
    expect(wire.equals(Buffer.concat(some.map((length) => frame(message(length)))))).toBe(true);
  });

  it('of the small messages of one tick leave as one chunk', () => {
    const own = sender();
    for (let i = 0; i < 100; i++) own.stage(message(i));
    expect(own.flush()).toHaveLength(1);
    expect(own.flush()).toEqual([]);
  });

  it('are the same when a large message is taken in parts', () => {
    for (const length of [100_000, 100_001, 131_072]) {
      const own = sender();
      const wire: Uint8Array[] = [];
      const places: number[] = [];
      for (let at = 0; at < length; places.push(at)) {
        at = own.stage(message(length), at, 40_001);
        wire.push(...own.flush());
      }
      expect(places.slice(0, -1)).toEqual(places.slice(0, -1).map((_, i) => (i + 1) * 40_016));
      expect(Buffer.concat(wire).equals(frame(message(length)))).toBe(true);
    }
  });

  it('take nothing of the buffer of the caller, which may use it again', () => {
    for (const length of [100, 50000]) {
      const own = sender();
      const lent = message(length);
      own.stage(lent);
      lent.fill(0xee);
      expect(Buffer.concat(own.flush()).equals(frame(message(length)))).toBe(true);
    }
  });
});

describe('what is staged', () => {
  it('is counted until it is taken', () => {
    const own = sender();
    expect(own.staged).toBe(0);
    own.stage(message(10));
    expect(own.staged).toBe(32);
    own.stage(message(50000));
    const wire = frame(message(10)).length + frame(message(50000)).length;
    expect(own.staged).toBe(wire);
    own.stage(message(31));
    expect(own.staged).toBe(wire + 32);
    own.flush();
    expect(own.staged).toBe(0);
  });

  it('leaves with the end, and nothing after it', () => {
    const own = sender();
    own.stage(message(3));
    expect(Buffer.concat(own.close()).equals(frame(message(3)))).toBe(true);
    own.stage(message(4));
    own.stage(message(50000));
    expect([own.staged, own.flush(), own.close()]).toEqual([0, [], []]);
  });

  it('is dropped when the connection is given up', () => {
    const own = sender();
    own.stage(message(50000));
    own.stage(message(3));
    own.abandon();
    own.stage(message(4));
    own.stage(message(50000));
    expect([own.staged, own.flush(), own.close()]).toEqual([0, [], []]);
  });

  it('is taken in parts if it is large, each hardly longer than asked for', () => {
    const own = sender();
    const [large, wire]: [Uint8Array, Uint8Array[]] = [message(200_005), []];
    const places: number[] = [];
    for (let at = 0; at < large.length; places.push(at)) {
      at = own.stage(large, at, 50_001);
      wire.push(...own.flush());
    }
    expect(places).toEqual([50_016, 100_032, 150_048, 200_005]);
    expect(Buffer.concat(wire).equals(frame(large))).toBe(true);
  });

  it('may be as long as the sender says, which is for its owner to see to', () => {
    expect(sender(1234).maxMessage).toBe(1234);
  });
});
