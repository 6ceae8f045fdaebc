import { describe, expect, it } from 'vitest';
import { type Batch, type Effect, type HandshakeResult, read, type Script } from '../../src/core/script.js';
import { Session, type SessionEvent } from '../../src/core/session.js';
import { SecureSocketError } from '../../src/errors.js';
import { PulledSession, Recorder } from '../helpers/recorder.js';

/** Bytes from `first` on, each one more than the one before. */
const run = (first: number, length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => first + i);

const opening: HandshakeResult = {
  sender: {
    ...{ maxMessage: 0, partLength: 100, staged: 0, stage: () => 0, flush: () => [], close: () => [] },
    abandon: () => undefined,
  },
  peer: null,
};

/** An effect; a number is so many bytes that are asked for. */
type Wish = Effect | number;

const effectOf = (wish: Wish): Effect => (typeof wish === 'number' ? { type: 'read', count: wish } : wish);
const holdMessage = (held: number): Effect => ({ type: 'received', batch: undefined, held });

/** A session whose script is what it is told to ask for; the answers are kept, copied. */
function makeAsker(...wishes: Wish[]): { end: Recorder; answers: unknown[] } {
  const answers: unknown[] = [];
  const end = new Recorder(ask(wishes, answers));
  end.session.start();
  return { end, answers };
}

function* ask(wishes: readonly Wish[], answers: unknown[]): Script {
  for (const wish of wishes) {
    const answer = yield effectOf(wish);
    answers.push(answer instanceof Uint8Array ? [...answer] : answer);
  }
}

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

describe('what is put off', () => {
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

  it('does not keep the peer from being heard, up to 4096 bytes', () => {
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

describe('a session that is stopped', () => {
  /** Notes that it was ended, and would say things then. */
  function* tidy(wishes: readonly Wish[], log: string[]): Script {
    try {
      yield* ask(wishes, []);
    } finally {
      log.push('tidied');
    }
  }

  it('lets the script tidy up, once, and reports nothing', () => {
    const log: string[] = [];
    const end = new Recorder(tidy([4], log));
    end.session.start();
    end.session.receive(run(0, 3));
    end.session.stop();
    end.session.stop();
    expect(log).toEqual(['tidied']);
    end.session.receive(run(0, 1));
    end.session.endOfStream();
    expect([end.error, end.endCode, end.session.held]).toEqual([undefined, undefined, 0]);
  });

  it('while the script is at work ends it behind what it was doing', () => {
    const log: string[] = [];
    const end = new Recorder(
      tidy([1, { type: 'write', chunks: [run(1, 1)] }, { type: 'write', chunks: [run(2, 1)] }, 1], log),
    );
    end.session.start();
    const { write } = end;
    end.write = (chunks) => {
      write.call(end, chunks);
      end.session.stop();
      log.push('stopped');
    };
    end.session.receive(run(0, 10));
    expect(log).toEqual(['stopped', 'tidied']);
    expect(end.written).toEqual([run(1, 1)]);
    expect([end.error, end.session.held]).toEqual([undefined, 0]);
  });

  it('by what the script itself calls lets it come to its next request, and no error of it matters', () => {
    for (const fails of [false, true]) {
      const log: string[] = [];
      const script = function* (): Script {
        yield* read(1);
        end.session.stop();
        log.push('went on');
        if (fails) throw new SecureSocketError('PROTOCOL', 'as an example');
        yield { type: 'write', chunks: [run(1, 1)] };
        log.push('too far');
      };
      const end = new Recorder(script());
      end.session.start();
      end.session.receive(run(0, 1));
      expect(log).toEqual(['went on']);
      expect([end.written, end.error]).toEqual([[], undefined]);
    }
  });

  it('by its own failure is not failed twice', () => {
    const end = new Recorder(
      (function* (): Script {
        yield { type: 'write', chunks: [] };
        throw new SecureSocketError('PROTOCOL', 'as an example');
      })(),
    );
    end.write = () => end.session.stop();
    end.session.start();
    expect(end.error).toBeUndefined();
  });
});

describe('events', () => {
  const wishes: Effect[] = [
    { type: 'write', chunks: [run(1, 1)] },
    { type: 'write', chunks: [run(2, 1)] },
  ];

  it('are there one at a time, and the script goes no further than that', () => {
    const answers: unknown[] = [];
    const session = new Session(ask([...wishes, 1], answers));
    expect([session.next(), session.isPulled]).toEqual([undefined, false]);
    session.start();
    expect([session.next(), answers]).toEqual([wishes[0], []]);
    expect([session.isPulled, session.next(), answers]).toEqual([true, wishes[1], [undefined]]);
    expect([session.next(), session.isPulled]).toEqual([undefined, false]);
  });

  it('that are not pulled wait, and so do bytes', () => {
    const answers: unknown[] = [];
    const session = new Session(ask([1, ...wishes], answers));
    session.start();
    session.receive(run(1, 1));
    expect(answers).toEqual([]);
    expect(session.next()).toBe(wishes[0]);
    expect(answers).toEqual([[1]]);
  });

  it('may bring more bytes, which belong to the session at once', () => {
    const answers: unknown[] = [];
    const chunk = run(2, 2);
    const session: PulledSession = new PulledSession(ask([1, ...wishes, 4], answers), () => {
      session.receive(chunk);
      chunk.fill(0);
    });
    session.start();
    session.receive(run(1, 1));
    expect(answers).toEqual([[1], undefined, undefined, [2, 3, 0, 0]]);
  });

  it('end with the failure, once', () => {
    const error = new SecureSocketError('PROTOCOL', 'as an example');
    const session = new Session(
      // biome-ignore lint/correctness/useYield: it fails before it would
      (function* (): Script {
        throw error;
      })(),
    );
    session.start();
    expect(session.next()).toEqual({ type: 'failed', error, finalBytes: undefined });
    expect([session.next(), session.next()]).toEqual([undefined, undefined]);
  });
});
