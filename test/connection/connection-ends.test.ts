import { setImmediate } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import {
  bytes,
  closeTransport,
  LetterSender,
  openStation,
  outcome,
  outcomes,
  station,
  text,
  turns,
  useClock,
} from '../helpers/letters.js';

useClock();

describe('end()', () => {
  it('sends the rest and the end, and leaves the other half open', async () => {
    const { connection, transport } = await openStation();
    void connection.send(bytes('a'));
    const ended = connection.end();
    expect(await outcome(ended)).toBe('waits');
    expect([transport.written, transport.hasEnded]).toEqual(['a.', true]);
    transport.take();
    expect(await outcome(ended)).toBe('done');
    await turns();
    expect([connection.isOver, transport.destroyed]).toEqual([false, 0]);
    transport.receive('b');
    expect(text(await connection.recv())).toBe('b');
    await expect(connection.send(bytes('c'))).rejects.toMatchObject({ code: 'CLOSED' });
    expect(await outcome(connection.end())).toBe('done');
    vi.advanceTimersByTime(100_000);
    expect(connection.isOver).toBe(false);
  });

  it('tells the peer its code', async () => {
    const { connection, transport } = await openStation();
    void connection.end(5);
    await setImmediate();
    expect(transport.written).toBe('.5');
  });

  it('after that of the peer is the end of both', async () => {
    const made = await openStation({ allowHalfOpen: true });
    const { connection, transport, sender } = made;
    transport.receive('.');
    await turns();
    expect([transport.written, connection.isOver]).toEqual(['', false]);
    void connection.send(bytes('late'));
    const ended = connection.end();
    await setImmediate();
    expect([transport.written, transport.hasEnded, transport.destroyed]).toEqual(['late.', true, 0]);
    transport.take();
    expect(await outcome(ended)).toBe('done');
    await turns();
    expect([connection.isOver, connection.failure, transport.destroyed]).toEqual([true, undefined, 1]);
    expect(sender.isAbandoned).toBe(true);
    closeTransport(made);
    expect(await outcome(connection.closed)).toBe('done');
    expect(vi.getTimerCount()).toBe(0);
  });

  it('before that of the peer is too', async () => {
    const { connection, transport } = await openStation({ allowHalfOpen: true });
    void connection.end();
    await setImmediate();
    transport.take();
    transport.receive('.');
    await turns();
    expect([connection.isOver, connection.failure, transport.destroyed]).toEqual([true, undefined, 1]);
  });
});

describe("the peer's end", () => {
  it('ends ours too, behind what is staged, and tells the senders of what waits', async () => {
    const { connection, transport } = await openStation();
    const sent = [connection.send(bytes('full')), connection.send(bytes('more'))];
    const late = connection.send(bytes('late'));
    transport.receive('.');
    expect(await outcome(late)).toBe('the peer has closed; this message was not sent');
    await setImmediate();
    expect(transport.written).toBe('fullmore.');
    transport.take();
    expect(await outcomes(sent)).toEqual(['done', 'done']);
    await turns();
    expect([connection.isOver, connection.failure, transport.destroyed]).toEqual([true, undefined, 1]);
  });

  it('of a protocol without a CLOSE is followed by that of the stream', async () => {
    const made = await openStation({ sender: new LetterSender() });
    const { connection, transport } = made;
    transport.receive('.');
    await setImmediate();
    transport.take();
    await turns();
    expect([transport.hasEnded, connection.isOver, transport.destroyed]).toEqual([true, false, 0]);
    closeTransport(made);
    expect([connection.isOver, connection.failure]).toEqual([true, undefined]);
  });

  it('waits for what the system has yet to take, with a bound', async () => {
    const { connection, transport } = await openStation();
    void connection.send(bytes('a'));
    transport.receive('.');
    await turns();
    vi.advanceTimersByTime(4999);
    expect(connection.isOver).toBe(false);
    vi.advanceTimersByTime(1);
    expect([connection.isOver, transport.destroyed]).toEqual([true, 1]);
    expect(connection.failure).toMatchObject({ code: 'TRUNCATED' });
  });

  it('is not the end of bytes: that is an error', async () => {
    const { connection, transport } = await openStation();
    transport.receive('a');
    transport.events?.end();
    expect(text(await connection.recv())).toBe('a');
    await expect(connection.recv()).rejects.toMatchObject({ code: 'TRUNCATED' });
    expect([connection.isOver, transport.destroyed]).toEqual([true, 1]);
  });
});

