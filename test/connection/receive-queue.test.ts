import { setImmediate } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { ReceiveQueue } from '../../src/connection/receive-queue.js';
import { batchOf, bytes, outcome, outcomes, text } from '../helpers/letters.js';

const queue = (readAhead = 20_000): { queue: ReceiveQueue; onRoom: ReturnType<typeof vi.fn> } => {
  const onRoom = vi.fn();
  return { queue: new ReceiveQueue(readAhead, onRoom), onRoom };
};

/** A batch of `count` messages, and what it costs. */
const many = (count: number): string => 'm'.repeat(count);
const costOf = (count: number): number => count + count * 128 + 1024;

describe('a reader', () => {
  it('waits for a message, and is the only one', async () => {
    const { queue: received } = queue();
    const first = received.recv();
    expect(received.isAwaited).toBe(true);
    for (const second of [received.recv(), received.next(), received.nextBatch()])
      await expect(second).rejects.toMatchObject({
        code: 'RECV_PENDING',
        message: 'a recv() or iteration step is already waiting on this connection: one at a time',
      });
    received.push(batchOf('ab'));
    expect([await outcome(first), received.isAwaited]).toEqual(['a', false]);
    expect(text(await received.recv())).toBe('b');
  });

  it.each(['recv', 'next', 'nextBatch'] as const)('by %s waits for what comes', async (way) => {
    const { queue: received } = queue();
    const step = received[way]();
    expect(await outcome(step)).toBe('waits');
    received.push(batchOf('abc'));
    const value = { recv: 'a', next: { value: bytes('a'), done: false }, nextBatch: undefined }[way];
    if (value !== undefined) expect(await outcome(step)).toEqual(value);
    else expect(await step).toEqual({ value: [bytes('a'), bytes('b'), bytes('c')], done: false });
  });

  it.each(['recv', 'next', 'nextBatch'] as const)(
    'by %s is told of the end, in order or not',
    async (way) => {
      for (const when of ['before', 'after'] as const) {
        const ended = queue().queue;
        const failed = queue().queue;
        const early = when === 'before' ? [] : [ended[way](), failed[way]()];
        ended.finish();
        failed.fail(new Error('cut'));
        const [end, failure] = when === 'before' ? [ended[way](), failed[way]()] : early;
        expect(await end).toEqual(way === 'recv' ? null : { value: undefined, done: true });
        await expect(failure).rejects.toThrow('cut');
        expect([ended.isOver, failed.isOver]).toEqual([true, true]);
      }
    },
  );

  it.each(['recv', 'next', 'nextBatch'] as const)('by %s has what came before the end', async (way) => {
    const { queue: received } = queue();
    received.push(batchOf('a'));
    received.fail(new Error('cut'));
    received.fail(new Error('again'));
    received.finish();
    received.push(batchOf('late'));
    expect(await outcome(received[way]())).not.toBe('waits');
    await expect(received[way]()).rejects.toThrow('cut');
  });

  it('may be aborted, and then nothing is lost', async () => {
    const { queue: received } = queue();
    await expect(received.recv(AbortSignal.abort(new Error('too late')))).rejects.toThrow('too late');
    const giveUp = new AbortController();
    const message = received.recv(giveUp.signal);
    giveUp.abort(new Error('not wanted'));
    await expect(message).rejects.toThrow('not wanted');
    expect(received.isAwaited).toBe(false);
    received.push(batchOf('a'));
    expect(text(await received.recv())).toBe('a');
  });

  it('leaves its signal alone once it has what it waited for', async () => {
    for (const end of ['message', 'end', 'failure'] as const) {
      const { queue: received } = queue();
      const { signal } = new AbortController();
      const remove = vi.spyOn(signal, 'removeEventListener');
      const add = vi.spyOn(signal, 'addEventListener');
      const message = outcome(received.recv(signal));
      if (end === 'message') received.push(batchOf('a'));
      else if (end === 'end') received.finish();
      else received.fail(new Error('cut'));
      expect(await message).toBe({ message: 'a', end: null, failure: 'cut' }[end]);
      expect(add).toHaveBeenCalledExactlyOnceWith('abort', expect.any(Function));
      expect(remove).toHaveBeenCalledExactlyOnceWith('abort', add.mock.calls[0]?.[1]);
    }
  });
});

