import { expect, it } from 'vitest';
import { ChunkQueue } from '../../src/core/chunk-queue.js';

it('gives chunks back in their order, however many wait', () => {
  const queue = new ChunkQueue();
  let pushed = 0;
  let taken = 0;
  let bytes = 0;
  const push = (): void => {
    const length = 1 + (pushed++ % 7);
    bytes += length;
    queue.push(new Uint8Array(length));
  };
  const take = (): void => {
    const length = 1 + (taken++ % 7);
    bytes -= length;
    expect(queue.take()?.length).toBe(length);
    expect([queue.count, queue.bytes]).toEqual([pushed - taken, bytes]);
  };
  for (let i = 0; i < 2000; i++) push();
  // more come than are taken, and then fewer
  for (let i = 0; i < 4000; i++) {
    if (i % 3 !== 0) push();
    take();
  }
  while (taken < pushed) take();
  expect([queue.take(), queue.count, queue.bytes]).toEqual([undefined, 0, 0]);
});

it('is empty once it was cleared', () => {
  const queue = new ChunkQueue();
  queue.push(new Uint8Array(3));
  queue.clear();
  expect([queue.take(), queue.count, queue.bytes]).toEqual([undefined, 0, 0]);
});
