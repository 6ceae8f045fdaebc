import { setImmediate } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import {
  bytes,
  LetterSender,
  openStation,
  outcome,
  outcomes,
  text,
  turns,
  useClock,
} from '../helpers/letters.js';

useClock();

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
      if (way === 'receive') {
        transport.receive('a');
        await setImmediate();
      }
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

  it('tells a peer that has sent something that it lives, and nothing for a PONG', async () => {
    const { transport } = await openStation();
    vi.advanceTimersByTime(20_000);
    transport.receive('!');
    vi.advanceTimersByTime(60_000);
    await turns();
    expect(transport.written).toBe('');
    transport.receive('!b');
    vi.advanceTimersByTime(60_000);
    await turns();
    expect(transport.written).toBe('!');
  });

  it('may hold its first message up until the peer shows that it is ready', async () => {
    for (const way of ['bytes', 'time', 'end'] as const) {
      vi.clearAllTimers();
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
      // that of the transport's end, and that of the PONG which is owed for bytes
      expect(vi.getTimerCount()).toBe(way === 'time' ? 0 : 1);
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
