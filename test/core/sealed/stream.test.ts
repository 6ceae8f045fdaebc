import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Batch } from '../../../src/core/script.js';
import { MessageStream, SHORT_PLAINTEXT } from '../../../src/core/sealed/stream.js';
import { collectGarbage } from '../../helpers/garbage.js';
import { digests } from '../../helpers/sealed-open.js';

const SLAB = 16 * 1024;

describe('cutting the stream into messages', () => {
  it('gives the same messages for any cutting into records', () => {
    const sizes = fc.oneof(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 300 }));
    const property = fc.property(
      fc.array(sizes, { maxLength: 30 }),
      fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 }),
      (lengths, cuts) => {
        const sent = lengths.map((length, i) => new Uint8Array(length).fill(i));
        const stream = new MessageStream(1000);
        const batches = cutInto(frame(sent), cuts).map((payload) => {
          const plaintext = record(payload);
          const batch = stream.push(plaintext);
          // memory of short ones is used again before anything is read
          if (plaintext.length <= SHORT_PLAINTEXT) plaintext.fill(0xee);
          return batch;
        });
        expect(batches.flatMap((batch) => drain(batch))).toEqual(sent);
        expect(stream.isAtBoundary).toBe(true);
      },
    );
    fc.assert(property, { numRuns: 300 });
  });

  it('knows the count and the bytes of a batch before anything is cut, and keeps them true', () => {
    const batch = new MessageStream(1000).push(record(frame([bytes(3), bytes(0), bytes(10)]))) as Batch;
    const seen: [number, number][] = [];
    for (let left = true; left; left = batch.next() !== undefined) seen.push([batch.count, batch.bytes]);
    expect(seen).toEqual([
      [3, 13],
      [2, 10],
      [1, 10],
      [0, 0],
    ]);
    expect(batch.next()).toBeUndefined();
  });

  it('is empty once its only message was read', () => {
    const batch = new MessageStream(1000).push(record(frame([bytes(5)]))) as Batch;
    expect([batch.count, batch.bytes, batch.held]).toEqual([1, 5, 5]);
    expect(batch.next()).toEqual(bytes(5));
    expect([batch.count, batch.bytes, batch.held, batch.next()]).toEqual([0, 0, 0, undefined]);
  });

  it('holds the memory of a message that began in an earlier record until it was read', () => {
    const stream = new MessageStream(100_000);
    const payload = frame([bytes(50_000), bytes(3), bytes(4)]);
    stream.push(record(payload.subarray(0, 40_000)));
    const batch = stream.push(record(payload.subarray(40_000))) as Batch;
    expect(batch.held).toBeGreaterThanOrEqual(50_007);
    batch.next();
    expect(batch.held).toBeGreaterThanOrEqual(7);
    expect(batch.held).toBeLessThan(50_000);
    batch.next();
    batch.next();
    expect(batch.held).toBe(0);
  });

  it('counts a message that began in an earlier record with the others', () => {
    const stream = new MessageStream(1000);
    const payload = frame([bytes(20), bytes(3)]);
    expect(stream.push(record(payload.subarray(0, 10)))).toBeUndefined();
    const batch = stream.push(record(payload.subarray(10))) as Batch;
    const seen: [number, number][] = [];
    for (let left = true; left; left = batch.next() !== undefined) seen.push([batch.count, batch.bytes]);
    expect(seen).toEqual([
      [2, 23],
      [1, 3],
      [0, 0],
    ]);
  });

  it('is at a boundary only between messages', () => {
    const stream = new MessageStream(1000);
    const states = [...frame([bytes(1), bytes(0)])].map((byte) => {
      stream.push(record(Uint8Array.of(byte)));
      return stream.isAtBoundary;
    });
    expect(states).toEqual([false, false, false, false, true, false, false, false, true]);
  });
});

describe('a message beyond the limit', () => {
  it('stops the stream at its length, behind the messages before it', () => {
    const stream = new MessageStream(10);
    const batch = stream.push(
      record(Buffer.concat([frame([bytes(10), bytes(1)]), Buffer.from([0, 0, 0, 11, 1])])),
    );
    expect(batch?.count).toBe(2);
    expect(stream.tooBig).toBe(11);
    expect(stream.push(record(frame([bytes(1)])))).toBeUndefined();
  });

  it('stops it when the length comes in pieces, as an unsigned number', () => {
    const stream = new MessageStream(2 ** 31 - 1);
    stream.push(record(Uint8Array.of(0xff, 0xff)));
    expect(stream.tooBig).toBeUndefined();
    expect(stream.push(record(Uint8Array.of(0xff, 0xff, 1)))).toBeUndefined();
    expect(stream.tooBig).toBe(2 ** 32 - 1);
    const whole = new MessageStream(2 ** 31 - 1);
    whole.push(record(Uint8Array.of(0x80, 0, 0, 0)));
    expect(whole.tooBig).toBe(2 ** 31);
  });

  it('stops it even if all of the message is there', () => {
    const stream = new MessageStream(10);
    expect(drain(stream.push(record(frame([bytes(3), bytes(11), bytes(2)]))))).toEqual([bytes(3)]);
    expect(stream.tooBig).toBe(11);
  });

  it('may be as long as the limit, but not longer', () => {
    const stream = new MessageStream(10);
    stream.push(record(Uint8Array.of(0, 0, 0, 10)));
    expect(stream.tooBig).toBeUndefined();
    expect(drain(stream.push(record(bytes(10))))).toEqual([bytes(10)]);
  });
});

