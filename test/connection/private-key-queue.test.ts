import { afterEach, describe, expect, it, vi } from 'vitest';
import { PrivateKeyQueue } from '../../src/connection/private-key-queue.js';
import { clientEnd, serverEnd } from '../helpers/sealed-ends.js';

afterEach(() => {
  vi.useRealTimers();
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
    const queue = new PrivateKeyQueue(1, 10, false);
    let done = 0;
    const takes = (milliseconds: number) => (): void => {
      vi.advanceTimersByTime(milliseconds);
      done++;
    };
    const turns = async (): Promise<void> => {
      for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
    };
    const all = Promise.all([1, 300, 0].map((milliseconds) => queue.run(takes(milliseconds), never)));
    for (const rest of [9, 10]) {
      const before = done;
      await turns();
      expect(done).toBe(before + 1);
      vi.advanceTimersByTime(rest - 1);
      await turns();
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
    await expect(queue.run(() => 'fourth', never)).rejects.toMatchObject({ code: 'BUSY' });
    finish?.();
    expect(await Promise.all([first, ...waiting])).toEqual(['first', 'second', 'third']);
  });

  // defence: the check whether anything still waits, made when the turn has come
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
