import { setImmediate } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import type { ConnectionSettings } from '../../src/connection/connection.js';
import {
  bytes,
  gone,
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
