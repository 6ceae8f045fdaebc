import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { bytes, outcome, outcomes } from '../helpers/letters.js';
import { openQueue } from '../helpers/send-queues.js';

describe('a caller that waits to send', () => {
  it('waits while the transport is busy, each in its way', async () => {
    const { queue, transport, take } = openQueue();
    const sent = [queue.send(bytes('full')), queue.send(bytes('next'))];
    const end = queue.whenEnded();
    expect(await outcomes([...sent, end])).toEqual(['waits', 'waits', 'waits']);
    take();
    expect(await outcomes([...sent, end])).toEqual(['done', 'done', 'waits']);
    queue.end(0);
    expect(await outcome(end)).toBe('waits');
    take();
    await setImmediate();
    take();
    expect(await outcome(end)).toBe('done');
    expect([transport.written, transport.hasEnded]).toEqual(['fullnext.', true]);
  });

  it('is told when the connection fails, whatever it waits for', async () => {
    for (const isGone of [false, true]) {
      const { queue } = openQueue();
      const sent = [queue.send(bytes('full')), queue.send(bytes('a long one')), queue.send(bytes('c'))];
      const end = queue.whenEnded();
      await setImmediate();
      queue.fail(new Error('cut'), isGone);
      expect(await outcomes([...sent, end])).toEqual(['cut', 'cut', 'cut', 'cut']);
      expect(await outcomes([queue.send(bytes('d')), queue.whenEnded()])).toEqual(['cut', 'cut']);
      expect([queue.queued, queue.unsent()].every((count) => count <= 4)).toBe(true);
    }
  });

  it('is told when the connection fails in the midst of a large message', async () => {
    const { queue } = openQueue({ highWaterMark: 1000 });
    const sent = queue.send(bytes('a message in parts'));
    queue.fail(new Error('cut'), false);
    expect(await outcome(sent)).toBe('cut');
  });

  it('is told when the connection ends in order: there is no error then', async () => {
    const { queue, take } = openQueue();
    queue.end(0);
    const end = queue.whenEnded();
    await setImmediate();
    expect(await outcome(end)).toBe('waits');
    queue.fail(undefined, true);
    expect(await outcome(end)).toBe('done');
    take();
    expect(await outcome(queue.whenEnded())).toBe('done');
  });

  it('is told when the peer has ended, unless a part was sent: that message is finished', async () => {
    const { queue, transport, take } = openQueue({ highWaterMark: 8 });
    const sent = [queue.send(bytes('begun and long')), queue.send(bytes('next'))];
    queue.endNow(0);
    expect(await outcome(sent[1] as Promise<void>)).toContain('this message was not sent');
    for (let i = 0; i < 5; i++) {
      await setImmediate();
      take();
    }
    expect(await outcome(sent[0] as Promise<void>)).toBe('done');
    expect(transport.written).toBe('begun and long.');
  });

  it('and is aborted frees its place', async () => {
    const { queue, transport, take } = openQueue();
    const giveUp = new AbortController();
    const sent = [
      queue.send(bytes('full')),
      queue.send(bytes('no'), giveUp.signal),
      queue.send(bytes('yes')),
    ];
    await setImmediate();
    giveUp.abort(new Error('not wanted'));
    take();
    await setImmediate();
    take();
    expect(await outcomes(sent)).toEqual(['done', 'not wanted', 'done']);
    expect(transport.written).toBe('fullyes');
  });
});

describe('a message that the system has to its last byte', () => {
  it('was sent, even if the connection fails before the transport has said so', async () => {
    for (const [unsent, isGone, end] of [
      [0, false, 'done'],
      [1, false, 'cut'],
      [undefined, false, 'cut'],
      // a transport that is gone tells nothing new
      [0, true, 'cut'],
    ] as const) {
      const { queue, transport } = openQueue();
      const sent = queue.send(bytes('full'));
      await setImmediate();
      expect(await outcome(sent)).toBe('waits');
      transport.left = unsent;
      queue.fail(new Error('cut'), isGone);
      expect(await outcome(sent)).toBe(end);
    }
  });

  it('was not, if it is not even encrypted', async () => {
    const { queue, transport } = openQueue();
    transport.left = 0;
    const sent = queue.send(bytes('full'));
    queue.fail(new Error('cut'), false);
    expect(await outcome(sent)).toBe('cut');
  });

  it('was sent, also if the transport is gone, when it has said so before', async () => {
    const { queue, transport, take } = openQueue({ highWaterMark: 2 });
    const sent = queue.send(bytes('ab'));
    await setImmediate();
    queue.write([bytes('a PING that waits')]);
    take();
    expect([transport.pending, await outcome(sent)]).toEqual([17, 'waits']);
    queue.fail(new Error('cut'), true);
    expect(await outcome(sent)).toBe('done');
  });
});

describe('the memory of a message that waits', () => {
  it('is sent as it is when its turn comes', async () => {
    const { queue, transport, take } = openQueue();
    void queue.send(bytes('full'));
    const message = bytes('old');
    const sent = queue.send(message);
    message.set(bytes('new'));
    await setImmediate();
    take();
    await setImmediate();
    expect([transport.written, await outcome(sent)]).toEqual(['fullnew', 'done']);
    message.set(bytes('???'));
    take();
    expect(transport.written).toBe('fullnew');
  });

  it('that was transferred is no message: the caller is told, and all others are sent', async () => {
    const { queue, transport, take, failures } = openQueue();
    void queue.send(bytes('full'));
    const message = bytes('gone');
    const sent = [queue.send(message), queue.send(bytes('next'))];
    await setImmediate();
    structuredClone(message, { transfer: [message.buffer as ArrayBuffer] });
    take();
    await setImmediate();
    take();
    expect((await outcomes(sent))[0]).toContain('a message of 4 bytes had 0 when its turn came');
    await expect(sent[0]).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
    expect((await outcomes(sent))[1]).toBe('done');
    expect([transport.written, queue.queued, failures]).toEqual(['fullnext', 0, []]);
  });

  it('that was transferred when a part had been sent ends the connection, and no other bytes take its place', async () => {
    const { queue, transport, take, failures } = openQueue();
    const message = bytes('a message in parts');
    void queue.send(message).catch(() => {});
    const next = queue.send(bytes('next'));
    await setImmediate();
    expect(transport.written).toBe('a me');
    structuredClone(message, { transfer: [message.buffer as ArrayBuffer] });
    take();
    for (let i = 0; i < 5; i++) await setImmediate();
    expect(failures).toMatchObject([{ code: 'BAD_ARGUMENT' }]);
    queue.fail(failures[0], false);
    expect(transport.written).toBe('a me');
    expect(await outcome(next)).toContain('when its turn came');
    expect(queue.unsent()).toBeLessThanOrEqual(4);
  });
});
