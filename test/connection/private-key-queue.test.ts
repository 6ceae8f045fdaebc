import { afterEach, describe, expect, it, vi } from 'vitest';
import { PrivateKeyQueue } from '../../src/connection/private-key-queue.js';
import { outcomes, turns } from '../helpers/letters.js';
import { clientEnd, serverEnd } from '../helpers/sealed-ends.js';

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const never = (): boolean => false;

describe('private operations of a server', () => {
  // defence: the queue's turn between two operations
  it('on the main thread leave a turn to all other work between two of them', async () => {
    const queue = new PrivateKeyQueue(1, 10, false);
    const order: string[] = [];
    let isDone = false;
    const note = (): void => {
      order.push('turn');
      if (!isDone) setImmediate(note);
    };
    setImmediate(note);
    await Promise.all([1, 2, 3].map(() => queue.run(() => order.push('operation'), never)));
    isDone = true;
    expect(order.join(' ')).toMatch(/operation( turn)+ operation( turn)+ operation/);
  });

  // defence: the rest after an operation
  it('on the main thread are followed by a rest that is nine times as long, ten milliseconds at most', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    vi.advanceTimersByTime(1000);
    const queue = new PrivateKeyQueue(1, 10, false);
    let done = 0;
    const takes = (milliseconds: number) => (): void => {
      vi.advanceTimersByTime(milliseconds);
      done++;
    };
    const all = Promise.all([1, 300, 0].map((milliseconds) => queue.run(takes(milliseconds), never)));
    for (const rest of [9, 10]) {
      const before = done;
      await turns(10);
      expect(done).toBe(before + 1);
      vi.advanceTimersByTime(rest - 1);
      await turns(10);
      expect(done).toBe(before + 1);
      vi.advanceTimersByTime(1);
    }
    await all;
    expect(done).toBe(3);
  });

  // defence: the queue's concurrency
  it('run two at a time, in order', async () => {
    const queue = new PrivateKeyQueue(2, 10, true);
    const finish: (() => void)[] = [];
    const results = [0, 1, 2].map((n) =>
      queue.run(() => new Promise((resolve) => finish.push(() => resolve(n))), never),
    );
    await expect.poll(() => finish.length).toBe(2);
    expect([queue.count, queue.waiting]).toEqual([2, 1]);
    finish[1]?.();
    await expect.poll(() => finish.length).toBe(3);
    for (const each of finish) each();
    expect(await Promise.all(results)).toEqual([0, 1, 2]);
  });

  // defence: the bound of the waiting line
  it('are refused with BUSY beyond the bound, and the others still run', async () => {
    const queue = new PrivateKeyQueue(1, 2, true);
    let finish: (() => void) | undefined;
    const first = queue.run(() => new Promise<string>((resolve) => (finish = () => resolve('first'))), never);
    const waiting = [queue.run(() => 'second', never), queue.run(() => 'third', never)];
    expect(queue.isFull).toBe(true);
    await expect(queue.run(() => 'fourth', never)).rejects.toMatchObject({
      code: 'BUSY',
      message: '2 RSA operations are already queued',
    });
    finish?.();
    expect(await Promise.all([first, ...waiting])).toEqual(['first', 'second', 'third']);
  });

  // defence: the check whether anything still waits, made when the turn has come
  it.each([true, false])('whose connection has died are skipped (elsewhere: %s)', async (isOffThread) => {
    const queue = new PrivateKeyQueue(1, 10, isOffThread);
    let finish: (() => void) | undefined;
    const first = queue.run(() => new Promise<void>((resolve) => (finish = resolve)), never);
    let isOver = false;
    let hasRun = false;
    const second = queue.run(
      () => {
        hasRun = true;
      },
      () => isOver,
    );
    isOver = true;
    await expect.poll(() => finish).toBeDefined();
    finish?.();
    await Promise.all([first, second]);
    expect([hasRun, queue.count]).toEqual([false, 1]);
  });

  // defence: the bound of an operation's time
  it('that do not settle in time have no result and keep no others waiting', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const queue = new PrivateKeyQueue(1, 10, true, 500);
    const stuck = queue.run(() => new Promise(() => {}), never);
    const next = queue.run(() => 'next', never);
    await turns();
    vi.advanceTimersByTime(499);
    expect(await outcomes([stuck, next])).toEqual(['waits', 'waits']);
    vi.advanceTimersByTime(1);
    await turns();
    expect(await outcomes([stuck, next])).toEqual(['done', 'next']);
  });

  it('that are bounded have their result in time, and do not keep the process running', async () => {
    const timers = vi.spyOn(globalThis, 'setTimeout');
    const queue = new PrivateKeyQueue(1, 10, true, 60_000);
    let finish: ((result: string) => void) | undefined;
    const result = queue.run(() => new Promise<string>((resolve) => (finish = resolve)), never);
    await turns();
    const bound = timers.mock.calls.findIndex(([, milliseconds]) => milliseconds === 60_000);
    const timer = timers.mock.results[bound]?.value as NodeJS.Timeout;
    expect(timer.hasRef()).toBe(false);
    finish?.('signed');
    expect(await result).toBe('signed');
  });

  // defence: reading stops while an operation is under way and bytes come that cannot be of use yet
  it('are waited for with 4096 early bytes at most', async () => {
    const [client, server] = [clientEnd(), serverEnd()];
    client.session.start();
    server.session.start();
    server.session.receive(client.takeWritten());
    client.session.receive(server.takeWritten());
    await client.settle();
    const flight = client.takeWritten();
    server.session.receive(flight);
    expect(server.tasks.length).toBe(1);
    expect(server.session.isBlocked).toBe(false);
    server.session.receive(new Uint8Array(4096));
    expect(server.session.isBlocked).toBe(true);
    await server.settle();
    expect(server.opening).toBeDefined();
  });
});
