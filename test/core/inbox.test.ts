import { describe, expect, it } from 'vitest';
import { Inbox, MESSAGE_OVERHEAD } from '../../src/core/inbox.js';
import type { Batch } from '../../src/core/script.js';

/** What a batch costs beside its messages. */
const BATCH_OVERHEAD = 1024;

/** A batch of messages with these lengths, which counts itself down. */
function batchOf(...lengths: number[]): Batch {
  const left = lengths.map((length) => new Uint8Array(length).fill(length));
  return {
    get count() {
      return left.length;
    },
    get bytes() {
      return left.reduce((sum, message) => sum + message.length, 0);
    },
    get held() {
      return this.bytes;
    },
    next: () => left.shift(),
  };
}

describe('messages that wait', () => {
  it('come out in the order in which they came in', () => {
    const inbox = new Inbox();
    inbox.push(batchOf(1, 2));
    inbox.push(batchOf(3));
    expect(inbox.shift()).toHaveLength(1);
    inbox.push(batchOf(4));
    expect([inbox.shift(), inbox.shift(), inbox.shift()].map((each) => each?.length)).toEqual([2, 3, 4]);
    expect(inbox.shift()).toBeUndefined();
  });

  it('cost their bytes and what keeping them takes, until they are read', () => {
    const inbox = new Inbox();
    expect(inbox.cost).toBe(0);
    inbox.push(batchOf(10, 0));
    expect(inbox.cost).toBe(10 + 2 * MESSAGE_OVERHEAD + BATCH_OVERHEAD);
    inbox.push(batchOf(5));
    expect(inbox.cost).toBe(15 + 3 * MESSAGE_OVERHEAD + 2 * BATCH_OVERHEAD);
    inbox.shift();
    expect(inbox.cost).toBe(5 + 2 * MESSAGE_OVERHEAD + 2 * BATCH_OVERHEAD);
    inbox.shift();
    expect(inbox.cost).toBe(5 + MESSAGE_OVERHEAD + BATCH_OVERHEAD);
    inbox.shift();
    expect(inbox.cost).toBe(0);
    inbox.shift();
    expect(inbox.cost).toBe(0);
  });

  it('cost the memory that they lie in until the last of them is read', () => {
    const inbox = new Inbox();
    const batch = batchOf(5000, 10);
    inbox.push(Object.defineProperty(batch, 'held', { get: () => (batch.count > 0 ? 5010 : 0) }));
    inbox.shift();
    expect(inbox.cost).toBe(5010 + MESSAGE_OVERHEAD + BATCH_OVERHEAD);
    inbox.shift();
    expect(inbox.cost).toBe(0);
  });

  it('that are none cost nothing and delay no one', () => {
    const inbox = new Inbox();
    inbox.push(batchOf());
    expect(inbox.cost).toBe(0);
    inbox.push(batchOf(7));
    expect(inbox.shift()).toHaveLength(7);
  });

  it('can be dropped, wherever reading had come to', () => {
    const inbox = new Inbox();
    for (let i = 0; i < 5; i++) inbox.push(batchOf(1));
    inbox.shift();
    inbox.clear();
    expect([inbox.cost, inbox.shift()]).toEqual([0, undefined]);
    inbox.push(batchOf(9));
    expect(inbox.shift()).toHaveLength(9);
    expect(inbox.cost).toBe(0);
  });

  it.each([1023, 1024, 1025, 5000])('may be %i batches long, read while more arrive', (count) => {
    const inbox = new Inbox();
    const read: (number | undefined)[] = [];
    for (let i = 0; i < count; i++) {
      inbox.push(batchOf(i % 7));
      if (i % 3 === 0) read.push(inbox.shift()?.length);
    }
    while (read.length < count) read.push(inbox.shift()?.length);
    expect(read).toEqual(Array.from({ length: count }, (_, i) => i % 7));
    expect([inbox.cost, inbox.shift()]).toEqual([0, undefined]);
  });
});
