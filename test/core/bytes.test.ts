import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteQueue } from '../../src/core/bytes.js';

describe('ByteQueue', () => {
  it('gives back every byte in order, however it is fed and asked', () => {
    const step = fc.oneof(
      fc.record({ feed: fc.integer({ min: 0, max: 300 }), scratch: fc.boolean() }),
      fc.record({ take: fc.integer({ min: 0, max: 400 }) }),
      fc.record({ peek: fc.integer({ min: 1, max: 400 }), drop: fc.integer({ min: 0, max: 400 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const queue = new ByteQueue();
        let fed = 0;
        let taken = 0;
        const expected = (count: number): number[] =>
          Array.from({ length: count }, (_, i) => (taken + i) % 251);
        for (const act of steps) {
          if ('feed' in act) {
            const chunk = Uint8Array.from({ length: act.feed }, (_, i) => (fed + i) % 251);
            fed += act.feed;
            queue.lend(chunk);
            if (act.scratch) {
              queue.keep(0);
              chunk.fill(255);
            }
          } else if ('take' in act) {
            if (act.take > queue.length) continue;
            expect([...queue.take(act.take)]).toEqual(expected(act.take));
            taken += act.take;
          } else if (act.peek <= queue.length) {
            const view = queue.peek(act.peek);
            expect(view.length).toBeGreaterThanOrEqual(act.peek);
            expect([...view]).toEqual(expected(view.length));
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
    queue.filled(230_000);
    const all = queue.take(wanted);
    expect(all[69_999]).toBe(1);
    expect(all[70_000]).toBe(2);
    expect(all[299_999]).toBe(2);
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
