import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteQueue } from '../../src/core/byte-queue.js';

describe('ByteQueue', () => {
  it('gives back every byte in order, however it is fed and asked', () => {
    const step = fc.oneof(
      fc.record({ feed: fc.integer({ min: 0, max: 300 }), scratch: fc.boolean(), given: fc.boolean() }),
      fc.record({ take: fc.integer({ min: 0, max: 400 }) }),
      fc.record({ peek: fc.integer({ min: 1, max: 400 }), drop: fc.integer({ min: 0, max: 400 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const queue = new ByteQueue();
        let fed = 0;
        let taken = 0;
        const expectedBytes = (count: number): number[] =>
          Array.from({ length: count }, (_, i) => (taken + i) % 251);
        for (const act of steps) {
          if ('feed' in act) {
            const chunk = Uint8Array.from({ length: act.feed }, (_, i) => (fed + i) % 251);
            fed += act.feed;
            if (act.given) queue.give(chunk);
            else queue.lend(chunk);
            if (act.scratch && act.given) queue.keep(0);
            else if (act.scratch) {
              queue.keep(0);
              chunk.fill(255);
            }
          } else if ('take' in act) {
            if (act.take > queue.length) continue;
            expect([...queue.take(act.take)]).toEqual(expectedBytes(act.take));
            taken += act.take;
          } else if (act.peek <= queue.length) {
            const view = queue.peek(act.peek);
            expect(view.length).toBeGreaterThanOrEqual(act.peek);
            expect([...view]).toEqual(expectedBytes(view.length));
            const drop = Math.min(act.drop, view.length);
            queue.drop(drop);
            taken += drop;
          }
          expect(queue.length).toBe(fed - taken);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('holds no more than twice the bytes received plus 64 KiB while a large request is unfinished', () => {
    const queue = new ByteQueue();
    const wanted = 2 ** 20;
    let received = 0;
    for (const size of [1, 100, 5000, 20_000, 30_000]) {
      queue.lend(new Uint8Array(size));
      queue.keep(wanted);
      received += size;
      expect(queue.capacity).toBeLessThanOrEqual(2 * received + 64 * 1024);
    }
    queue.lend(new Uint8Array(40_000));
    queue.keep(wanted);
    expect(queue.capacity).toBe(wanted);
  });

  it('never takes the announced length of a very large request at its word', () => {
    const queue = new ByteQueue();
    const wanted = 900_000_000;
    for (let received = 65_536; received < 8_000_000; received += 65_536) {
      queue.lend(new Uint8Array(65_536));
      queue.keep(wanted);
      expect(queue.capacity).toBeLessThanOrEqual(2 * received + 64 * 1024);
    }
    expect(queue.target(wanted)).toBeUndefined();
  });

  it('gives its memory back when it is empty', () => {
    const queue = new ByteQueue();
    queue.lend(new Uint8Array(100_000));
    queue.keep(200_000);
    queue.take(100_000);
    queue.keep(0);
    expect(queue.capacity).toBe(0);
  });

  it('lets the rest of a large request be read straight into its place', () => {
    const queue = new ByteQueue();
    const wanted = 300_000;
    expect(queue.target(wanted)).toBeUndefined();
    queue.lend(new Uint8Array(70_000).fill(1));
    queue.keep(wanted);
    const target = queue.target(wanted) as Uint8Array;
    expect(target.length).toBe(230_000);
    target.fill(2);
    queue.addFilled(230_000);
    const all = queue.take(wanted);
    expect(all[69_999]).toBe(1);
    expect(all[70_000]).toBe(2);
    expect(all[299_999]).toBe(2);
  });

  describe('reading straight into place', () => {
    const KIB = 1024;
    /** A queue that has kept so many bytes of a request. */
    const queueWith = (have: number, wanted: number): ByteQueue => {
      const queue = new ByteQueue();
      queue.lend(new Uint8Array(have));
      queue.keep(wanted);
      return queue;
    };

    it.each([
      ['64 KiB have come and as many are missing', 64 * KIB, 128 * KIB, 64 * KIB],
      ['the request is the largest that is given all its memory', 64 * KIB, 1152 * KIB, 1088 * KIB],
    ])('is offered if %s', (_, have, wanted, room) => {
      expect(queueWith(have, wanted).target(wanted)).toHaveLength(room);
    });

    it.each([
      ['less than 64 KiB have come', 64 * KIB - 1, 200 * KIB],
      ['less than 64 KiB are missing', 64 * KIB, 128 * KIB - 1],
      ['nothing is missing', 64 * KIB, 64 * KIB],
      ['the request is larger than the largest', 64 * KIB, 1152 * KIB + 1],
    ])('is not offered if %s', (_, have, wanted) => {
      expect(queueWith(have, wanted).target(wanted)).toBeUndefined();
    });

    it('is not offered while a chunk is lent, whose bytes come first', () => {
      const queue = queueWith(64 * KIB, 200 * KIB);
      queue.lend(new Uint8Array(1));
      expect(queue.target(200 * KIB)).toBeUndefined();
    });

    it('goes on behind bytes that were taken', () => {
      const queue = queueWith(10 + 64 * KIB, 10);
      queue.take(10);
      const target = queue.target(128 * KIB) as Uint8Array;
      expect(target).toHaveLength(64 * KIB);
      target.fill(9);
      queue.addFilled(64 * KIB);
      expect([queue.length, queue.capacity]).toEqual([128 * KIB, 128 * KIB]);
      const all = queue.take(128 * KIB);
      expect([all[64 * KIB - 1], all[64 * KIB], all[128 * KIB - 1]]).toEqual([0, 9, 9]);
    });
  });

  it('takes all the memory of a large request at once when 64 KiB have come, and of a small one no more than it', () => {
    for (const [have, wanted, min, max] of [
      [65_536, 500_000, 500_000, 500_000],
      [65_535, 500_000, 65_535, 131_070],
      [100, 150, 100, 150],
      [100, 500, 100, 200],
      [100, 0, 100, 200],
      [65_536, 1_179_648, 1_179_648, 1_179_648],
      [65_536, 1_179_649, 65_536, 131_072],
    ] as const) {
      const queue = new ByteQueue();
      queue.lend(new Uint8Array(have));
      queue.keep(wanted);
      expect(queue.capacity, `${have} of ${wanted}`).toBeGreaterThanOrEqual(min);
      expect(queue.capacity, `${have} of ${wanted}`).toBeLessThanOrEqual(max);
    }
  });

  it('makes room for as much again, so that not every byte is copied for the next, but not beyond the request', () => {
    for (const [wanted, capacity] of [
      [1000, 200],
      [150, 150],
      [0, 200],
    ] as const) {
      const queue = new ByteQueue();
      for (const size of [100, 10]) {
        queue.lend(new Uint8Array(size));
        queue.keep(wanted);
      }
      expect(queue.capacity, `of ${wanted}`).toBe(capacity);
    }
  });

  it('uses the memory of a large request again, and never that of one that is not done with', () => {
    const length = 400 * 1024;
    const beginRequest = (wanted: number): { queue: ByteQueue; buffer: unknown } => {
      const queue = new ByteQueue();
      queue.lend(new Uint8Array(70_000));
      queue.keep(wanted);
      return { queue, buffer: queue.target(wanted)?.buffer };
    };
    const first = beginRequest(length);
    const second = beginRequest(length);
    expect(second.buffer).not.toBe(first.buffer);
    first.queue.addFilled(length - 70_000);
    first.queue.take(length);
    first.queue.keep(0);
    expect(first.queue.capacity).toBe(0);
    expect(beginRequest(length + 1).buffer).not.toBe(first.buffer);
    expect(beginRequest(length - 65_537).buffer).not.toBe(first.buffer);
    const third = beginRequest(length - 65_536);
    expect(third.buffer).toBe(first.buffer);
    expect(third.queue.capacity).toBe(length);
    // what is given up may be read into still
    third.queue.clear();
    expect(beginRequest(length).buffer).not.toBe(first.buffer);
  });

  it('forgets everything when it is cleared', () => {
    const queue = new ByteQueue();
    queue.lend(new Uint8Array(100));
    queue.keep(200);
    queue.lend(new Uint8Array(50));
    queue.clear();
    expect([queue.length, queue.capacity]).toEqual([0, 0]);
    queue.lend(Uint8Array.of(7));
    expect([...queue.take(1)]).toEqual([7]);
  });

  it('looks at a chunk where it lies, without memory of its own', () => {
    const queue = new ByteQueue();
    const chunk = new Uint8Array(1000);
    queue.lend(chunk);
    expect(queue.take(400).buffer).toBe(chunk.buffer);
    expect(queue.peek(600).buffer).toBe(chunk.buffer);
    expect(queue.capacity).toBe(0);
  });

  it('is not slow when fed byte by byte', () => {
    const queue = new ByteQueue();
    const byte = new Uint8Array(1);
    const copiedBefore = process.cpuUsage().user;
    for (let i = 0; i < 400_000; i++) {
      queue.lend(byte);
      queue.keep(400_000);
    }
    expect(queue.take(400_000).length).toBe(400_000);
    // a queue that copies everything for each byte needs minutes
    expect(process.cpuUsage().user - copiedBefore).toBeLessThan(5_000_000);
  });
});
