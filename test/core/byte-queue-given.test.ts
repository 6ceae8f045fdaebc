import { describe, expect, it } from 'vitest';
import { ByteQueue } from '../../src/core/byte-queue.js';

describe('a given chunk', () => {
  /** A chunk that tells whether its memory was given back. */
  const watched = (length: number): { chunk: Uint8Array; discarded: () => boolean } => {
    const chunk = new Uint8Array(length);
    let isDiscarded = false;
    const transfer = (left: number): void => {
      isDiscarded = left === 0;
    };
    Object.assign(chunk.buffer, { transfer });
    return { chunk, discarded: () => isDiscarded };
  };

  it('is not copied, and gives its memory back once nothing of it is in use', () => {
    const queue = new ByteQueue();
    const [one, two] = [watched(5000), watched(6000)];
    queue.give(one.chunk);
    queue.give(two.chunk);
    expect(queue.take(5000).buffer).toBe(one.chunk.buffer);
    expect(one.discarded()).toBe(false);
    expect(queue.take(1).buffer).toBe(two.chunk.buffer);
    expect([one.discarded(), two.discarded()]).toEqual([true, false]);
    queue.take(5999);
    queue.keep(0);
    expect(two.discarded()).toBe(true);
    expect([queue.length, queue.capacity]).toEqual([0, 0]);
  });

  it('keeps its memory if that is small, or has more in it', () => {
    const queue = new ByteQueue();
    const [small, part] = [watched(4095), watched(10_000)];
    queue.give(small.chunk);
    queue.give(part.chunk.subarray(1));
    queue.take(4095);
    queue.take(9999);
    queue.keep(0);
    expect([small.discarded(), part.discarded()]).toEqual([false, false]);
  });

  it('has copies behind it of what is lent, be it a Buffer', () => {
    const queue = new ByteQueue();
    const lent = Buffer.alloc(5000, 1);
    queue.give(new Uint8Array(1));
    queue.lend(lent);
    lent.fill(2);
    queue.drop(1);
    expect(new Set(queue.take(5000))).toEqual(new Set([1]));
  });

  it('counts as memory held, with what it costs beside its bytes', () => {
    const queue = new ByteQueue();
    for (let i = 0; i < 3; i++) queue.give(new Uint8Array(1000));
    expect([queue.given, queue.capacity, queue.length]).toEqual([3384, 3384, 3000]);
    queue.take(1500);
    expect([queue.given, queue.length]).toEqual([2256, 1500]);
    queue.clear();
    expect([queue.given, queue.capacity, queue.length]).toEqual([0, 0, 0]);
  });

  it('leaves no place to read into while it waits', () => {
    const queue = new ByteQueue();
    queue.lend(new Uint8Array(70_000));
    queue.keep(200_000);
    expect(queue.target(200_000)).toBeDefined();
    queue.give(new Uint8Array(10));
    expect(queue.target(200_000)).toBeUndefined();
  });
});
