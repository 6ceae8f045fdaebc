import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { MESSAGE_OVERHEAD } from '../../src/core/inbox.js';
import { bytes, LetterSender, outcome, outcomes, turns } from '../helpers/letters.js';
import { endOfTick, openQueue, unopenedQueue } from '../helpers/send-queues.js';

/** Takes messages of any length whole. */
class WholeSender extends LetterSender {
  override readonly maxMessage: number = Number.POSITIVE_INFINITY;
  override readonly partLength: number = Number.POSITIVE_INFINITY;
}

describe('what is on its way out', () => {
  it('is counted wherever it is: in the transport, behind it, staged and waiting', async () => {
    const { queue, transport } = openQueue({ highWaterMark: 8 });
    void queue.send(bytes('full'));
    await endOfTick();
    queue.write([bytes('PP')]);
    void queue.send(bytes('abc'));
    await endOfTick();
    expect([transport.pending, queue.queued, queue.unsent()]).toEqual([4, 9, 9]);
    void queue.send(bytes('waits'));
    const waiting = 5 + MESSAGE_OVERHEAD;
    expect([queue.queued, queue.unsent()]).toEqual([9 + waiting, 9 + waiting]);
    // the peer's system has three of the four: only `unsent` asks
    transport.left = 1;
    expect([queue.queued, queue.unsent()]).toEqual([9 + waiting, 6 + waiting]);
  });

  it('is the handshake before there is anything else', () => {
    const { queue } = unopenedQueue();
    queue.write([bytes('H')]);
    expect([queue.queued, queue.unsent(), queue.bytesWritten]).toEqual([1, 1, 1]);
  });
});

describe('the high-water mark', () => {
  it('counts what waits behind the transport too', async () => {
    const { queue } = openQueue({ highWaterMark: 4 });
    queue.write([bytes('P')]);
    queue.write([bytes('QRS')]);
    expect(await outcome(queue.send(bytes('a')))).toBe('waits');
    expect(queue.queued).toBe(4 + 1 + MESSAGE_OVERHEAD);
  });

  it('holds nobody up below it', async () => {
    const { queue } = openQueue({ highWaterMark: 4 });
    queue.write([bytes('P')]);
    queue.write([bytes('QR')]);
    expect(queue.queued).toBe(3);
    const sent = queue.send(bytes(''));
    expect([await outcome(sent), queue.queued]).toEqual(['done', 3]);
  });
});

describe('maxSendQueue', () => {
  const cost = 4 + MESSAGE_OVERHEAD;

  it('is what may wait, to the byte', async () => {
    const { queue, transport, take } = openQueue({ maxSendQueue: 4 + cost });
    const sent = [queue.send(bytes('full')), queue.send(bytes('next')), queue.send(bytes(''))];
    expect((await outcomes(sent)).slice(0, 2)).toEqual(['waits', 'waits']);
    await expect(sent[2]).rejects.toMatchObject({
      code: 'SEND_QUEUE_FULL',
      message: `${4 + cost} bytes wait to be sent and maxSendQueue is ${4 + cost}: await send()`,
    });
    take();
    await turns();
    take();
    // there is room again, and what was refused is not sent
    expect(await outcome(queue.send(bytes('z')))).toBe('done');
    await endOfTick();
    expect(transport.written).toBe('fullnextz');
  });

  it('refuses a message that is a byte too many', async () => {
    const { queue, transport, take } = openQueue({ maxSendQueue: 4 + cost - 1 });
    void queue.send(bytes('full'));
    await expect(queue.send(bytes('next'))).rejects.toMatchObject({ code: 'SEND_QUEUE_FULL' });
    expect(queue.queued).toBe(4);
    take();
    await turns();
    expect(transport.written).toBe('full');
  });
});

describe('the largest message', () => {
  it('is sent, and one that is larger is refused before anything of it is', async () => {
    const { queue, transport, take } = openQueue({ highWaterMark: 2000 });
    await expect(queue.send(new Uint8Array(1001))).rejects.toMatchObject({
      code: 'MESSAGE_TOO_BIG_FOR_PEER',
      message: 'a message of 1001 bytes is more than can be sent here (1000): nothing was sent',
    });
    await turns();
    expect([queue.queued, transport.written]).toEqual([0, '']);
    const sent = queue.send(bytes('m'.repeat(1000)));
    await turns(250);
    take();
    expect([await outcome(sent), transport.written.length]).toEqual(['done', 1000]);
  });
});

describe('an unfinished write', () => {
  it('holds up what is staged behind it, so that it is written together, up to 64 KiB', async () => {
    const { queue, transport, take } = openQueue({ highWaterMark: 1024 * 1024, sender: new WholeSender() });
    void queue.send(bytes('a'));
    await endOfTick();
    expect(queue.bytesWritten).toBe(1);
    void queue.send(bytes('b'.repeat(64 * 1024 - 1)));
    await endOfTick();
    expect(queue.bytesWritten).toBe(1);
    void queue.send(bytes('c'));
    await endOfTick();
    // a record is full enough; the transport gets it in its turn
    expect([queue.bytesWritten, transport.writes.length]).toEqual([64 * 1024 + 1, 1]);
    void queue.send(bytes('d'));
    await endOfTick();
    expect([queue.bytesWritten, queue.queued]).toEqual([64 * 1024 + 1, 64 * 1024 + 2]);
    take();
    take();
    expect(transport.writes.map((texts) => texts.join('').length)).toEqual([1, 64 * 1024, 1]);
    expect(queue.queued).toBe(1);
  });
});

describe('a large message', () => {
  it('is encrypted in parts without waiting for the transport, as long as there is room', async () => {
    const { queue, transport, take } = openQueue({ highWaterMark: 1000 });
    const sent = queue.send(bytes('a message in parts'));
    expect(queue.queued).toBe(4 + 14 + MESSAGE_OVERHEAD);
    await turns(6);
    expect([await outcome(sent), transport.written, queue.queued]).toEqual(['done', 'a me', 18]);
    take();
    expect(transport.written).toBe('a message in parts');
  });

  it('has one part in a turn of the event loop, however fast the transport is', async () => {
    const { queue, transport, take } = openQueue({ highWaterMark: 1000 });
    const sent = queue.send(bytes('a message in parts'));
    for (const written of ['a me', 'a messag', 'a message in', 'a message in par', 'a message in parts']) {
      for (let i = 0; i < 3; i++) {
        take();
        await endOfTick();
      }
      expect(transport.written).toBe(written);
      await setImmediate();
    }
    expect(await outcome(sent)).toBe('done');
  });

  it('stops in the midst when the connection fails', async () => {
    const { queue, transport, failures, take } = openQueue({ highWaterMark: 1000 });
    const sent = queue.send(bytes('a message in parts'));
    await endOfTick();
    queue.fail(new Error('cut'), false);
    await turns();
    expect([take(), queue.queued, failures]).toEqual([true, 0, []]);
    await turns();
    expect([await outcome(sent), transport.written]).toEqual(['cut', 'a me']);
  });
});
