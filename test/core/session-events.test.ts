import { describe, expect, it } from 'vitest';
import { type Effect, read, type Script } from '../../src/core/script.js';
import { Session } from '../../src/core/session.js';
import { SecureSocketError } from '../../src/errors.js';
import { PulledSession, Recorder } from '../helpers/recorder.js';
import { ask, run, type Wish } from '../helpers/session-scripts.js';

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
