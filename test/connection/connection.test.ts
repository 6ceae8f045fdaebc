import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ConnectionSettings } from '../../src/connection/connection.js';
import { SecureSocketError } from '../../src/errors.js';
import {
  bytes,
  LetterSender,
  openStation,
  outcome,
  outcomes,
  type Station,
  station,
  text,
} from '../helpers/letters.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A few turns of the event loop, in which what is scheduled is done. */
async function turns(count = 4): Promise<void> {
  for (let i = 0; i < count; i++) await setImmediate();
}

/** The end of the transport, as it reports it. */
const gone = ({ transport }: Station, error?: Error): void => transport.events?.close(error);

describe('the handshake', () => {
  it('is begun by start, and nothing can be sent before it is done', async () => {
    const { connection, transport, sender } = station();
    expect(transport.written).toBe('');
    connection.start();
    expect([transport.written, connection.bytesWritten]).toEqual(['H', 1]);
    expect(await outcome(connection.ready)).toBe('waits');
    transport.receive('H');
    expect(await connection.ready).toMatchObject({ sender, peer: null });
    expect([connection.bytesRead, connection.isOver, connection.failure]).toEqual([1, false, undefined]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each([undefined, 2000])('has a bound, its own or what is left of one: %s', async (left) => {
    const { connection, transport } = station();
    connection.start(left);
    vi.advanceTimersByTime((left ?? 10_000) - 1);
    expect([await outcome(connection.ready), connection.isOver]).toEqual(['waits', false]);
    vi.advanceTimersByTime(1);
    await expect(connection.ready).rejects.toMatchObject({
      code: 'HANDSHAKE_TIMEOUT',
      message: `the handshake was not done within ${left ?? 10_000} ms`,
    });
    expect([connection.isOver, transport.destroyed]).toEqual([true, 1]);
    expect(connection.failure).toMatchObject({ code: 'HANDSHAKE_TIMEOUT' });
  });

  it('that is closed meanwhile ends at once', async () => {
    const made = station();
    made.connection.start();
    const closed = made.connection.close();
    await expect(made.connection.ready).rejects.toMatchObject({ code: 'CLOSED' });
    await expect(made.connection.ready).rejects.toThrow('closed during the handshake');
    expect([made.transport.destroyed, await outcome(closed)]).toEqual([1, 'waits']);
    gone(made);
    expect(await outcome(closed)).toBe('done');
  });

  it('that is cut says so, with what the system says', async () => {
    const made = station();
    made.connection.start();
    gone(made, Object.assign(new Error('reset by peer'), { code: 'ECONNRESET' }));
    await expect(made.connection.ready).rejects.toMatchObject({
      code: 'HANDSHAKE_FAILED',
      message: 'the connection was cut during the handshake (ECONNRESET)',
    });
    expect(made.connection.isOver).toBe(true);
    expect(await outcome(made.connection.closed)).toBe('done');
  });

  it('that the peer ends says so', async () => {
    const { connection, transport } = station();
    connection.start();
    transport.events?.end();
    await expect(connection.ready).rejects.toMatchObject({ code: 'HANDSHAKE_FAILED' });
    expect(transport.destroyed).toBe(1);
  });
});

describe('messages', () => {
  it('leave together, one tick later', async () => {
    const { connection, transport } = await openStation();
    const sent = [connection.send(bytes('a')), connection.send(bytes('bc'))];
    expect(transport.written).toBe('');
    expect(await outcomes(sent)).toEqual(['done', 'done']);
    await setImmediate();
    expect([transport.written, transport.writes.at(-1), connection.bytesWritten]).toEqual([
      'abc',
      ['abc'],
      4,
    ]);
  });

  it('arrive in order, by each way of reading', async () => {
    const { connection, transport } = await openStation();
    const first = connection.recv();
    transport.receive('abcdef');
    expect(await outcome(first)).toBe('a');
    expect(text(await connection.recv())).toBe('b');
    expect(await connection.next()).toEqual({ value: bytes('c'), done: false });
    await turns();
    expect(await connection.nextBatch()).toEqual({ value: ['d', 'e', 'f'].map(bytes), done: false });
    expect(connection.bytesRead).toBe(7);
  });

  it('that arrived before the end are read before it', async () => {
    const { connection, transport } = await openStation();
    transport.receive('a.');
    expect(connection.peerCloseCode).toBe(7);
    expect(text(await connection.recv())).toBe('a');
    expect(await connection.recv()).toBe(null);
    expect(await connection.next()).toEqual({ value: undefined, done: true });
    expect(await connection.nextBatch()).toEqual({ value: undefined, done: true });
  });

  it('stop the transport while they are not read, and no longer', async () => {
    const { connection, transport } = await openStation({ readAhead: 2000 });
    transport.receive('a');
    expect(transport.isPaused).toBe(false);
    transport.receive('b');
    expect(transport.isPaused).toBe(true);
    await turns();
    expect(transport.isPaused).toBe(true);
    await connection.recv();
    await turns();
    // half of it has to be read first
    expect(transport.isPaused).toBe(true);
    await connection.recv();
    await turns();
    expect(transport.isPaused).toBe(false);
  });

  it('that came while reading was stopped follow when it goes on', async () => {
    const { connection, transport } = await openStation({ readAhead: 2000 });
    transport.receive('abcde');
    expect(transport.isPaused).toBe(true);
    for (const letter of 'abcde') {
      const message = connection.recv();
      await turns();
      expect(await outcome(message)).toBe(letter);
    }
    expect(transport.isPaused).toBe(false);
  });

  it('are counted by what they hold, and again when they are read', async () => {
    let held = 0;
    const calls: number[] = [];
    const charge = (change: number): void => {
      calls.push(change);
      held += change;
    };
    const made = await openStation({ charge });
    const { connection, transport } = made;
    expect([connection.buffered, held]).toEqual([0, 0]);
    transport.receive('abc');
    const { buffered } = connection;
    expect(buffered).toBe(held);
    expect(buffered).toBeGreaterThan(3 * 128);
    await connection.recv();
    expect(held).toBe(connection.buffered);
    expect(held).toBeLessThan(buffered);
    void connection.send(bytes('12345678')).catch(() => {});
    void connection.send(bytes('a message that waits')).catch(() => {});
    expect(held).toBe(connection.buffered);
    const waiting = held;
    await setImmediate();
    transport.take();
    await turns();
    expect(held).toBe(connection.buffered);
    expect(held).toBeLessThan(waiting);
    expect(calls).not.toContain(0);
    connection.destroy();
    // what has arrived may still be read
    expect(held).toBe(connection.buffered);
    await connection.recv();
    await connection.recv();
    expect([held, connection.buffered]).toEqual([0, 0]);
  });

  it('are written with fresh keys after rekey', async () => {
    const { connection, sender } = await openStation();
    connection.rekey();
    expect(sender.rekeys).toBe(1);
  });
});

describe('a step that takes time', () => {
  it('holds up what comes behind it, and what it gives is its answer', async () => {
    let done: (result: Uint8Array) => void = () => {};
    const step = (): Promise<Uint8Array> => new Promise((resolve) => (done = resolve));
    const { connection, transport } = await openStation({ step });
    transport.receive('aTb');
    const messages = [await connection.recv(), connection.recv()] as const;
    expect(await outcome(messages[1])).toBe('waits');
    done(bytes('t'));
    expect(await outcome(messages[1])).toBe('t');
    expect(text(await connection.recv())).toBe('b');
  });

  it('that fails ends the connection with its error', async () => {
    const step = (): Promise<never> => Promise.reject(new Error('no platform'));
    const { connection, transport } = await openStation({ step });
    transport.receive('aT');
    expect(text(await connection.recv())).toBe('a');
    await expect(connection.recv()).rejects.toThrow('no platform');
    expect([connection.isOver, transport.destroyed]).toEqual([true, 1]);
  });

  it('whose connection has ended has no effect', async () => {
    let done: (result: Uint8Array) => void = () => {};
    const step = (): Promise<Uint8Array> => new Promise((resolve) => (done = resolve));
    const isOver: boolean[] = [];
    const run: ConnectionSettings['run'] = (task, _kind, over) => {
      isOver.push(over());
      return Promise.resolve(task()).finally(() => isOver.push(over()));
    };
    const { connection, transport } = await openStation({ step, run });
    transport.receive('T');
    const message = outcome(connection.recv());
    connection.destroy();
    done(bytes('t'));
    await turns();
    expect([isOver, await message]).toEqual([[false, true], 'the connection was destroyed on this side']);
  });

  it('is one of many: after sixteen records others have their turn', async () => {
    const { connection, transport } = await openStation({ step: () => bytes('t') });
    transport.receive('T'.repeat(40));
    let turn = 0;
    const arrived: number[] = [];
    const count = (): void => {
      turn++;
      if (arrived.length < 40) globalThis.setImmediate(count);
    };
    globalThis.setImmediate(count);
    for (let i = 0; i < 40; i++) {
      await connection.recv();
      arrived.push(turn);
    }
    const first = arrived.filter((each) => each === arrived[0]).length;
    expect(first).toBeLessThanOrEqual(16);
    expect(new Set(arrived).size).toBe(3);
  });
});

describe('the turns of handshakes', () => {
  it('are given in their queue, and an open connection has its own', async () => {
    const steps: (() => void)[] = [];
    const { connection, transport } = station({ schedule: (step) => void steps.push(step) });
    connection.start();
    transport.receive('H');
    expect([await outcome(connection.ready), steps.length]).toEqual(['waits', 1]);
    transport.receive('a');
    expect(steps.length).toBe(1);
    steps.shift()?.();
    expect(await outcome(connection.ready)).toMatchObject({ peer: null });
    expect(text(await connection.recv())).toBe('a');
    transport.receive('b');
    expect([text(await connection.recv()), steps.length]).toEqual(['b', 0]);
  });

  it('of a peer that is gone meanwhile are not needed', async () => {
    const steps: (() => void)[] = [];
    const made = station({ schedule: (step) => void steps.push(step) });
    made.connection.start();
    made.transport.receive('H');
    gone(made, new Error('reset'));
    await expect(made.connection.ready).rejects.toMatchObject({ code: 'HANDSHAKE_FAILED' });
    for (const step of steps) step();
    expect(made.transport.written).toBe('H');
  });

  it('of a peer that has ended in order are still taken', async () => {
    const steps: (() => void)[] = [];
    const made = station({ schedule: (step) => void steps.push(step) });
    made.connection.start();
    made.transport.receive('Ha.');
    gone(made);
    expect(await outcome(made.connection.ready)).toMatchObject({ peer: null });
    expect(text(await made.connection.recv())).toBe('a');
  });
});

describe('end()', () => {
  it('sends the rest and the end, and leaves the other half open', async () => {
    const { connection, transport } = await openStation();
    void connection.send(bytes('a'));
    const ended = connection.end();
    expect(await outcome(ended)).toBe('waits');
    expect([transport.written, transport.hasEnded]).toEqual(['a.', true]);
    transport.take();
    expect([await outcome(ended), connection.isOver]).toEqual(['done', false]);
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
    gone(made);
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
    gone(made);
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
    gone(made);
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
    gone(made);
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
      gone(made, cause);
      await expect(read).rejects.toMatchObject({ code: 'TRUNCATED', message, ...(cause && { cause }) });
      expect([made.connection.isOver, await outcome(made.connection.closed)]).toEqual([true, 'done']);
    }
  });

  it('of the transport after the peer has ended says that something was not sent', async () => {
    const made = await openStation({ allowHalfOpen: true });
    made.transport.receive('.');
    gone(made, new Error('a pipe'));
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
      gone(made, new Error('reset'));
      expect(made.connection.failure === undefined).toBe(isTaken);
    }
  });

  it('of a transport that is gone comes once', async () => {
    const made = await openStation();
    gone(made);
    const { failure } = made.connection;
    gone(made, new Error('again'));
    expect(made.connection.failure).toBe(failure);
  });

  it('what had arrived before the transport went is read first', async () => {
    const made = await openStation({ readAhead: 1000 });
    made.transport.receive('abc');
    gone(made, new Error('reset'));
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

describe('an open connection', () => {
  it('asks and answers', async () => {
    const { connection, transport } = await openStation({ pingInterval: 1000, pingTimeout: 500 });
    vi.advanceTimersByTime(1000);
    expect(transport.written).toBe('?');
    transport.receive('a');
    transport.take();
    vi.advanceTimersByTime(900);
    expect([transport.written, connection.isOver]).toEqual(['?', false]);
    transport.receive('?');
    expect(transport.written).toBe('?!');
  });

  it('does not wait for a peer that is dead, and tells it nothing', async () => {
    const { connection, transport } = await openStation({
      pingInterval: 1000,
      pingTimeout: 500,
      readAhead: 5000,
    });
    transport.receive('a');
    vi.advanceTimersByTime(1500);
    expect([transport.written, transport.destroyed]).toEqual(['?', 1]);
    expect(connection.failure).toMatchObject({ code: 'PING_TIMEOUT' });
    expect(text(await connection.recv())).toBe('a');
  });

  it('that is idle is closed with a code', async () => {
    const { connection, transport } = await openStation({ idleTimeout: 1000 });
    vi.advanceTimersByTime(1000);
    expect([transport.written, transport.hasEnded, transport.destroyed]).toEqual(['.4', true, 0]);
    expect(connection.failure).toMatchObject({ code: 'IDLE_TIMEOUT' });
  });

  it.each(['send', 'receive', 'write'])('is not idle while messages move: %s', async (way) => {
    const { connection, transport } = await openStation({ idleTimeout: 1000 });
    for (let i = 0; i < 5; i++) {
      vi.advanceTimersByTime(900);
      if (way === 'receive') transport.receive('a');
      if (way === 'send') {
        void connection.send(bytes('a'));
        await setImmediate();
        transport.take();
      }
      if (way === 'write') {
        transport.pending = 0;
        if (i === 0) void connection.send(bytes('a'));
        await setImmediate();
        if (i === 1) transport.take();
        if (i > 1) break;
      }
    }
    expect(connection.isOver).toBe(false);
  });

  it('is idle although it asks and answers', async () => {
    const { connection, transport } = await openStation({ idleTimeout: 1000 });
    vi.advanceTimersByTime(900);
    transport.receive('?');
    transport.take();
    vi.advanceTimersByTime(100);
    expect(connection.failure).toMatchObject({ code: 'IDLE_TIMEOUT' });
  });

  it('of a protocol without PINGs is not idle while bytes arrive', async () => {
    const { connection, transport } = await openStation({ idleTimeout: 1000, sender: new LetterSender() });
    vi.advanceTimersByTime(900);
    transport.receive('?');
    vi.advanceTimersByTime(900);
    expect(connection.isOver).toBe(false);
    vi.advanceTimersByTime(100);
    expect(connection.failure).toMatchObject({ code: 'IDLE_TIMEOUT' });
  });

  it('asks nothing once a half has ended, nor when it is over', async () => {
    for (const act of ['end', 'close', 'peer', 'destroy'] as const) {
      const { connection, transport } = await openStation({
        ...{ pingInterval: 1000, pingTimeout: 500, closeTimeout: 100_000, allowHalfOpen: true },
      });
      if (act === 'peer') transport.receive('.');
      else if (act === 'destroy') connection.destroy();
      else void connection[act]();
      await setImmediate();
      transport.take();
      vi.advanceTimersByTime(20_000);
      expect(transport.written.includes('?'), act).toBe(false);
    }
  });

  it('whose program does not read is not dead, and says that it lives', async () => {
    const { connection, transport } = await openStation({
      ...{ pingInterval: 1000, pingTimeout: 500, readAhead: 1000 },
    });
    transport.receive('a');
    expect([transport.isPaused, transport.written]).toEqual([true, '!']);
    transport.take();
    vi.advanceTimersByTime(10_000);
    expect([connection.isOver, transport.written]).toEqual([false, '!!']);
    expect(transport.probes).toBe(0);
  });

  it('of a protocol without PINGs asks the system instead', async () => {
    const { connection, transport } = await openStation({ readAhead: 1000, sender: new LetterSender() });
    transport.receive('a');
    vi.advanceTimersByTime(20_000);
    expect(transport.probes).toBe(2);
    await connection.recv();
    await turns();
    vi.advanceTimersByTime(20_000);
    expect(transport.probes).toBe(2);
    transport.receive('b');
    connection.destroy();
    vi.advanceTimersByTime(20_000);
    expect(transport.probes).toBe(2);
  });

  it('may hold its first message up until the peer shows that it is ready', async () => {
    for (const way of ['bytes', 'time', 'end'] as const) {
      const { connection, transport } = await openStation({ settleMs: 100 });
      void connection.send(bytes('a'));
      await turns();
      vi.advanceTimersByTime(99);
      expect(transport.written).toBe('');
      if (way === 'bytes') transport.receive('b');
      if (way === 'time') vi.advanceTimersByTime(1);
      if (way === 'end') connection.destroy();
      await turns();
      expect(transport.written).toBe(way === 'end' ? '' : 'a');
      expect(vi.getTimerCount()).toBe(way === 'end' ? 1 : 0);
    }
  });
});

describe('what can be asked of it', () => {
  it('is the transport, the bound of its end, and how it ended', async () => {
    const { connection, transport } = await openStation({ closeTimeout: 1234 });
    expect([connection.transport, connection.closeTimeout, connection.peerCloseCode]).toEqual([
      ...[transport, 1234, undefined],
    ]);
  });

  it('and where the transport may read to, until it is over', async () => {
    const { connection, transport } = await openStation();
    expect(transport.events?.target?.()).toBe(undefined);
    connection.destroy();
    expect(transport.events?.target?.()).toBe(undefined);
  });
});
