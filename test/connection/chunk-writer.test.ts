import { setImmediate } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { ChunkWriter } from '../../src/connection/chunk-writer.js';
import { joinSmall } from '../../src/connection/chunks.js';
import { Outbox } from '../../src/connection/outbox.js';
import type { Chunk } from '../../src/core/script.js';
import { bytes, StillTransport } from '../helpers/letters.js';

const MIB = 1024 * 1024;

function writer(): {
  writer: ChunkWriter;
  transport: StillTransport;
  onEnd: ReturnType<typeof vi.fn>;
  onFailure: ReturnType<typeof vi.fn>;
} {
  const transport = new StillTransport();
  const [onEnd, onFailure] = [vi.fn(), vi.fn()];
  return { writer: new ChunkWriter(transport, onEnd, onFailure), transport, onEnd, onFailure };
}

/** A chunk that the platform has yet to compute, of so many bytes. */
function later(length: number): { chunk: Chunk; done(...texts: string[]): void; fail(error: Error): void } {
  let settle: { resolve: (chunks: Uint8Array[]) => void; reject: (error: Error) => void } | undefined;
  const promise = new Promise<Uint8Array[]>((resolve, reject) => (settle = { resolve, reject }));
  return {
    chunk: { length, bytes: promise },
    done: (...texts) => settle?.resolve(texts.map(bytes)),
    fail: (error) => settle?.reject(error),
  };
}

describe('chunks', () => {
  it('that are small are copied together with their neighbours, and large ones are left as they are', () => {
    const large = new Uint8Array(1024).fill(1);
    const small = new Uint8Array(1023).fill(2);
    const chunks = joinSmall([bytes('a'), bytes('b'), large, small, bytes('c'), large, large]);
    expect(chunks.map(({ length }) => length)).toEqual([2, 1024, 1024, 1024, 1024]);
    expect([chunks[1], chunks[3], chunks[4]].every((chunk) => chunk === large)).toBe(true);
    expect(Buffer.concat(chunks)).toEqual(
      Buffer.concat([bytes('a'), bytes('b'), large, small, bytes('c'), large, large]),
    );
    expect(joinSmall([])).toEqual([]);
    expect(joinSmall([bytes('z')])).toEqual([bytes('z')]);
  });
});

describe('an outbox', () => {
  it('gives a slice and a little more: what is small goes with it', () => {
    const outbox = new Outbox(
      () => {},
      () => {},
    );
    for (const length of [2000, 2000, 1023, 1024, 5]) outbox.push(new Uint8Array(length));
    expect([outbox.bytes, outbox.isEmpty]).toEqual([6052, false]);
    expect(outbox.take(4000).map(({ length }) => length)).toEqual([2000, 2000, 1023]);
    expect(outbox.bytes).toBe(1029);
    expect(outbox.take(1).map(({ length }) => length)).toEqual([1024, 5]);
    expect([outbox.bytes, outbox.isEmpty, outbox.take(100)]).toEqual([0, true, []]);
  });

  it('holds everything behind a chunk that is not there', async () => {
    const arrivals = vi.fn();
    const outbox = new Outbox(arrivals, () => {});
    const [first, second] = [later(3), later(2)];
    for (const chunk of [bytes('a'), first.chunk, bytes('b'), second.chunk]) outbox.push(chunk);
    expect([outbox.bytes, outbox.take(100)]).toEqual([7, [bytes('a')]]);
    second.done('45');
    await setImmediate();
    expect([arrivals.mock.calls.length, outbox.take(100)]).toEqual([0, []]);
    first.done('1', '23');
    await setImmediate();
    expect(arrivals).toHaveBeenCalledTimes(1);
    expect(outbox.take(100)).toEqual(['1', '23', 'b', '45'].map(bytes));
    expect([outbox.bytes, outbox.isEmpty]).toEqual([0, true]);
  });

  it('that was cleared takes nothing that comes late, and reports no failure', async () => {
    const [arrivals, failures] = [vi.fn(), vi.fn()];
    const outbox = new Outbox(arrivals, failures);
    const [first, second, third] = [later(1), later(1), later(1)];
    for (const { chunk } of [first, second]) outbox.push(chunk);
    outbox.clear();
    expect([outbox.bytes, outbox.isEmpty]).toEqual([0, true]);
    outbox.push(third.chunk);
    first.done('a');
    second.fail(new Error('none'));
    await setImmediate();
    expect([arrivals.mock.calls.length, failures.mock.calls.length, outbox.take(9)]).toEqual([0, 0, []]);
    third.fail(new Error('no platform'));
    await setImmediate();
    expect(failures).toHaveBeenCalledWith(new Error('no platform'));
  });
});

