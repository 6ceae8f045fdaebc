import { describe, expect, it, vi } from 'vitest';
import type { ConnectionSettings } from '../../src/connection/connection.js';
import {
  bytes,
  closeTransport,
  openStation,
  outcome,
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
    closeTransport(made);
    expect(await outcome(closed)).toBe('done');
  });

  it('that is cut says so, with what the system says', async () => {
    const made = station();
    made.connection.start();
    closeTransport(made, Object.assign(new Error('reset by peer'), { code: 'ECONNRESET' }));
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

describe('a step that takes time', () => {
  it('holds up what comes behind it, and what it gives is its answer', async () => {
    let finish: (result: Uint8Array) => void = () => {};
    const step = (): Promise<Uint8Array> => new Promise((resolve) => (finish = resolve));
    const { connection, transport } = await openStation({ step });
    transport.receive('aTb');
    const messages = [await connection.recv(), connection.recv()] as const;
    expect(await outcome(messages[1])).toBe('waits');
    finish(bytes('t'));
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
    let finish: (result: Uint8Array) => void = () => {};
    const step = (): Promise<Uint8Array> => new Promise((resolve) => (finish = resolve));
    const isOver: boolean[] = [];
    const run: ConnectionSettings['run'] = (task, _kind, over) => {
      isOver.push(over());
      return Promise.resolve(task()).finally(() => isOver.push(over()));
    };
    const { connection, transport } = await openStation({ step, run });
    transport.receive('T');
    const message = outcome(connection.recv());
    connection.destroy();
    finish(bytes('t'));
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
    closeTransport(made, new Error('reset'));
    await expect(made.connection.ready).rejects.toMatchObject({ code: 'HANDSHAKE_FAILED' });
    for (const step of steps) step();
    expect(made.transport.written).toBe('H');
  });

  it('of a peer that has ended in order are still taken', async () => {
    const steps: (() => void)[] = [];
    const made = station({ schedule: (step) => void steps.push(step) });
    made.connection.start();
    made.transport.receive('Ha.');
    closeTransport(made);
    expect(await outcome(made.connection.ready)).toMatchObject({ peer: null });
    expect(text(await made.connection.recv())).toBe('a');
  });
});
