import { setImmediate } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import {
  bytes,
  closeTransport,
  LetterSender,
  openStation,
  outcome,
  type Station,
  station,
  text,
  turns,
  useClock,
} from '../helpers/letters.js';

useClock();

/** Lets the transport be reset, and counts how often it is. */
function countResets({ transport }: Station): { count: () => number } {
  const reset = vi.fn();
  Object.assign(transport, { reset });
  return { count: () => reset.mock.calls.length };
}

describe('a transport that is given up', () => {
  it('is reset where the end of the stream is the only end there is, and ours was not sent', async () => {
    const made = await openStation({ sender: new LetterSender() });
    const resets = countResets(made);
    made.connection.destroy();
    expect([resets.count(), made.transport.destroyed]).toEqual([1, 0]);
  });

  it('is not reset during the handshake, nor where a CLOSE would be missed, nor after our end', async () => {
    const begun = station({ sender: new LetterSender() });
    begun.connection.start();
    const beating = await openStation();
    const ended = await openStation({ sender: new LetterSender() });
    void ended.connection.end();
    await setImmediate();
    ended.transport.take();
    for (const made of [begun, beating, ended]) {
      const resets = countResets(made);
      made.connection.destroy();
      expect([resets.count(), made.transport.destroyed]).toEqual([0, 1]);
    }
  });

  it('is not reset after final bytes, which it might lose', async () => {
    const made = await openStation({ sender: new LetterSender() });
    const resets = countResets(made);
    made.transport.receive('X');
    expect(made.transport.written).toBe('x');
    vi.advanceTimersByTime(5000);
    expect([resets.count(), made.transport.destroyed]).toEqual([0, 1]);
  });
});

describe('a send() whose message has left', () => {
  /** One that waits for a transport which has no bytes left, and has not reported it yet. */
  async function sent(): Promise<Station & { message: Promise<void> }> {
    const made = await openStation();
    void made.connection.send(bytes('1234'));
    const message = made.connection.send(bytes('5678'));
    await setImmediate();
    expect(made.transport.written).toBe('12345678');
    made.transport.left = 0;
    expect(await outcome(message)).toBe('waits');
    return { ...made, message };
  }

  it('is done if the system has it when the connection is destroyed', async () => {
    const { connection, message } = await sent();
    connection.destroy(new Error('enough'));
    expect(await outcome(message)).toBe('done');
  });

  it('fails with a transport that is gone, which can say nothing more', async () => {
    const made = await sent();
    closeTransport(made, new Error('reset'));
    expect(await outcome(made.message)).toContain('(reset)');
  });
});

describe('a transport that is gone', () => {
  it('after our end alone was cut', async () => {
    const made = await openStation();
    void made.connection.end();
    await setImmediate();
    made.transport.take();
    closeTransport(made);
    expect(made.connection.failure).toMatchObject({
      code: 'TRUNCATED',
      message: 'the connection was cut before the peer ended its side',
    });
  });

  it('after both ends was not, if it reports no error', async () => {
    const made = await openStation();
    made.transport.receive('.');
    await setImmediate();
    expect(made.transport.pending).toBe(1);
    closeTransport(made);
    expect([made.connection.isOver, made.connection.failure]).toEqual([true, undefined]);
  });

  it('after an error does not change it', async () => {
    const made = await openStation();
    made.connection.destroy(new Error('enough'));
    closeTransport(made, new Error('reset'));
    expect(made.connection.failure).toMatchObject({ message: 'enough' });
    await expect(made.connection.send(bytes('a'))).rejects.toThrow('enough');
  });
});

describe('close()', () => {
  it('begins its wait anew with each write that the system completes, until the end is with it', async () => {
    const { connection, transport } = await openStation();
    void connection.send(bytes('a'));
    await setImmediate();
    void connection.send(bytes('b'));
    void connection.close();
    await setImmediate();
    expect(transport.written).toBe('a');
    vi.advanceTimersByTime(4000);
    transport.take();
    expect(transport.written).toBe('ab.');
    vi.advanceTimersByTime(3000);
    transport.events?.written();
    vi.advanceTimersByTime(1999);
    expect(connection.isOver).toBe(false);
    vi.advanceTimersByTime(1);
    expect(connection.failure).toMatchObject({ code: 'TRUNCATED' });
  });

  it('tells who waits to send when the peer ends, though the other half might have stayed open', async () => {
    const { connection, transport } = await openStation({ allowHalfOpen: true });
    void connection.send(bytes('12345678'));
    const waiting = connection.send(bytes('waits'));
    void connection.close();
    await setImmediate();
    expect(await outcome(waiting)).toBe('waits');
    transport.receive('.');
    expect(await outcome(waiting)).toBe('the peer has closed; this message was not sent');
    transport.take();
    await turns();
    expect([transport.written, connection.failure]).toEqual(['12345678.', undefined]);
  });
});

describe('what has arrived when time is up', () => {
  it.each([
    ['PING_TIMEOUT', { pingInterval: 1000, pingTimeout: 500 }],
    ['IDLE_TIMEOUT', { idleTimeout: 1000 }],
  ])('can be read, though it waited for a turn of the event loop: %s', async (code, settings) => {
    const { connection, transport } = await openStation({ ...settings, readAhead: 10_000_000 });
    transport.receive(`${'a'.repeat(599)}z`);
    vi.advanceTimersByTime(1500);
    expect(connection.failure).toMatchObject({ code });
    for (let i = 0; i < 599; i++) expect(text(await connection.recv())).toBe('a');
    expect(text(await connection.recv())).toBe('z');
    await expect(connection.recv()).rejects.toMatchObject({ code });
  });
});
