import { setImmediate } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import {
  bytes,
  closeTransport,
  LARGE,
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

/** Counts how often the transport is stopped and resumed from now on. */
function countStops({ transport }: Station): { counts: () => [number, number] } {
  const pause = vi.spyOn(transport, 'pause');
  const resume = vi.spyOn(transport, 'resume');
  return { counts: () => [pause.mock.calls.length, resume.mock.calls.length] };
}

describe('the transport', () => {
  it('is stopped and resumed once for each time that it has to be', async () => {
    const made = station({ readAhead: 2000 });
    const stops = countStops(made);
    made.connection.start();
    made.transport.receive('H');
    await made.connection.ready;
    made.transport.receive('a');
    expect(stops.counts()).toEqual([0, 0]);
    made.transport.receive('b');
    made.transport.receive('c');
    expect(stops.counts()).toEqual([1, 0]);
    for (let i = 0; i < 3; i++) await made.connection.recv();
    await turns();
    expect(stops.counts()).toEqual([1, 1]);
  });

  it('that was stopped is not resumed by an end about which the peer is not told', async () => {
    const made = await openStation({ readAhead: 1000 });
    made.transport.receive('aY');
    const stops = countStops(made);
    await made.connection.recv();
    await turns();
    expect(made.connection.failure).toMatchObject({ message: 'a Y' });
    expect([stops.counts(), made.transport.destroyed]).toEqual([[0, 0], 1]);
  });

  it('whose write throws ends the connection with that error', async () => {
    const { connection, transport } = await openStation();
    const message = connection.recv();
    transport.write = () => {
      throw new Error('cannot write');
    };
    transport.receive('?');
    await expect(message).rejects.toThrow('cannot write');
    expect([connection.isOver, transport.destroyed]).toEqual([true, 1]);
  });
});

describe('what a transport reports many times in one turn of the event loop', () => {
  /** A connection whose turn is so many bytes, and the same as a request each. */
  async function openWith(partLength: number): Promise<Station> {
    const sender = new (class extends LetterSender {
      override readonly partLength = partLength;
    })();
    return await openStation({ sender, readAhead: 1_000_000 });
  }

  /** How many of `count` pieces of one message each the connection takes until it stops the transport. */
  function countTaken({ transport }: Station, count: number): number {
    const pause = vi.spyOn(transport, 'pause');
    let taken = 0;
    while (taken < count && pause.mock.calls.length === 0) {
      transport.receive('a');
      taken++;
    }
    pause.mockRestore();
    return taken;
  }

  it('is one turn of the connection: then others have theirs', async () => {
    const made = await openWith(1000);
    const resume = vi.spyOn(made.transport, 'resume');
    const taken = countTaken(made, 2000);
    // requests of a slow sender
    expect([taken > 30, taken <= 64]).toEqual([true, true]);
    expect(resume).not.toHaveBeenCalled();
    await turns();
    expect(resume).toHaveBeenCalledOnce();
    // and all of it once more: the handshake's request is not among them
    expect(countTaken(made, 2000)).toBe(taken + 1);
  });

  it('is stopped by the bytes of all of it', async () => {
    const made = await openWith(8);
    expect(countTaken(made, 2000)).toBeLessThanOrEqual(8);
    await turns();
    for (let i = 0; i < 100; i++) {
      expect(countTaken(made, 2)).toBe(2);
      await turns();
    }
  });

  it('is not stopped when turns of the loop come between', async () => {
    const made = await openWith(1000);
    const { counts } = countStops(made);
    for (let i = 0; i < 300; i++) {
      for (let j = 0; j < 10; j++) made.transport.receive('a');
      await turns(2);
      for (let j = 0; j < 10; j++) await made.connection.recv();
    }
    expect(counts()).toEqual([0, 0]);
  });

  it('stays stopped though the program makes room', async () => {
    const made = await openWith(1000);
    const { connection, transport } = made;
    countTaken(made, 2000);
    const received = vi.spyOn(transport, 'resume');
    const reader = connection.recv();
    transport.receive('b'.repeat(10));
    await reader;
    await Promise.resolve();
    expect(received).not.toHaveBeenCalled();
    await turns();
    expect(received).toHaveBeenCalledOnce();
  });

  it.each([
    ['many pieces', new Array<string>(2000).fill('a')],
    ['long pieces', new Array<string>(10).fill('a'.repeat(200))],
  ])('is not stopped where the transport gives its memory away and so cannot stop: %s', async (_, pieces) => {
    const made = await openWith(8);
    const { counts } = countStops(made);
    for (const piece of pieces) {
      made.transport.receive(piece, true);
      for (let i = 0; i < piece.length; i++) expect(text(await made.connection.recv())).toBe('a');
    }
    expect(counts()).toEqual([0, 0]);
  });

  it.each([
    ['a program that does not read', 1000, 'a'.repeat(20)],
    ['a longer message than our peers send', 1_000_000, `L${'z'.repeat(LARGE)}`],
  ])('is stopped there too by %s', async (_, readAhead, piece) => {
    const made = await openStation({ readAhead });
    const { counts } = countStops(made);
    made.transport.receive(piece, true);
    expect(counts()).toEqual([1, 0]);
  });

  it('is read to its end when the stream ends', async () => {
    const made = await openWith(8);
    const { connection, transport } = made;
    for (let i = 0; i < 20; i++) transport.receive('a');
    transport.receive('.');
    await turns(60);
    let count = 0;
    while ((await connection.recv()) !== null) count++;
    expect(count).toBe(20);
  });
});

describe('a handshake alone', () => {
  it('waits for no turn: it is done with its last byte', () => {
    const { connection, transport } = station();
    connection.start();
    transport.receive('H');
    expect(connection.send(bytes('a'))).toBeInstanceOf(Promise);
  });
});

describe('a large message', () => {
  /** All of it but what the transport may read into place. */
  async function begun(): Promise<Station & { target: Uint8Array }> {
    const made = await openStation();
    made.transport.receive(`L${'l'.repeat(LARGE / 2)}`);
    const target = made.transport.events?.target?.();
    expect(target?.length).toBe(LARGE / 2);
    return { ...made, target: target as Uint8Array };
  }

  it('is read into place', async () => {
    const { connection, transport, target } = await begun();
    target.fill(0x6d);
    const message = connection.recv();
    transport.events?.data(target.subarray(0, 1000));
    expect(await outcome(message)).toBe('waits');
    expect(transport.events?.target?.()?.length).toBe(LARGE / 2 - 1000);
    target[target.length - 1] = 0x7a;
    transport.events?.data(target.subarray(1000));
    expect(text(await message)).toBe('z');
    expect(connection.bytesRead).toBe(2 + LARGE);
  });

  it('may come in memory of the transport, though it was told where to read to', async () => {
    const { connection, transport } = await begun();
    // a letter that no earlier message ended with: its memory may be used again
    transport.receive(`${'m'.repeat(LARGE / 2 - 1)}y`);
    expect(text(await connection.recv())).toBe('y');
    transport.receive('a');
    expect(text(await connection.recv())).toBe('a');
  });

  it('has nowhere to go once the connection is over', async () => {
    const { connection, transport } = await begun();
    connection.destroy();
    expect(transport.events?.target?.()).toBe(undefined);
  });
});

describe('a step that takes time', () => {
  /** A connection that stands among handshakes, whose turns come when the test says so. */
  async function amongHandshakes(): Promise<Station & { waiting: (() => void)[] }> {
    const waiting: (() => void)[] = [];
    const made = station({ schedule: (step) => void waiting.push(step) });
    made.connection.start();
    made.transport.receive('H');
    waiting.shift()?.();
    await made.connection.ready;
    return { ...made, waiting };
  }

  it('has its result where the handshakes have their turns, if it is a decision', async () => {
    const { connection, transport, waiting } = await amongHandshakes();
    const message = connection.recv();
    transport.receive('D');
    await turns();
    expect(await outcome(message)).toBe('waits');
    expect(waiting.length).toBe(1);
    waiting.shift()?.();
    expect(text(await message)).toBe('t');
  });

  it('has its result at once, if it is a record', async () => {
    const { connection, transport, waiting } = await amongHandshakes();
    const message = connection.recv();
    transport.receive('T');
    expect(text(await message)).toBe('t');
    expect(waiting).toEqual([]);
  });
});

describe('a part of a message', () => {
  it('is held, and charged for, until the message is there', async () => {
    let held = 0;
    const { connection, transport } = await openStation({ charge: (change) => (held += change) });
    transport.receive('+');
    expect([connection.buffered, held]).toEqual([100, 100]);
    transport.receive('a');
    await connection.recv();
    expect([connection.buffered, held]).toEqual([0, 0]);
  });

  it('is work that is left: a connection that drains waits for the rest', async () => {
    const { connection, transport } = await openStation();
    transport.receive('+');
    const message = connection.recv();
    connection.drain(6);
    await turns();
    expect(transport.written).toBe('');
    transport.receive('a');
    expect(text(await message)).toBe('a');
    void connection.recv().catch(() => {});
    await turns();
    expect(transport.written).toBe('.6');
  });
});

describe('a connection that ends', () => {
  it('while what it holds is counted leaves no timer', async () => {
    // as where a server gives up the connection that goes beyond the limit for all
    const charge = (bytes: number): void => {
      if (bytes > 0) made?.connection.destroy();
    };
    let made: Station | undefined;
    made = await openStation({ sender: new LetterSender(), readAhead: 1000, charge });
    made.transport.receive('a');
    expect(made.connection.isOver).toBe(true);
    closeTransport(made);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('because a message lost its memory halfway says so', async () => {
    const { connection, transport } = await openStation({ highWaterMark: 1000 });
    const message = bytes('a message in parts');
    const sent = connection.send(message);
    structuredClone(message.buffer, { transfer: [message.buffer] });
    await expect(sent).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
    await setImmediate();
    expect(connection.failure).toMatchObject({ code: 'BAD_ARGUMENT' });
    expect(transport.destroyed).toBe(1);
  });
});
