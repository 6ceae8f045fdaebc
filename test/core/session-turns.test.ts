import { describe, expect, it } from 'vitest';
import type { Batch, Script } from '../../src/core/script.js';
import { SecureSocketError } from '../../src/errors.js';
import { Recorder } from '../helpers/recorder.js';
import { ask, makeAsker, opening, run } from '../helpers/session-scripts.js';

describe('a host without room', () => {
  it('has the script wait, bytes and all, until there is some', () => {
    const { end, answers } = makeAsker(1, 1, 1);
    end.session.receive(run(1, 1));
    end.session.paused = true;
    expect(end.session.isBlocked).toBe(true);
    end.session.receive(run(2, 2));
    expect(answers).toEqual([[1]]);
    end.session.paused = false;
    expect(end.session.isBlocked).toBe(false);
    end.session.work();
    expect(answers).toEqual([[1], [2], [3]]);
  });

  it('may say so while messages are handed over', () => {
    const batch: Batch = { count: 0, bytes: 0, held: 0, next: () => undefined };
    const { end, answers } = makeAsker(1, { type: 'received', batch, held: 0 }, 1);
    end.onReceived = () => {
      end.session.paused = true;
    };
    end.session.receive(run(1, 2));
    expect(answers).toEqual([[1], undefined]);
    expect(end.session.isBlocked).toBe(true);
  });
});

describe('what is deferred', () => {
  it('waits for work, and so does the end behind it', () => {
    const { end, answers } = makeAsker(1, 2, { type: 'peek', min: 1, used: 0 });
    end.session.defer();
    end.session.receive(run(0, 2));
    end.session.receive(run(2, 1));
    end.session.endOfStream();
    expect([answers, end.session.turnIsOver, end.session.isBlocked]).toEqual([[], true, false]);
    end.session.work();
    expect([answers, end.session.turnIsOver]).toEqual([[[0], [1, 2], null], false]);
  });

  it('waits also if it has come before the start', () => {
    const answers: unknown[] = [];
    const { session } = new Recorder(ask([2], answers));
    session.defer();
    session.receive(run(0, 2));
    session.start();
    expect([answers, session.turnIsOver]).toEqual([[], true]);
    session.work();
    expect(answers).toEqual([[0, 1]]);
  });

  it('is no more than 4 KiB before reading stops', () => {
    const { end } = makeAsker(5000);
    end.session.defer();
    end.session.receive(new Uint8Array(4096));
    expect(end.session.isBlocked).toBe(false);
    end.session.receive(new Uint8Array(1));
    expect(end.session.isBlocked).toBe(true);
    end.session.work();
    expect(end.session.isBlocked).toBe(false);
  });

  it('is nothing any more once the session has ended', () => {
    const { end } = makeAsker(1);
    end.session.stop();
    end.session.defer();
    expect(end.session.turnIsOver).toBe(false);
  });
});