describe('memory', () => {
  it('follows the bytes received, not the length declared', () => {
    const before = process.memoryUsage().arrayBuffers;
    const streams = Array.from({ length: 100 }, () => {
      const stream = new MessageStream(2 ** 31 - 1);
      stream.push(record(Uint8Array.of(0x7f, 0xff, 0xff, 0xff, 1, 2, 3)));
      return stream;
    });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 20);
    expect(streams.every((stream) => !stream.isAtBoundary)).toBe(true);
  });

  const records: [string, number[]][] = [
    ['a small record', [5, 0, 64, 1000]],
    ['a record of many small messages', Array.from({ length: 2000 }, (_, i) => 64 + (i % 5))],
    ['a record of middling messages', Array.from({ length: 30 }, (_, i) => 3000 + 300 * i)],
    ['a record that one message nearly fills', [65536, 12, 4]],
    ['a record of two large messages', [40000, 70000]],
    ['a record of one message', [1048576]],
    ['a record with empty messages', [0, 50000, 0, 0, 20000, 0]],
  ];

  it.each(records)('a kept message of %s pins at most 16 KiB beside itself', (_, lengths) => {
    const sent = lengths.map((length, i) => new Uint8Array(length).fill(i));
    const kept = drain(new MessageStream(2 ** 24).push(record(frame(sent))));
    expect(digests(kept)).toEqual(digests(sent));
    for (const message of kept) expect(message.buffer.byteLength - message.length).toBeLessThanOrEqual(SLAB);
  });

  it('messages that do not fit the heap share memory that is protected, instead of having a store each', () => {
    const guarded: ArrayBufferLike[] = [];
    const stream = new MessageStream(1000, (memory) => guarded.push(memory));
    const kept = drain(stream.push(record(frame(Array.from({ length: 2000 }, () => bytes(65))))));
    const memories = new Set(kept.map((message) => message.buffer));
    expect(memories.size).toBeLessThan(12);
    expect(new Set(guarded)).toEqual(memories);
    expect(guarded).toHaveLength(memories.size);
  });

  it.each([
    ['small messages', (): void => {}, Array.from({ length: 100 }, () => 64)],
    ['messages where nothing can be protected', undefined, [65, 300, 1000, 65]],
    ['a message alone in its record', (): void => expect.unreachable(), [1000]],
  ])('%s have memory of their own', (_, protect, lengths) => {
    const kept = drain(new MessageStream(1000, protect).push(record(frame(lengths.map(bytes)))));
    expect(new Set(kept.map((message) => message.buffer)).size).toBe(lengths.length);
    expect(kept).toEqual(lengths.map(bytes));
  });

  it('what a message shares its memory with is never written again', () => {
    const stream = new MessageStream(1000);
    const plaintext = record(frame([bytes(200), bytes(200)]));
    const kept = drain(stream.push(plaintext));
    drain(stream.push(record(frame(Array.from({ length: 500 }, () => new Uint8Array(100).fill(0xff))))));
    expect(kept).toEqual([bytes(200), bytes(200)]);
  });

  it('of a record that is mostly part of a larger message is not held by the few messages before it', async () => {
    const stream = new MessageStream(2 ** 24);
    const push = (): [Batch | undefined, WeakRef<ArrayBufferLike>] => {
      const payload = Buffer.concat([
        frame([bytes(10), bytes(20)]),
        frame([bytes(900_000)]).subarray(0, 600_000),
      ]);
      const plaintext = record(payload);
      return [stream.push(plaintext), new WeakRef(plaintext.buffer)];
    };
    const [batch, memory] = push();
    // what a WeakRef was made of stays until the turn is over
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
    expect(memory.deref()).toBeUndefined();
    expect(drain(batch)).toEqual([bytes(10), bytes(20)]);
  });

  it('messages are plain Uint8Arrays, even out of a Buffer', () => {
    const lengths = [3, 70000, 3, 5000];
    const stream = new MessageStream(2 ** 24);
    const records = [lengths, [3], [64], [3, 4]].map((some) => Buffer.from(record(frame(some.map(bytes)))));
    const out = records.flatMap((plaintext) => drain(stream.push(plaintext)));
    for (const message of out) for (const one of records) expect(message.buffer).not.toBe(one.buffer);
    expect(out.map((message) => message.constructor)).toEqual(out.map(() => Uint8Array));
    expect(out).toHaveLength(lengths.length + 4);
    for (const message of out) expect(message.buffer.byteLength - message.length).toBeLessThanOrEqual(SLAB);
  });
});

function bytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i);
}

function frame(messages: readonly Uint8Array[]): Uint8Array {
  const parts = messages.flatMap((message) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(message.length);
    return [length, message];
  });
  return new Uint8Array(Buffer.concat(parts));
}

function record(payload: Uint8Array): Uint8Array {
  const plaintext = new Uint8Array(1 + payload.length);
  plaintext[0] = 2;
  plaintext.set(payload, 1);
  return plaintext;
}

function drain(batch: Batch | undefined): Uint8Array[] {
  const messages: Uint8Array[] = [];
  for (let next = batch?.next(); next !== undefined; next = batch?.next()) messages.push(next);
  return messages;
}

function cutInto(payload: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0, i = 0; at < payload.length; i++) {
    const size = cuts[i % cuts.length] as number;
    pieces.push(payload.subarray(at, at + size));
    at += size;
  }
  return pieces;
}
