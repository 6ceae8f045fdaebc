import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { ReceiveQueue } from '../../src/connection/receive-queue.js';
import { batchOf, outcome, text, turns } from '../helpers/letters.js';

/** A queue from which so many messages were read without a pause that the next reader waits for its turn. */
async function exhausted(left: string): Promise<ReceiveQueue> {
  const queue = new ReceiveQueue(10_000_000, () => {});
  queue.push(batchOf('m'.repeat(4096)));
  if (left.length > 0) queue.push(batchOf(left));
  for (let i = 0; i < 4096; i++) await queue.recv();
  return queue;
}

describe('a reader that waits for its turn', () => {
  it('is not one for whom nothing is there', async () => {
    const queue = await exhausted('a');
    const late = queue.recv();
    expect(queue.isAwaited).toBe(false);
    expect(text(await late)).toBe('a');
    const next = queue.recv();
    expect(queue.isAwaited).toBe(true);
    queue.finish();
    expect(await next).toBe(null);
  });

  it.each(['recv', 'next', 'nextBatch'] as const)('by %s has its message before the end', async (way) => {
    for (const isOrderly of [true, false]) {
      const queue = await exhausted('a');
      if (isOrderly) queue.finish();
      else queue.fail(new Error('cut'));
      const late = queue[way]();
      const end = { recv: null, next: { value: undefined, done: true } };
      expect(await late).not.toEqual(way === 'recv' ? end.recv : end.next);
      if (isOrderly) expect(await queue[way]()).toEqual(way === 'recv' ? end.recv : end.next);
      else await expect(queue[way]()).rejects.toThrow('cut');
    }
  });

  it('and gives up loses no message', async () => {
    const queue = await exhausted('ab');
    const giveUp = new AbortController();
    const late = queue.recv(giveUp.signal);
    giveUp.abort(new Error('not wanted'));
    await expect(late).rejects.toThrow('not wanted');
    await turns();
    expect(text(await queue.recv())).toBe('a');
    expect(text(await queue.recv())).toBe('b');
  });

  it('and gave up leaves the next one waiting for what comes', async () => {
    const queue = await exhausted('a');
    const giveUp = new AbortController();
    const late = queue.recv(giveUp.signal);
    giveUp.abort(new Error('not wanted'));
    const first = queue.recv();
    const second = queue.recv();
    await expect(late).rejects.toThrow('not wanted');
    expect(text(await first)).toBe('a');
    await turns();
    expect(await outcome(second)).toBe('waits');
    queue.push(batchOf('b'));
    expect(text(await second)).toBe('b');
  });
});

describe('batches of one message', () => {
  it('are given without a pause as often as messages are', async () => {
    const queue = new ReceiveQueue(10_000_000, () => {});
    let hadTurn = false;
    const turn = setImmediate().then(() => (hadTurn = true));
    for (let i = 0; i < 4096; i++) {
      queue.push(batchOf('m'));
      expect((await queue.nextBatch()).value).toHaveLength(1);
    }
    expect(hadTurn).toBe(false);
    queue.push(batchOf('m'));
    await queue.nextBatch();
    await turn;
    expect(hadTurn).toBe(true);
  });
});