describe('close()', () => {
  it('sends the rest and the end, and waits for the peer', async () => {
    const made = await openStation();
    const { connection, transport } = made;
    const sent = connection.send(bytes('a'));
    const closed = connection.close(3);
    expect([await outcome(closed), await outcome(sent)]).toEqual(['waits', 'done']);
    expect([transport.written, transport.hasEnded]).toEqual(['a.3', true]);
    transport.take();
    transport.receive('.');
    await turns();
    expect([transport.destroyed, await outcome(closed)]).toEqual([1, 'waits']);
    closeTransport(made);
    expect([await outcome(closed), connection.failure]).toEqual(['done', undefined]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each([
    [undefined, 5000],
    [700, 700],
    [9000, 9000],
  ])('gives up after its timeout: %s', async (timeout, milliseconds) => {
    const { connection, transport } = await openStation();
    void connection.close(0, timeout);
    await setImmediate();
    transport.take();
    vi.advanceTimersByTime(milliseconds - 1);
    expect(connection.isOver).toBe(false);
    vi.advanceTimersByTime(1);
    expect([connection.isOver, transport.destroyed]).toEqual([true, 1]);
    expect(connection.failure).toMatchObject({
      code: 'TRUNCATED',
      message: `the peer did not end its side within ${milliseconds} ms of our close`,
    });
  });

  it('called again begins its wait anew if it says how long', async () => {
    const { connection, transport } = await openStation();
    void connection.close();
    await setImmediate();
    transport.take();
    vi.advanceTimersByTime(4000);
    void connection.close();
    vi.advanceTimersByTime(500);
    void connection.close(0, 2000);
    vi.advanceTimersByTime(1999);
    expect(connection.isOver).toBe(false);
    vi.advanceTimersByTime(1);
    expect(connection.isOver).toBe(true);
    // and of one that is over there is nothing to wait for
    void connection.close(0, 3000);
    vi.advanceTimersByTime(50);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('waits longer while the peer takes what was sent', async () => {
    const { connection, transport } = await openStation();
    void connection.send(bytes('abc'));
    void connection.close();
    await setImmediate();
    for (const left of [2, 1]) {
      transport.left = left;
      vi.advanceTimersByTime(5000);
      expect(connection.isOver).toBe(false);
    }
    vi.advanceTimersByTime(5000);
    expect(connection.isOver).toBe(true);
  });

  it('reads on, and discards what no call waits for, with a bound', async () => {
    const { connection, transport } = await openStation({ readAhead: 2000 });
    transport.receive('ab');
    expect(transport.isPaused).toBe(true);
    transport.take();
    void connection.close();
    await turns();
    expect(transport.isPaused).toBe(false);
    expect([text(await connection.recv()), text(await connection.recv())]).toEqual(['a', 'b']);
    const message = connection.recv();
    transport.receive('c');
    expect(await outcome(message)).toBe('c');
    transport.receive('defgh');
    await turns();
    expect([connection.isOver, connection.failure]).toEqual([false, undefined]);
    transport.receive('.');
    transport.take();
    await turns();
    expect([connection.isOver, connection.failure]).toEqual([true, undefined]);
  });

  it('after the peer has ended needs no wait', async () => {
    const { connection, transport } = await openStation({ allowHalfOpen: true });
    transport.receive('.');
    void connection.close(2);
    await setImmediate();
    transport.take();
    await turns();
    expect([transport.written, connection.isOver, connection.failure]).toEqual(['.2', true, undefined]);
  });

  it('is the end for an end that may stay half open too', async () => {
    const { connection, transport } = await openStation({ allowHalfOpen: true });
    void connection.close();
    await setImmediate();
    transport.take();
    transport.receive('.');
    await turns();
    expect([connection.isOver, connection.failure]).toEqual([true, undefined]);
  });
});

describe('drain()', () => {
  it('closes as soon as a call waits and all was read', async () => {
    const { connection, transport } = await openStation();
    transport.receive('ab');
    connection.drain(6);
    await turns();
    expect(transport.written).toBe('');
    await connection.recv();
    await connection.next();
    await turns();
    expect(transport.written).toBe('');
    void connection.nextBatch().catch(() => {});
    await turns();
    expect(transport.written).toBe('.6');
  });

  it('closes one that waits already', async () => {
    const { connection, transport } = await openStation();
    void connection.recv().catch(() => {});
    connection.drain(6);
    await turns();
    expect(transport.written).toBe('.6');
  });

  it('does not touch a handshake, nor one that has ended', async () => {
    const begun = station();
    begun.connection.start();
    begun.connection.drain(6);
    await turns();
    expect(begun.connection.isOver).toBe(false);
    const { connection, transport } = await openStation();
    connection.destroy();
    connection.drain(6);
    await turns();
    expect(transport.written).toBe('');
  });
});
