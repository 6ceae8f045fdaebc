import { describe, expect, it } from 'vitest';
import type { Sender } from '../../src/core/script.js';
import { BeatingSender, bytes, LetterSender, outcome, outcomes, turns } from '../helpers/letters.js';
import {
  encryptedLater,
  endOfTick,
  openQueue,
  type Queue,
  SwiftTransport,
  unopenedQueue,
} from '../helpers/send-queues.js';

/** Of a protocol without a message for the end. */
class EndlessSender extends LetterSender {
  override close(): Uint8Array[] {
    return this.flush();
  }
}

describe('an answer to a PING', () => {
  const answering = (setup: Parameters<typeof openQueue>[0] = {}): Queue =>
    openQueue({ sender: new BeatingSender(), ...setup });

  it('waits alone: a flood of questions makes no flood of answers', () => {
    const { queue, transport, take } = answering();
    for (let i = 0; i < 3; i++) queue.pong();
    expect([transport.written, queue.queued]).toEqual(['!', 1]);
    take();
    for (let i = 0; i < 3; i++) queue.pong();
    expect([transport.written, queue.queued]).toEqual(['!!', 1]);
  });

  it('waits alone too behind what is being encrypted elsewhere', async () => {
    const { queue, transport, take } = answering();
    const record = encryptedLater('record');
    queue.write([record.chunk]);
    for (let i = 0; i < 3; i++) queue.pong();
    expect([transport.written, queue.queued]).toEqual(['', 7]);
    record.done();
    await turns();
    expect(transport.written).toBe('record!');
    take();
    queue.pong();
    expect(transport.written).toBe('record!!');
  });

  it('does not wait if the system has taken the one before at once', () => {
    const { queue, transport } = answering({ transport: new SwiftTransport() });
    for (let i = 0; i < 3; i++) queue.pong();
    expect(transport.written).toBe('!!!');
  });
});

describe('what the protocol does not have', () => {
  const without = (): Sender => Object.assign(new LetterSender(), { rekey: undefined });

  it.each([
    ['is not sent: PING, PONG, fresh keys and final bytes', () => openQueue({ sender: without() })],
    ['is not sent before the handshake is done either', unopenedQueue],
  ])('%s', async (_, makeQueue) => {
    const { queue, transport } = makeQueue();
    queue.ping();
    queue.pong();
    queue.rekey();
    expect([queue.hasClose, queue.finalBytes(1)]).toEqual([false, undefined]);
    await turns();
    expect([transport.writes, queue.isOver]).toEqual([[], false]);
  });

  it('is sent where it has them', () => {
    const sender = new BeatingSender();
    const { queue, transport, take } = openQueue({ sender });
    queue.ping();
    take();
    queue.pong();
    queue.rekey();
    expect([transport.written, sender.rekeys, queue.hasClose]).toEqual(['?!', 1, true]);
    expect(queue.finalBytes(3)).toEqual([bytes('.3')]);
  });
});

describe('a completed write', () => {
  it('is said to have had messages in it if it had: a PING is none', async () => {
    const { queue, transport, take } = openQueue({ highWaterMark: 100 });
    queue.write([bytes('PING')]);
    expect(take()).toBe(false);
    void queue.send(bytes('message'));
    await endOfTick();
    // progress, and the rest
    transport.pending = 2;
    expect(queue.onWritten()).toBe(true);
    expect(take()).toBe(true);
    queue.write([bytes('PING')]);
    expect(take()).toBe(false);
  });
});

describe('a call that is aborted before it is made', () => {
  it('sends nothing', async () => {
    const { queue, transport } = openQueue();
    const sent = queue.send(bytes('no'), AbortSignal.abort(new Error('not wanted')));
    expect([await outcome(sent), queue.queued, transport.written]).toEqual(['not wanted', 0, '']);
  });
});

describe('the end of the sending half', () => {
  it('refuses what is sent after it, and lets out what was sent before', async () => {
    const { queue, transport, take } = openQueue();
    const sent = [queue.send(bytes('full')), queue.send(bytes('next'))];
    queue.end(0);
    await expect(queue.send(bytes('late'))).rejects.toMatchObject({
      code: 'CLOSED',
      message: 'nothing can be sent: this side has ended',
    });
    for (let i = 0; i < 3; i++) {
      await turns();
      take();
    }
    expect(await outcomes(sent)).toEqual(['done', 'done']);
    expect([transport.written, queue.isTaken]).toEqual(['fullnext.', true]);
  });

  it('is reached without another write where the protocol has no message for it', async () => {
    const { queue, transport } = openQueue({ sender: new EndlessSender() });
    queue.end(0);
    const end = queue.whenEnded();
    await turns();
    expect([transport.hasEnded, transport.writes, await outcome(end)]).toEqual([true, [], 'done']);
  });

  it('stays so if the connection fails after it', async () => {
    const { queue, transport, take } = openQueue();
    queue.end(0);
    await turns();
    take();
    expect([queue.isOver, queue.isTaken]).toEqual([true, true]);
    queue.fail(new Error('cut'), true);
    expect([queue.isOver, transport.written]).toEqual([true, '.']);
    expect(await outcomes([queue.whenEnded(), queue.send(bytes('late'))])).toEqual([
      'done',
      'nothing can be sent: this side has ended',
    ]);
  });

  it('that the system has not taken when the connection fails is lost for every caller, early or late', async () => {
    const { queue, transport } = openQueue();
    queue.end(0);
    const early = queue.whenEnded();
    await turns();
    expect([transport.written, queue.isOver, queue.isTaken]).toEqual(['.', true, false]);
    queue.fail(new Error('cut'), true);
    expect(await outcomes([early, queue.whenEnded()])).toEqual(['cut', 'cut']);
  });

  it('by the peer tells those whose message has not begun, by code', async () => {
    const { queue } = openQueue();
    void queue.send(bytes('full'));
    const sent = queue.send(bytes('next'));
    queue.endNow(0);
    await expect(sent).rejects.toMatchObject({
      code: 'CLOSED',
      message: 'the peer has closed; this message was not sent',
    });
  });
});

describe('a failure', () => {
  it('is the end: nothing is written or sent after it', async () => {
    const { queue, transport, take } = openQueue();
    void queue.send(bytes('full'));
    await endOfTick();
    queue.fail(new Error('cut'), false);
    expect(queue.isOver).toBe(true);
    queue.write([bytes('PING')]);
    queue.uncork();
    expect([take(), take()]).toEqual([true, false]);
    await turns();
    expect([transport.written, queue.queued, transport.hasEnded]).toEqual(['full', 0, false]);
  });
});
