import { expect, it } from 'vitest';
import { Queue } from '../../src/core/queue.js';
import { collectGarbage } from '../helpers/garbage.js';

it('gives back in order, however many wait', () => {
  const queue = new Queue<number>();
  let pushed = 0;
  let taken = 0;
  const push = (): void => queue.push(pushed++);
  const take = (): void => {
    expect(queue.first).toBe(taken);
    expect(queue.take()).toBe(taken++);
    expect(queue.count).toBe(pushed - taken);
  };
  for (let i = 0; i < 2000; i++) push();
  // more come than are taken, and then fewer
  for (let i = 0; i < 4000; i++) {
    if (i % 3 !== 0) push();
    take();
  }
  while (taken < pushed) take();
  expect([queue.first, queue.take(), queue.count]).toEqual([undefined, undefined, 0]);
  push();
  take();
});

it('holds nothing that was taken', async () => {
  const queue = new Queue<object>();
  const take = (): WeakRef<object> => {
    queue.push({});
    queue.push({});
    return new WeakRef(queue.take() as object);
  };
  const taken = take();
  // what a WeakRef was made of stays until the turn is over
  await new Promise((resolve) => setImmediate(resolve));
  collectGarbage();
  expect(taken.deref()).toBeUndefined();
  expect(queue.count).toBe(1);
});

it('is empty once it was cleared', () => {
  const queue = new Queue<string>();
  for (const item of ['a', 'b', 'c']) queue.push(item);
  queue.take();
  queue.clear();
  expect([queue.first, queue.take(), queue.count]).toEqual([undefined, undefined, 0]);
  queue.push('d');
  expect([queue.first, queue.count]).toEqual(['d', 1]);
});