describe('a flood', () => {
  function flood(count: number): { end: Recorder; answers: unknown[] } {
    const asker = makeAsker(...new Array<number>(count).fill(1));
    asker.end.session.receive(run(0, count));
    return asker;
  }

  it('is taken in turns of 512 requests, and between them no bytes', () => {
    const { end, answers } = flood(1100);
    expect(answers).toHaveLength(512);
    expect([end.session.turnIsOver, end.session.isBlocked]).toEqual([true, true]);
    end.session.work();
    expect(answers).toHaveLength(1024);
    expect(end.session.turnIsOver).toBe(true);
    end.session.work();
    expect(answers).toEqual(Array.from(run(0, 1100), (byte) => [byte]));
    expect([end.session.turnIsOver, end.session.isBlocked]).toEqual([false, false]);
  });

  it('is taken in turns of 64 requests where a sender is slow, and of 512 where it is not', () => {
    for (const [partLength, count] of [
      [128 * 1024, 64],
      [4 * 1024 * 1024, 512],
    ] as const) {
      const result = { ...opening, sender: { ...opening.sender, partLength } };
      const { end, answers } = makeAsker({ type: 'open', result }, ...new Array<number>(600).fill(1));
      end.session.receive(run(0, 600));
      expect(answers.length - 1).toBe(count);
      expect(end.session.turnIsOver).toBe(true);
    }
  });

  it('that has had more than the turn is allowed when that is known goes on in the next turn', () => {
    const result = { ...opening, sender: { ...opening.sender, partLength: 128 * 1024 } };
    const before = new Array<number>(100).fill(1);
    const { end, answers } = makeAsker(
      ...before,
      { type: 'open', result },
      ...new Array<number>(600).fill(1),
    );
    end.session.receive(run(0, 700));
    expect(answers).toHaveLength(101);
    expect(end.session.turnIsOver).toBe(true);
  });

  it('of 512 is one turn', () => {
    const { end, answers } = flood(512);
    expect(answers).toHaveLength(512);
    expect(end.session.turnIsOver).toBe(false);
  });

  it('goes on in the next turn only, whatever arrives meanwhile', () => {
    const { end, answers } = makeAsker(...new Array<number>(600).fill(1), { type: 'peek', min: 1, used: 0 });
    end.session.receive(run(0, 550));
    end.session.receive(run(550, 50));
    end.session.endOfStream();
    expect(answers).toHaveLength(512);
    end.session.work();
    expect(answers).toEqual([...Array.from(run(0, 600), (byte) => [byte]), null]);
  });

  it('of bytes is taken in turns of 64 KiB', () => {
    const { end, answers } = makeAsker(40_000, 40_000, 40_000, 1);
    end.session.receive(run(0, 120_001));
    expect(answers).toHaveLength(2);
    expect([end.session.turnIsOver, end.session.isBlocked]).toEqual([true, true]);
    end.session.work();
    expect(answers).toHaveLength(4);
    expect(end.session.turnIsOver).toBe(false);
  });

  it('of bytes is taken in turns of what is worth decrypting at once, when that is known', () => {
    const numbers = [60, 60, 60, 60];
    const { end, answers } = makeAsker(
      { type: 'open', result: opening },
      ...numbers,
      { type: 'peek', min: 1, used: 0 },
      { type: 'peek', min: 150, used: 0 },
    );
    const lengths = (): unknown[] => answers.slice(1).map((answer) => (answer as number[]).length);
    end.session.receive(run(0, 1000));
    expect(lengths()).toEqual([60, 60]);
    end.session.work();
    expect(lengths()).toEqual([60, 60, 60, 60]);
    end.session.work();
    expect(lengths().slice(4)).toEqual([100]);
    end.session.work();
    expect(lengths().slice(5)).toEqual([150]);
  });

  it('is over with its end', () => {
    const { end } = flood(1100);
    end.session.stop();
    expect([end.session.turnIsOver, end.session.isBlocked, end.session.held]).toEqual([false, false, 0]);
  });
});

describe('a step that takes time', () => {
  const task = { type: 'task', run: () => 'done', kind: 'decision' } as const;

  it('is performed by the host, and its result is the answer', async () => {
    const { end, answers } = makeAsker(task, 1);
    end.session.receive(run(1, 1));
    expect(answers).toEqual([]);
    expect(end.tasks).toEqual([task]);
    await end.settle();
    expect(answers).toEqual(['done', [1]]);
  });

  it('that fails is an error in the script', () => {
    const { end } = makeAsker(task);
    const error = new SecureSocketError('UNTRUSTED_SERVER', 'as an example');
    end.session.reject(error);
    expect(end.error).toBe(error);
  });

  it('that fails may be got over, and then the bytes that came meanwhile are read', () => {
    const answers: unknown[] = [];
    const end = new Recorder(
      (function* (): Script {
        try {
          yield task;
        } catch (error) {
          answers.push(error);
        }
        yield* ask([1], answers);
      })(),
    );
    end.session.start();
    end.session.receive(run(1, 1));
    end.session.reject('no');
    expect(answers).toEqual(['no', [1]]);
  });

  it('does not keep bytes of the peer from being taken, up to 4096', () => {
    const { end } = makeAsker(task, 1);
    end.session.receive(run(0, 4096));
    expect(end.session.isBlocked).toBe(false);
    end.session.receive(run(0, 1));
    expect(end.session.isBlocked).toBe(true);
    end.session.resume(true);
    expect(end.session.isBlocked).toBe(false);
  });

  it('is not waited for when the session is over', () => {
    const { end } = makeAsker(task, 1);
    end.session.receive(run(0, 5000));
    end.session.stop();
    expect(end.session.isBlocked).toBe(false);
  });
});