describe('many messages', () => {
  it('are given without a pause up to 4,096 times, and then others have their turn', async () => {
    for (const way of ['recv', 'next'] as const) {
      const { queue: received } = queue(10_000_000);
      received.push(batchOf(many(5000)));
      for (let i = 0; i < 4096; i++) await received[way]();
      const late = received[way]();
      let isThere = false;
      void late.then(() => (isThere = true));
      for (let i = 0; i < 10; i++) await Promise.resolve();
      expect(isThere).toBe(false);
      await setImmediate();
      await setImmediate();
      expect(isThere).toBe(true);
      // and then again
      for (let i = 0; i < 800; i++) await received[way]();
    }
  });

  it('are given in batches of 1,024 at most, four of them without a pause', async () => {
    const { queue: received } = queue(10_000_000);
    received.push(batchOf(many(5000)));
    const lengths: unknown[] = [];
    for (let i = 0; i < 4; i++) lengths.push((await received.nextBatch()).value?.length);
    expect(lengths).toEqual([1024, 1024, 1024, 1024]);
    const late = received.nextBatch();
    let isThere = false;
    void late.then(() => (isThere = true));
    for (let i = 0; i < 10; i++) await Promise.resolve();
    expect(isThere).toBe(false);
    expect((await late).value?.length).toBe(5000 - 4096);
  });

  it('whose reader waits for its turn wait with it, however many more come', async () => {
    const { queue: received } = queue(10_000_000);
    received.push(batchOf(many(5000)));
    for (let i = 0; i < 4096; i++) await received.recv();
    let isThere = false;
    const late = received.recv().then(() => (isThere = true));
    for (let i = 0; i < 10; i++) {
      received.push(batchOf(many(100)));
      await Promise.resolve();
    }
    expect(isThere).toBe(false);
    expect(await late).toBe(true);
    // the reader after it has a turn of its own
    for (let i = 4097; i < 6000; i++) await received.recv();
    const awaited = received.recv();
    expect(received.isAwaited).toBe(true);
    received.push(batchOf('z'));
    expect(text(await awaited)).toBe('z');
  });

  it('whose reader waits for its turn wait no longer when there is no room for more', async () => {
    const { queue: received } = queue(costOf(2000));
    received.push(batchOf(many(5000)));
    for (let i = 0; i < 4096; i++) await received.recv();
    let isThere = false;
    void received.recv().then(() => (isThere = true));
    for (const [count, isFull] of [
      [500, false],
      [1500, true],
    ] as const) {
      received.push(batchOf(many(count)));
      await Promise.resolve();
      expect([isThere, received.isFull]).toEqual([isFull, isFull]);
    }
    await setImmediate();
    expect(text(await received.recv())).toBe('m');
  });

  it('whose reader waits for its turn are followed by the end', async () => {
    for (const isRead of [true, false]) {
      const { queue: received } = queue(10_000_000);
      received.push(batchOf(many(4097)));
      for (let i = 0; i < 4096; i++) await received.recv();
      const late = received.recv().then(text, (error: Error) => error.message);
      if (isRead) received.finish();
      else received.drop(new Error('given up'));
      expect(received.cost > 0).toBe(isRead);
      await setImmediate();
      expect(await outcome(late)).toBe(isRead ? 'm' : 'given up');
      if (isRead) expect(await received.recv()).toBe(null);
    }
  });
});

describe('room', () => {
  it('is told when half of it is free again, and not for every message', async () => {
    const readAhead = 4000;
    const { queue: received, onRoom } = queue(readAhead);
    received.push(batchOf(many(10)));
    expect([received.cost, received.isFull]).toEqual([costOf(10), false]);
    received.push(batchOf(many(20)));
    expect([received.cost, received.isFull]).toEqual([costOf(10) + costOf(20), true]);
    let calls = 0;
    for (let i = 0; i < 30; i++) {
      const before = received.cost;
      await received.recv();
      if (before > 2000 && received.cost <= 2000) calls++;
      expect(onRoom).toHaveBeenCalledTimes(calls);
    }
    expect([calls, received.cost, received.isFull]).toEqual([1, 0, false]);
  });

  it('is full beyond readAhead, not with it', () => {
    const { queue: received } = queue(costOf(1));
    received.push(batchOf('a'));
    expect(received.isFull).toBe(false);
    received.push(batchOf('b'));
    expect(received.isFull).toBe(true);
  });

  it('and its half are told at the bound itself', async () => {
    const { queue: received, onRoom } = queue(2 * costOf(1));
    received.push(batchOf('a'));
    await received.recv();
    // half of it was never exceeded
    expect(onRoom).not.toHaveBeenCalled();
    received.push(batchOf('a'));
    received.push(batchOf('b'));
    await received.recv();
    expect(onRoom).toHaveBeenCalledTimes(1);
  });
});

describe('what is discarded', () => {
  it('is what comes when no more is wanted and too much waits', async () => {
    const { queue: received } = queue(costOf(1));
    received.push(batchOf('a'));
    received.push(batchOf('b'));
    expect(received.isFull).toBe(true);
    received.discard();
    expect([received.isFull, received.isOver]).toEqual([false, false]);
    received.push(batchOf('c'));
    expect(received.isOver).toBe(true);
    const read = await outcomes([received.recv(), received.recv()]);
    expect(read).toEqual(['a', 'b']);
    await expect(received.recv()).rejects.toMatchObject({
      code: 'CLOSED',
      message: 'messages received after close() and not read are discarded',
    });
  });

  it('is nothing that is read in time', async () => {
    const { queue: received } = queue(costOf(1));
    received.discard();
    for (const letter of 'abcdef') {
      received.push(batchOf(letter));
      expect(text(await received.recv())).toBe(letter);
    }
    received.push(batchOf('g'));
    received.push(batchOf('h'));
    expect(received.isOver).toBe(false);
  });

  it('is everything, if the connection is given up', async () => {
    const { queue: received } = queue();
    received.push(batchOf('ab'));
    received.drop(new Error('too much'));
    expect([received.cost, received.isOver]).toEqual([0, true]);
    await expect(received.recv()).rejects.toThrow('too much');
    // one that had ended in order has lost something all the same, unless all was read
    const ended = queue().queue;
    ended.push(batchOf('a'));
    ended.finish();
    ended.drop(new Error('too much'));
    await expect(ended.recv()).rejects.toThrow('too much');
    const read = queue().queue;
    read.finish();
    read.drop(new Error('too much'));
    expect(await read.recv()).toBe(null);
  });
});
