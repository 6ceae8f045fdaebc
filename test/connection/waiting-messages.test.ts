import { describe, expect, it, vi } from 'vitest';
import { WaitingMessages } from '../../src/connection/waiting-messages.js';
import { bytes, LetterSender, outcome, outcomes, text } from '../helpers/letters.js';

const OVERHEAD = 128;
const always = (): boolean => true;

/** What was staged so far. */
const staged = (sender: LetterSender): string => sender.flush().map(text).join('');

describe('messages that wait', () => {
  it('are counted until they are staged, one that was begun by what is left of it', async () => {
    const waiting = new WaitingMessages();
    const sender = new LetterSender();
    const sent = [waiting.push(bytes('0123456789')), waiting.push(bytes('next'))];
    expect([waiting.count, waiting.bytes]).toEqual([2, 14 + 2 * OVERHEAD]);
    // four bytes are a turn's worth
    for (const [left, isBegun] of [
      [6, true],
      [2, true],
    ] as const) {
      expect(waiting.stage(sender, always)).toBe(isBegun);
      expect([waiting.count, waiting.bytes]).toEqual([2, left + 4 + 2 * OVERHEAD]);
      expect(await outcomes(sent)).toEqual(['waits', 'waits']);
    }
    expect(waiting.stage(sender, always)).toBe(false);
    expect([waiting.count, waiting.bytes, staged(sender)]).toEqual([0, 0, '0123456789next']);
    expect(await outcomes(sent)).toEqual(['done', 'done']);
  });

  it('stay while there is no room', async () => {
    const waiting = new WaitingMessages();
    const sender = new LetterSender();
    const sent = ['a', 'b', 'c'].map((letter) => waiting.push(bytes(letter)));
    expect(waiting.stage(sender, () => sender.staged < 2)).toBe(false);
    expect([waiting.count, waiting.bytes, staged(sender)]).toEqual([1, 1 + OVERHEAD, 'ab']);
    expect(await outcomes(sent)).toEqual(['done', 'done', 'waits']);
  });

  it('are withdrawn each by its own promise, and the others stay in order', async () => {
    const waiting = new WaitingMessages();
    const sender = new LetterSender();
    const sent = ['a', 'bb', 'c'].map((letters) => waiting.push(bytes(letters)));
    waiting.withdraw(Promise.resolve());
    expect([waiting.count, waiting.bytes]).toEqual([3, 4 + 3 * OVERHEAD]);
    waiting.withdraw(sent[1] as Promise<void>);
    expect([waiting.count, waiting.bytes]).toEqual([2, 2 + 2 * OVERHEAD]);
    waiting.withdraw(sent[1] as Promise<void>);
    expect(waiting.count).toBe(2);
    waiting.stage(sender, always);
    expect([staged(sender), waiting.bytes]).toEqual(['ac', 0]);
    expect(await outcomes(sent)).toEqual(['done', 'waits', 'done']);
  });

  it('are not withdrawn once a part was staged', async () => {
    const waiting = new WaitingMessages();
    const sender = new LetterSender();
    const sent = waiting.push(bytes('0123456789'), 4);
    const next = waiting.push(bytes('next'));
    waiting.withdraw(sent);
    expect([waiting.count, waiting.bytes]).toEqual([2, 6 + 4 + 2 * OVERHEAD]);
    waiting.withdraw(next);
    while (waiting.count > 0) waiting.stage(sender, always);
    expect([staged(sender), waiting.bytes, await outcome(sent)]).toEqual(['456789', 0, 'done']);
  });

  it('are told of an end, and count for nothing then', async () => {
    const waiting = new WaitingMessages();
    const sent = [waiting.push(bytes('begun and long'), 4), waiting.push(bytes('next'))];
    waiting.rejectUnbegun(() => new Error('the peer has ended'));
    expect(await outcomes(sent)).toEqual(['waits', 'the peer has ended']);
    expect([waiting.count, waiting.bytes]).toEqual([1, 10 + OVERHEAD]);
    // no error is made that no one is told
    const makeError = vi.fn(() => new Error('again'));
    waiting.rejectUnbegun(makeError);
    expect(makeError).not.toHaveBeenCalled();
    waiting.reject(new Error('cut'));
    expect(await outcome(sent[0] as Promise<void>)).toBe('cut');
    expect([waiting.count, waiting.bytes]).toEqual([0, 0]);
    waiting.rejectUnbegun(makeError);
    expect(makeError).not.toHaveBeenCalled();
  });
});

/** Memory that can be resized, where compilers do not know of it yet. */
type Resizable = ArrayBuffer & { resize(length: number): void };
const Memory = ArrayBuffer as unknown as new (
  length: number,
  options: { maxByteLength: number },
) => Resizable;

describe('memory that is touched while its message waits', () => {
  it.each([
    ['longer', 8],
    ['shorter', 2],
  ])('and is %s then is not sent', async (_, length) => {
    const waiting = new WaitingMessages();
    const sender = new LetterSender();
    const memory = new Memory(4, { maxByteLength: 8 });
    const sent = waiting.push(new Uint8Array(memory));
    const next = waiting.push(bytes('next'));
    memory.resize(length);
    waiting.stage(sender, always);
    expect([staged(sender), waiting.bytes, waiting.count]).toEqual(['next', 0, 0]);
    expect(await outcomes([sent, next])).toEqual([
      `a message of 4 bytes had ${length} when its turn came: leave its memory alone until send() has settled`,
      'done',
    ]);
  });

  it('and had been begun cannot be finished', () => {
    const waiting = new WaitingMessages();
    const memory = new Memory(8, { maxByteLength: 8 });
    void waiting.push(new Uint8Array(memory), 4).catch(() => {});
    memory.resize(6);
    expect(() => waiting.stage(new LetterSender(), always)).toThrow(
      expect.objectContaining({ code: 'BAD_ARGUMENT' }),
    );
  });
});
