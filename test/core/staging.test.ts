import { afterEach, describe, expect, it } from 'vitest';
import { partLengthOf, Staging } from '../../src/core/staging.js';

const FEW = 4 * 1024;
const MANY = 64 * 1024;

const used: Staging[] = [];

function makeStaging(): Staging {
  const one = new Staging();
  used.push(one);
  return one;
}

afterEach(() => {
  for (const each of used.splice(0)) each.release();
});

/** Takes room and fills it. */
function put(into: Staging, length: number, value: number): number {
  const at = into.reserve(length);
  if (at >= 0) into.buffer.fill(value, at, at + length);
  return at;
}

describe('plaintext that is staged', () => {
  it('lies in the order in which room was taken', () => {
    const own = makeStaging();
    expect([put(own, 3, 1), put(own, 0, 9), put(own, 2, 2)]).toEqual([0, 3, 3]);
    expect(own.used).toBe(5);
    expect([...own.bytes]).toEqual([1, 1, 1, 2, 2]);
  });

  it('is none at first', () => {
    const own = makeStaging();
    expect([own.used, own.bytes.length]).toEqual([0, 0]);
  });

  it('stays what it was when it moves to the larger memory', () => {
    const own = makeStaging();
    put(own, FEW, 7);
    expect(own.buffer).toHaveLength(FEW);
    const before = own.buffer;
    expect(put(own, 1, 8)).toBe(FEW);
    expect(own.buffer).toHaveLength(MANY);
    expect(own.bytes.every((byte, i) => byte === (i < FEW ? 7 : 8))).toBe(true);
    // what it left is for the next connection, which must find nothing
    expect(before.every((byte) => byte === 0)).toBe(true);
  });

  it('takes the larger memory at once if it does not fit into the smaller', () => {
    const own = makeStaging();
    expect(own.reserve(FEW + 1)).toBe(0);
    expect(own.buffer).toHaveLength(MANY);
  });

  it('is refused, and changes nothing, where it does not fit any more', () => {
    const own = makeStaging();
    put(own, 100, 1);
    expect(own.reserve(MANY - 99)).toBe(-1);
    expect([own.used, own.buffer.length]).toEqual([100, FEW]);
    expect(own.reserve(MANY - 100)).toBe(100);
    expect(own.used).toBe(MANY);
    expect(own.reserve(1)).toBe(-1);
    expect(makeStaging().reserve(MANY + 1)).toBe(-1);
  });

  it('is wiped when its memory is given back', () => {
    const own = makeStaging();
    put(own, 1000, 0xaa);
    const { buffer } = own;
    own.release();
    expect(buffer.every((byte) => byte === 0)).toBe(true);
    expect([own.used, own.bytes.length]).toEqual([0, 0]);
    own.release();
    expect(put(own, 1, 1)).toBe(0);
  });
});

it('a large message is encrypted in parts that leave the event loop its turns', () => {
  expect(partLengthOf({ native: true })).toBe(4 * 2 ** 20);
  expect(partLengthOf({ native: false })).toBe(128 * 1024);
});

describe('the memory', () => {
  it('goes from one connection to the next, and never to two at once', () => {
    const [one, two] = [makeStaging(), makeStaging()];
    put(one, 10, 1);
    put(two, 10, 2);
    const { buffer } = one;
    expect(two.buffer).not.toBe(buffer);
    one.release();
    const third = makeStaging();
    put(third, 10, 3);
    expect(third.buffer).toBe(buffer);
    expect([...two.bytes]).toEqual(new Array(10).fill(2));
  });

  it.each([FEW, MANY])('of %i bytes is kept for sixteen, however many there were', (size) => {
    const busy = Array.from({ length: 40 }, makeStaging);
    for (const each of busy) each.reserve(size);
    const buffers = new Set(busy.map((each) => each.buffer));
    expect(buffers.size).toBe(40);
    for (const each of busy) each.release();
    const again = Array.from({ length: 40 }, makeStaging);
    for (const each of again) each.reserve(size);
    expect(again.filter((each) => buffers.has(each.buffer))).toHaveLength(16);
  });
});
