import { setImmediate } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { RelayCut, whenSent } from '../../src/connection/relay-cut.js';
import { outcome, useClock } from '../helpers/letters.js';

useClock();

interface Flush {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

function makeFlush(): Flush {
  let settle: Omit<Flush, 'promise'> | undefined;
  const promise = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise, ...(settle as Omit<Flush, 'promise'>) };
}

function makeCut(): { cut: RelayCut; reasons: unknown[] } {
  const reasons: unknown[] = [];
  return { cut: new RelayCut((error) => reasons.push(error)), reasons };
}

describe('a cut', () => {
  it('comes at once, and once, for the first reason', async () => {
    const { cut, reasons } = makeCut();
    expect([cut.failure, await outcome(cut.done)]).toEqual([undefined, 'waits']);
    cut.now('first');
    expect(reasons).toEqual(['first']);
    cut.now('second');
    cut.after(() => Promise.reject(new Error('is not asked for')), 'third');
    await setImmediate();
    expect([reasons, cut.failure]).toEqual([['first'], { error: 'first' }]);
    await cut.done;
  });

  it.each([
    ['has settled', (flush: Flush) => flush.resolve()],
    ['has failed', (flush: Flush) => flush.reject(new Error('cannot flush'))],
    ['has taken two seconds', () => vi.advanceTimersByTime(2000)],
  ])('waits until what is under way %s', async (_, settle) => {
    const { cut, reasons } = makeCut();
    const flush = makeFlush();
    cut.after(() => flush.promise, 'reset');
    vi.advanceTimersByTime(1999);
    await setImmediate();
    expect([reasons, cut.failure]).toEqual([[], { error: 'reset' }]);
    if (settle.length === 0) vi.advanceTimersByTime(1);
    settle(flush);
    await cut.done;
    expect(reasons).toEqual(['reset']);
  });

  it('comes at once where it waited, if there is a worse reason, and tells the first', async () => {
    const { cut, reasons } = makeCut();
    const flush = makeFlush();
    cut.after(() => flush.promise, 'first');
    cut.now('second');
    expect(reasons).toEqual(['first']);
    flush.resolve();
    await setImmediate();
    expect(reasons).toEqual(['first']);
  });
});

describe('what is sent', () => {
  const sending = (
    unsent: number,
    bytesWritten = 0,
  ): Parameters<typeof whenSent>[0] & { isOver: boolean } => ({
    ...{ unsent, bytesWritten, isOver: false },
  });

  async function pass(milliseconds: number): Promise<void> {
    await setImmediate();
    vi.advanceTimersByTime(milliseconds);
    await setImmediate();
  }

  it('is sent at once if the system has it and sends it whatever the peer does', async () => {
    expect(await outcome(whenSent(sending(0, 14_000)))).toBe('done');
  });

  it('is asked every 10 ms how much the system has not', async () => {
    const state = { ...sending(1) };
    const sent = whenSent(state);
    await pass(9);
    state.unsent = 0;
    expect(await outcome(sent)).toBe('waits');
    await pass(1);
    expect(await outcome(sent)).toBe('done');
  });

  it('has a quarter of a second in the system if it is more than a first window', async () => {
    const sent = whenSent(sending(0, 14_001));
    await pass(249);
    expect(await outcome(sent)).toBe('waits');
    await pass(1);
    expect(await outcome(sent)).toBe('done');
  });

  it('is not waited for when nothing more can be sent', async () => {
    expect(await outcome(whenSent({ ...sending(1, 14_001), isOver: true }))).toBe('done');
    const state = { ...sending(1, 14_001) };
    const sent = whenSent(state);
    await pass(10);
    expect(await outcome(sent)).toBe('waits');
    state.isOver = true;
    await pass(10);
    expect(await outcome(sent)).toBe('done');
  });
});
