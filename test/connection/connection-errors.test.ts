import { setImmediate } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { SecureSocketError } from '../../src/errors.js';
import {
  bytes,
  closeTransport,
  LetterSender,
  openStation,
  outcome,
  outcomes,
  text,
  useClock,
} from '../helpers/letters.js';

useClock();

describe('an error', () => {
  it('about which the peer is told leaves after its last bytes, and reads on meanwhile', async () => {
    const made = await openStation({ readAhead: 2000 });
    const { connection, transport, sender } = made;
    const sent = connection.send(bytes('12345678'));
    const message = connection.recv();
    transport.receive('X');
    await expect(message).rejects.toThrow('an X');
    expect(await outcome(sent)).toBe('an X');
    expect([transport.written, transport.hasEnded, transport.destroyed]).toEqual(['x', true, 0]);
    expect([connection.isOver, sender.isAbandoned, transport.isPaused]).toEqual([true, true, false]);
    transport.receive('abc');
    expect(connection.bytesRead).toBe(5);
    vi.advanceTimersByTime(4999);
    expect(transport.destroyed).toBe(0);
    vi.advanceTimersByTime(1);
    expect(transport.destroyed).toBe(1);
    closeTransport(made);
    expect(await outcome(connection.closed)).toBe('done');
    await expect(connection.recv()).rejects.toThrow('an X');
  });

  it('resumes a transport that it had stopped, so that no reset overtakes the last bytes', async () => {
    const { connection, transport } = await openStation({ readAhead: 1000 });
    transport.receive('a');
    expect(transport.isPaused).toBe(true);
    transport.take();
    transport.written = '';
    connection.abandon(new SecureSocketError('BUFFER_LIMIT', 'too much'), 3);
    expect([transport.isPaused, transport.written, transport.hasEnded]).toEqual([false, '.3', true]);
    await expect(connection.recv()).rejects.toThrow('too much');
    expect(connection.buffered).toBe(0);
  });

  it('in the last seconds of another changes nothing', async () => {
    const made = await openStation();
    made.transport.receive('X');
    made.connection.destroy(new Error('second'));
    expect(made.transport.destroyed).toBe(1);
    expect(made.connection.failure).toMatchObject({ message: 'an X' });
    made.connection.destroy(new Error('third'));
    expect(made.transport.destroyed).toBe(1);
  });

  it('about which the peer is not told leaves at once', async () => {
    const { connection, transport } = await openStation();
    const message = connection.recv();
    transport.receive('Y');
    await expect(message).rejects.toThrow('a Y');
    expect([transport.written, transport.destroyed, connection.isOver]).toEqual(['', 1, true]);
    expect(connection.failure).toMatchObject({ code: 'PROTOCOL' });
  });

  it('that a busy transport could not take is not waited for', async () => {
    const { connection, transport } = await openStation();
    void connection.send(bytes('a')).catch(() => {});
    await setImmediate();
    expect(transport.pending).toBe(1);
    connection.abandon(new SecureSocketError('BUFFER_LIMIT', 'too much'), 3);
    expect([transport.written, transport.destroyed]).toEqual(['a', 1]);
  });

  it('of the transport is one error, whatever the system says', async () => {
    for (const [cause, message] of [
      [undefined, 'the connection was cut before the peer ended its side'],
      [new Error('a pipe'), 'the connection was cut before the peer ended its side (a pipe)'],
    ] as const) {
      const made = await openStation();
      const read = made.connection.recv();
      closeTransport(made, cause);
      await expect(read).rejects.toMatchObject({ code: 'TRUNCATED', message, ...(cause && { cause }) });
      expect([made.connection.isOver, await outcome(made.connection.closed)]).toEqual([true, 'done']);
    }
  });

  it('of the transport after the peer has ended says that something was not sent', async () => {
    const made = await openStation({ allowHalfOpen: true });
    made.transport.receive('.');
    closeTransport(made, new Error('a pipe'));
    expect(made.connection.failure).toMatchObject({
      code: 'TRUNCATED',
      message: 'the connection was cut before everything was sent (a pipe)',
    });
  });

  it('of the transport after both have ended is none, if the system had taken everything', async () => {
    for (const isTaken of [true, false]) {
      const made = await openStation({ sender: new LetterSender() });
      made.transport.receive('.');
      await setImmediate();
      if (isTaken) made.transport.take();
      closeTransport(made, new Error('reset'));
      expect(made.connection.failure === undefined).toBe(isTaken);
    }
  });

  it('of a transport that is gone comes once', async () => {
    const made = await openStation();
    closeTransport(made);
    const { failure } = made.connection;
    closeTransport(made, new Error('again'));
    expect(made.connection.failure).toBe(failure);
  });

  it('what had arrived before the transport went is read first', async () => {
    const made = await openStation({ readAhead: 1000 });
    made.transport.receive('abc');
    closeTransport(made, new Error('reset'));
    const read: unknown[] = [];
    for (let i = 0; i < 3; i++) read.push(text(await made.connection.recv()));
    expect(read).toEqual(['a', 'b', 'c']);
    await expect(made.connection.recv()).rejects.toMatchObject({ code: 'TRUNCATED' });
  });
});

describe('destroy()', () => {
  it('gives everything up, with an error of its own', async () => {
    const made = await openStation();
    const { connection, transport, sender } = made;
    const calls = [connection.recv(), connection.send(bytes('12345678')), connection.end()];
    connection.destroy();
    const said = 'the connection was destroyed on this side';
    expect(await outcomes(calls)).toEqual([said, said, said]);
    expect([transport.written, transport.destroyed, sender.isAbandoned]).toEqual(['', 1, true]);
    expect(connection.failure).toMatchObject({ code: 'CLOSED' });
    expect(await outcome(connection.closed)).toBe('waits');
    // one that never says that it is gone is not waited for
    vi.advanceTimersByTime(49);
    expect(await outcome(connection.closed)).toBe('waits');
    vi.advanceTimersByTime(1);
    expect(await outcome(connection.closed)).toBe('done');
    expect(vi.getTimerCount()).toBe(0);
  });

  it('or that of its caller', async () => {
    const { connection } = await openStation();
    connection.destroy(new Error('enough'));
    await expect(connection.recv()).rejects.toThrow('enough');
  });
});
