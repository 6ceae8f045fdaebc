import { describe, expect, it } from 'vitest';
import { type Batch, type Effect, read, type Script } from '../../src/core/script.js';
import type { SessionEvent } from '../../src/core/session.js';
import { SecureSocketError } from '../../src/errors.js';
import { PulledSession, Recorder } from '../helpers/recorder.js';
import { ask, makeAsker, opening, run, type Wish } from '../helpers/session-scripts.js';

const holdMessage = (held: number): Effect => ({ type: 'received', batch: undefined, held });

describe('bytes', () => {
  it('are given in the portions asked for, however they arrive', () => {
    const { end, answers } = makeAsker(
      ...[2, 3],
      { type: 'peek', min: 2, used: 0 },
      { type: 'peek', min: 3, used: 1 },
    );
    for (const byte of run(1, 5)) end.session.receive(Uint8Array.of(byte));
    expect(answers).toEqual([
      [1, 2],
      [3, 4, 5],
    ]);
    end.session.receive(run(6, 4));
    // everything at hand; then the same without the one that was used
    expect(answers.slice(2)).toEqual([
      [6, 7, 8, 9],
      [7, 8, 9],
    ]);
  });

  it("that wait are the session's own: the chunk may be used again", () => {
    const { end, answers } = makeAsker(4);
    const chunk = run(1, 2);
    end.session.receive(chunk);
    chunk.fill(0xee);
    end.session.receive(run(3, 2));
    expect(answers).toEqual([[1, 2, 3, 4]]);
  });

  it('of no number are given at once, even if none have come', () => {
    const { answers } = makeAsker(0, { type: 'peek', min: 0, used: 0 });
    expect(answers).toEqual([[], []]);
  });

  it('that come before the script asks are kept for it', () => {
    const answers: unknown[] = [];
    const end = new Recorder(ask([2, 1], answers));
    end.session.receive(run(1, 3));
    expect(answers).toEqual([]);
    expect([end.session.isBlocked, end.session.turnIsOver]).toEqual([false, false]);
    end.session.start();
    expect(answers).toEqual([[1, 2], [3]]);
  });

  it('of a large request may be read straight into their place', () => {
    const { end, answers } = makeAsker(200_000, 1);
    end.session.receive(run(0, 70_000));
    const target = end.session.target();
    expect(target).toHaveLength(130_000);
    target?.set(run(70_000, 130_000));
    end.session.addFilled(100_000);
    expect(answers).toEqual([]);
    end.session.addFilled(30_000);
    expect(Buffer.from(answers[0] as number[]).equals(run(0, 200_000))).toBe(true);
    expect(end.session.target()).toBeUndefined();
  });

  it('have no place of their own while the session takes none', () => {
    const { end } = makeAsker(200_000);
    end.session.receive(run(0, 70_000));
    end.session.paused = true;
    expect(end.session.target()).toBeUndefined();
    end.session.paused = false;
    expect(end.session.target()).toBeDefined();
    end.session.stop();
    expect(end.session.target()).toBeUndefined();
  });
});

describe('the end of the stream', () => {
  const ends: [string, Wish, number, unknown][] = [
    ['inside a fixed number', 4, 3, 'TRUNCATED'],
    ['before a fixed number', 4, 0, 'TRUNCATED'],
    ['inside what has a least number', { type: 'peek', min: 4, used: 0 }, 3, 'TRUNCATED'],
    ['before what has a least number', { type: 'peek', min: 4, used: 0 }, 0, null],
  ];

  it.each(ends)('%s is what the script said it would be', (_, wish, have, outcome) => {
    const { end, answers } = makeAsker({ type: 'open', result: opening }, wish);
    end.session.receive(run(0, have));
    expect(end.code).toBeUndefined();
    end.session.endOfStream();
    if (outcome === null) expect(answers).toEqual([undefined, null]);
    else {
      expect(end.code).toBe(outcome);
      // counts of bytes mean nothing to a reader of this
      const where = have === 0 ? 'without a close message' : 'inside a message';
      expect((end.error as Error).message).toBe(`the connection was cut: the peer's bytes end ${where}`);
    }
  });

  it('during the handshake says so', () => {
    const { end } = makeAsker(12);
    end.session.receive(run(0, 5));
    end.session.endOfStream();
    expect(end.code).toBe('HANDSHAKE_FAILED');
    expect(String(end.error)).toContain('the peer closed the connection during the handshake');
  });

  it('comes after the bytes before it', () => {
    const { end, answers } = makeAsker(2, { type: 'peek', min: 2, used: 0 });
    end.session.paused = true;
    end.session.receive(run(1, 2));
    end.session.endOfStream();
    expect(answers).toEqual([]);
    end.session.paused = false;
    end.session.work();
    expect(answers).toEqual([[1, 2], null]);
  });

  it('is an error that the script can catch, to say a last word', () => {
    const end = new Recorder(
      (function* (): Script {
        try {
          yield* read(1);
        } catch (error) {
          yield { type: 'finalBytes', chunks: [run(1, 3)] };
          throw error;
        }
      })(),
    );
    end.session.start();
    end.session.endOfStream();
    expect(end.code).toBe('HANDSHAKE_FAILED');
    expect(end.finalBytes).toEqual([run(1, 3)]);
  });
});

describe('what a script wants to happen', () => {
  it('happens in its order, before the next bytes are asked for', () => {
    const log: SessionEvent[] = [];
    const batch: Batch = { count: 0, bytes: 0, held: 0, next: () => undefined };
    const wishes: Effect[] = [
      { type: 'write', chunks: [run(1, 1)] },
      { type: 'open', result: opening },
      { type: 'received', batch, held: 7 },
      holdMessage(7),
      { type: 'pong' },
      { type: 'ended', closeCode: 3 },
    ];
    new PulledSession(ask(wishes, []), (event) => log.push(event)).start();
    expect(log).toEqual(wishes);
  });

  it('is no more than its error, once it has failed, with its last words', () => {
    const error = new SecureSocketError('PROTOCOL', 'as an example');
    const end = new Recorder(
      (function* (): Script {
        yield { type: 'finalBytes', chunks: [run(9, 1)] };
        yield* read(1);
        throw error;
      })(),
    );
    end.session.start();
    expect(end.finalBytes).toBeUndefined();
    end.session.receive(run(0, 100));
    expect(end.error).toBe(error);
    expect(end.finalBytes).toEqual([run(9, 1)]);
    expect([end.session.held, end.session.isBlocked]).toEqual([0, false]);
    end.error = undefined;
    end.session.receive(run(0, 1));
    end.session.endOfStream();
    end.session.work();
    expect([end.error, end.session.held]).toEqual([undefined, 0]);
  });

  it('is nothing more when it has returned, and nothing is kept for it', () => {
    const { end } = makeAsker(1);
    end.session.receive(run(0, 50));
    expect([end.error, end.session.held, end.session.isBlocked]).toEqual([undefined, 0, false]);
    end.session.receive(run(0, 50));
    end.session.endOfStream();
    expect([end.error, end.session.held]).toEqual([undefined, 0]);
  });
});

describe('memory', () => {
  it('is what waits here and what the script holds', () => {
    const { end } = makeAsker(holdMessage(1000), 10, holdMessage(0), 10);
    expect(end.session.held).toBe(1000);
    end.session.receive(run(0, 4));
    expect(end.session.held).toBeGreaterThanOrEqual(1004);
    expect(end.session.held).toBeLessThan(1020);
    end.session.receive(run(0, 6));
    expect(end.session.held).toBe(0);
    expect(end.progress).toBe(2);
  });
});
