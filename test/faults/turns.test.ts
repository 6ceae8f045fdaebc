import { describe, expect, it } from 'vitest';
import { ReceiveQueue } from '../../src/connection/receive-queue.js';
import { batchOf } from '../helpers/batch.js';

/** Counts turns of the event loop until it is told to stop. */
function turns(): { count: number; stop(): void } {
  const counter = {
    count: 0,
    isOver: false,
    stop: (): void => {
      counter.isOver = true;
    },
  };
  const tick = (): void => {
    counter.count++;
    if (!counter.isOver) setImmediate(tick);
  };
  setImmediate(tick);
  return counter;
}

const READ_AHEAD = 2 ** 30;

describe('a reader', () => {
  // defence: MESSAGES_A_TURN
  it('of a flood leaves turns to others', async () => {
    const queue = new ReceiveQueue(READ_AHEAD, () => {});
    queue.push(batchOf(400_000));
    const counted = turns();
    for (let i = 0; i < 400_000; i++) await queue.recv();
    counted.stop();
    expect(counted.count).toBeGreaterThan(90);
  });

  it('that waits for its turn gets what was there before the end, and then the end', async () => {
    for (const [end, outcome] of [
      [() => undefined, null],
      [() => new Error('over'), 'over'],
    ] as const) {
      const queue = new ReceiveQueue(READ_AHEAD, () => {});
      queue.push(batchOf(6000));
      const error = end();
      const results: unknown[] = [];
      const reading = (async () => {
        for (;;) {
          const message = await queue.recv();
          if (message === null) return null;
          results.push(message);
          if (results.length === 4096) queueMicrotask(() => (error ? queue.fail(error) : queue.finish()));
        }
      })().catch((thrown: Error) => thrown.message);
      expect(await reading).toBe(outcome);
      expect(results.length).toBe(6000);
    }
  });

  it('that waits for its turn is told if what it waits for is dropped meanwhile', async () => {
    const queue = new ReceiveQueue(READ_AHEAD, () => {});
    queue.push(batchOf(6000));
    for (let i = 0; i < 4096; i++) await queue.recv();
    const waiting = queue.recv();
    queue.drop(new Error('dropped'));
    await expect(waiting).rejects.toThrow('dropped');
    await expect(queue.recv()).rejects.toThrow('dropped');
  });

  it('that waits for its turn may give up, and the next one gets the message', async () => {
    const queue = new ReceiveQueue(READ_AHEAD, () => {});
    queue.push(batchOf(6000));
    for (let i = 0; i < 4096; i++) await queue.recv();
    const controller = new AbortController();
    const waiting = queue.recv(controller.signal);
    await expect(queue.recv()).rejects.toMatchObject({ code: 'RECV_PENDING' });
    controller.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    for (let i = 4096; i < 6000; i++) expect((await queue.recv())?.length).toBe(1);
  });
});