describe('a writer', () => {
  it('gives the transport what there is, and more only when that is taken', () => {
    const { writer: out, transport } = writer();
    out.write([bytes('a'), bytes('b')]);
    out.write([bytes('c')]);
    expect([transport.writes, out.pending, out.waiting, out.bytesWritten]).toEqual([[['ab']], 2, 1, 3]);
    transport.pending = 1;
    out.onWritten();
    expect(transport.writes).toEqual([['ab']]);
    transport.pending = 0;
    out.onWritten();
    expect([transport.writes, out.waiting]).toEqual([[['ab'], ['c']], 0]);
    out.write([]);
    expect(transport.writes.length).toBe(2);
  });

  it('gives a mebibyte at a time', () => {
    const { writer: out, transport } = writer();
    out.write(Array.from({ length: 40 }, () => new Uint8Array(64 * 1024)));
    expect([transport.pending, out.waiting]).toEqual([MIB, 1.5 * MIB]);
    transport.pending = 0;
    out.onWritten();
    expect([transport.pending, out.waiting]).toEqual([MIB, 0.5 * MIB]);
  });

  it('knows what the system has taken', () => {
    const { writer: out, transport } = writer();
    out.write([bytes('abcd')]);
    expect([out.confirmedBytes(false), out.confirmedBytes(true), out.unsent]).toEqual([0, 0, 4]);
    transport.left = 1;
    expect([out.confirmedBytes(false), out.confirmedBytes(true), out.unsent]).toEqual([3, 0, 1]);
    transport.left = undefined;
    transport.pending = 0;
    out.onWritten();
    expect([out.confirmedBytes(false), out.confirmedBytes(true)]).toEqual([4, 4]);
    out.write([bytes('ef')]);
    transport.left = 9;
    // what was confirmed stays so
    expect([out.confirmedBytes(false), out.confirmedBytes(true)]).toEqual([4, 4]);
    out.write([bytes('ghi')]);
    transport.left = 1;
    // "ghi" waits here, and "f" in the transport
    expect([out.confirmedBytes(false), out.confirmedBytes(true)]).toEqual([5, 4]);
  });

  it('asks the system what is left only if the transport has something: that costs a system call', () => {
    const { writer: out, transport } = writer();
    const unsent = vi.spyOn(transport, 'unsent', 'get');
    out.write([bytes('abcd')]);
    transport.pending = 0;
    out.onWritten();
    expect([out.confirmedBytes(true), out.confirmedBytes(false), unsent.mock.calls.length]).toEqual([
      4, 4, 0,
    ]);
    out.write([bytes('ef')]);
    expect([out.confirmedBytes(false), unsent.mock.calls.length]).toEqual([4, 1]);
  });

  it('gives the end behind everything, once', () => {
    const { writer: out, transport, onEnd } = writer();
    out.write([bytes('a')]);
    out.write([bytes('b')]);
    out.end();
    expect([transport.hasEnded, onEnd.mock.calls.length]).toEqual([false, 0]);
    transport.pending = 0;
    out.onWritten();
    expect([transport.written, transport.hasEnded, onEnd.mock.calls.length]).toEqual(['ab', true, 1]);
    out.end();
    transport.pending = 0;
    out.onWritten();
    expect(onEnd).toHaveBeenCalledTimes(1);
  });

  it('gives it at once if there is nothing', () => {
    const { writer: out, transport, onEnd } = writer();
    out.end();
    expect([transport.hasEnded, onEnd.mock.calls.length]).toEqual([true, 1]);
  });

  it('that was stopped drops what waits and takes nothing more', async () => {
    const { writer: out, transport, onEnd } = writer();
    const late = later(1);
    out.write([bytes('a'), late.chunk]);
    out.write([bytes('b')]);
    out.stop();
    out.end();
    out.write([bytes('c')]);
    late.done('x');
    await setImmediate();
    transport.pending = 0;
    out.onWritten();
    expect([transport.written, out.waiting, out.bytesWritten, onEnd.mock.calls.length]).toEqual([
      'a',
      0,
      3,
      0,
    ]);
  });

  it('writes the last bytes of all without waiting', () => {
    const { writer: out, transport } = writer();
    out.write([bytes('a')]);
    out.write([bytes('b')]);
    out.writeLast([bytes('z')]);
    expect([transport.writes, transport.hasEnded, transport.pending]).toEqual([[['a'], ['bz']], true, 3]);
    out.stop();
  });

  it('and with them what is computed late, also after it was stopped', async () => {
    const { writer: out, transport } = writer();
    const late = later(1);
    out.write([bytes('a'), late.chunk]);
    out.writeLast([bytes('z')]);
    out.stop();
    expect([transport.written, transport.hasEnded]).toEqual(['a', false]);
    late.done('x');
    await setImmediate();
    expect([transport.writes, transport.hasEnded]).toEqual([[['a'], ['xz']], true]);
  });

  it('goes on when what it waited for is there', async () => {
    const { writer: out, transport } = writer();
    const late = later(1);
    out.write([late.chunk, bytes('b')]);
    expect([transport.writes, out.waiting]).toEqual([[], 2]);
    late.done('a');
    await setImmediate();
    expect([transport.writes, out.waiting, transport.hasEnded]).toEqual([[['ab']], 0, false]);
  });

  it('tells its owner if it never will be', async () => {
    const { writer: out, onFailure } = writer();
    const late = later(1);
    out.write([late.chunk]);
    late.fail(new Error('no platform'));
    await setImmediate();
    expect(onFailure).toHaveBeenCalledWith(new Error('no platform'));
  });
});
