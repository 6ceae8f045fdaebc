import { describe, expect, it } from 'vitest';
import { PrivateKeyQueue } from '../../src/private-key-queue.js';

const never = (): boolean => false;

describe('private operations of a server', () => {
  // defence: the queue's turn between two operations
  it('on the main thread leave a turn to everybody else between two of them', async () => {
    const queue = new PrivateKeyQueue(1, 10, false);
    const order: string[] = [];
    const note = (): void => {
      order.push('turn');
      if (order.length < 10) setImmediate(note);
    };
    setImmediate(note);
    await Promise.all([1, 2, 3].map(() => queue.run(() => order.push('operation'), never)));
    expect(order.join(' ')).toMatch(/operation( turn)+ operation( turn)+ operation/);
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
    await expect(queue.run(() => 'fourth', never)).rejects.toMatchObject({ code: 'BUSY' });
    finish?.();
    expect(await Promise.all([first, ...waiting])).toEqual(['first', 'second', 'third']);
  });

  // defence: the question whether anybody still waits, asked when the turn has come
  it('whose connection has died are skipped', async () => {
    const queue = new PrivateKeyQueue(1, 10, true);
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
    finish?.();
    await Promise.all([first, second]);
    expect([hasRun, queue.count]).toEqual([false, 1]);
  });
});
