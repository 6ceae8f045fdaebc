import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { abortable } from '../../src/connection/abortable.js';
import { cutError } from '../../src/connection/cut.js';
import { HandshakeWait } from '../../src/connection/handshake-wait.js';
import { inTime, settleWithin } from '../../src/connection/in-time.js';
import { SettleTime } from '../../src/connection/settle-time.js';
import { ignoreRejection, Waiters } from '../../src/connection/waiters.js';
import { SecureSocketError } from '../../src/errors.js';
import { LetterSender, outcome, outcomes } from '../helpers/letters.js';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

describe('abortable', () => {
  it('settles as the promise, and leaves the signal alone then', async () => {
    for (const promise of [Promise.resolve('value'), Promise.reject(new Error('failed'))]) {
      const { signal } = new AbortController();
      const add = vi.spyOn(signal, 'addEventListener');
      const remove = vi.spyOn(signal, 'removeEventListener');
      const onAbort = vi.fn();
      expect(['value', 'failed']).toContain(await outcome(abortable(promise, signal, onAbort)));
      expect(add).toHaveBeenCalledExactlyOnceWith('abort', expect.any(Function));
      expect(remove).toHaveBeenCalledExactlyOnceWith('abort', add.mock.calls[0]?.[1]);
      expect(onAbort).not.toHaveBeenCalled();
    }
  });

  it('rejects with the reason of a signal that comes first', async () => {
    const giveUp = new AbortController();
    const onAbort = vi.fn();
    const result = abortable(new Promise(() => {}), giveUp.signal, onAbort);
    const plain = abortable(new Promise(() => {}), giveUp.signal);
    expect(await outcome(result)).toBe('waits');
    giveUp.abort(new Error('not wanted'));
    expect(await outcomes([result, plain])).toEqual(['not wanted', 'not wanted']);
    expect(onAbort).toHaveBeenCalledTimes(1);
  });

  it('rejects at once if the signal has come before, whatever becomes of the promise', async () => {
    const onAbort = vi.fn();
    const gone = AbortSignal.abort(new Error('gone'));
    const add = vi.spyOn(gone, 'addEventListener');
    const results = [
      abortable(Promise.reject(new Error('no one waits for this')), gone, onAbort),
      abortable(Promise.resolve(1), gone),
    ];
    expect(await outcomes(results)).toEqual(['gone', 'gone']);
    expect([onAbort.mock.calls.length, add.mock.calls.length]).toEqual([1, 0]);
  });
});

describe('in time', () => {
  const late = (): Error => new Error('late');

  it('is the promise, and no timer is left', async () => {
    expect(await inTime(Promise.resolve(1), 100, late)).toBe(1);
    await expect(inTime(Promise.reject(new Error('failed')), 100, late)).rejects.toThrow('failed');
    expect(vi.getTimerCount()).toBe(0);
  });

  it('or the error of what came late', async () => {
    const result = inTime(new Promise(() => {}), 100, late);
    vi.advanceTimersByTime(99);
    expect(await outcome(result)).toBe('waits');
    vi.advanceTimersByTime(1);
    await expect(result).rejects.toThrow('late');
  });
});

describe('settled within a time', () => {
  it('is the promise, and no timer is left', async () => {
    expect(await settleWithin(100, Promise.resolve(1))).toBe(1);
    await expect(settleWithin(100, Promise.reject(new Error('failed')))).rejects.toThrow('failed');
    expect(vi.getTimerCount()).toBe(0);
  });

  it('or nothing, when the time has passed', async () => {
    const result = settleWithin(100, new Promise<number>(() => {}));
    vi.advanceTimersByTime(99);
    expect(await outcome(result)).toBe('waits');
    vi.advanceTimersByTime(1);
    expect(await result).toBe(undefined);
  });

  it.each([
    [undefined, true],
    [true, true],
    [false, false],
  ])('keeps the process for it unless told otherwise: %s', (keepsProcess, isKept) => {
    const setTimer = vi.fn(setTimeout);
    vi.stubGlobal('setTimeout', setTimer);
    void settleWithin(100, new Promise(() => {}), keepsProcess);
    vi.unstubAllGlobals();
    const timer: NodeJS.Timeout = setTimer.mock.results[0]?.value;
    expect(timer.hasRef()).toBe(isKept);
  });

  it('needs no timer that is more than a number, as in browsers', async () => {
    vi.stubGlobal('setTimeout', () => 1);
    const result = settleWithin(100, new Promise(() => {}), false);
    vi.unstubAllGlobals();
    expect(await outcome(result)).toBe('waits');
  });
});

describe('the wait for a handshake', () => {
  it('is over with the first result, and its deadline with it', async () => {
    const result = { sender: new LetterSender(), peer: null };
    const onLate = vi.fn();
    const done = new HandshakeWait();
    done.start(100, onLate);
    done.complete(result);
    done.fail(new Error('too late'));
    expect(await done.result).toBe(result);
    const failure = new HandshakeWait();
    failure.start(100, onLate);
    failure.fail(new Error('failed'));
    failure.complete(result);
    expect(await outcome(failure.result)).toBe('failed');
    vi.advanceTimersByTime(1000);
    expect(onLate).not.toHaveBeenCalled();
  });

  it('tells its owner when it is late', async () => {
    const onLate = vi.fn();
    const wait = new HandshakeWait();
    wait.start(100, onLate);
    vi.advanceTimersByTime(100);
    expect(onLate.mock.calls).toMatchObject([
      [{ code: 'HANDSHAKE_TIMEOUT', message: 'the handshake was not done within 100 ms' }],
    ]);
    expect(await outcome(wait.result)).toBe('waits');
  });
});

describe('those who wait', () => {
  it('are settled together, once', async () => {
    const waiters = new Waiters();
    const first = [waiters.wait(), waiters.wait()];
    waiters.resolve();
    const second = [waiters.wait(), waiters.wait()];
    waiters.reject(new Error('never'));
    waiters.resolve();
    expect(await outcomes([...first, ...second])).toEqual(['done', 'done', 'never', 'never']);
  });

  it('have what they wanted if their place was reached', async () => {
    const waiters = new Waiters();
    const first = [waiters.wait(), waiters.wait()];
    waiters.mark(10);
    const second = waiters.wait();
    waiters.mark(20);
    const third = waiters.wait();
    waiters.reject(new Error('cut'), 10);
    expect(await outcomes([...first, second, third])).toEqual(['done', 'done', 'cut', 'cut']);
    const unreached = waiters.wait();
    waiters.mark(1);
    waiters.reject(new Error('cut'));
    expect(await outcome(unreached)).toBe('cut');
  });

  it('and leave end no process', async () => {
    const promise = ignoreRejection(Promise.reject(new Error('no one waits for this')));
    expect(await outcome(promise)).toBe('no one waits for this');
    void new Waiters().wait();
  });
});

describe('the pause before a first message', () => {
  it('ends once: by time, by the peer, or for good', () => {
    for (const [act, uncorked] of [
      ['time', 1],
      ['end', 1],
      ['stop', 0],
    ] as const) {
      const sending = { cork: vi.fn(), uncork: vi.fn() };
      const pause = new SettleTime(sending, 100);
      expect([sending.cork.mock.calls.length, sending.uncork.mock.calls.length]).toEqual([1, 0]);
      vi.advanceTimersByTime(99);
      expect(sending.uncork).not.toHaveBeenCalled();
      if (act !== 'time') pause[act]();
      vi.advanceTimersByTime(1000);
      pause.end();
      pause.end();
      expect(sending.uncork).toHaveBeenCalledTimes(uncorked);
      expect(vi.getTimerCount()).toBe(0);
    }
  });
});

describe('the error of a connection that was cut', () => {
  const reset = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
  const failure = (code: 'TRANSPORT_FAILED' | 'BUFFER_LIMIT'): SecureSocketError =>
    new SecureSocketError(code, 'the WebSocket is gone');

  it.each([
    ['handshake', undefined, 'HANDSHAKE_FAILED', 'the connection was cut during the handshake'],
    ['receiving', undefined, 'TRUNCATED', 'the connection was cut before the peer ended its side'],
    ['sending', undefined, 'TRUNCATED', 'the connection was cut before everything was sent'],
    ['sending', reset, 'TRUNCATED', 'the connection was cut before everything was sent (ECONNRESET)'],
    [
      'receiving',
      new Error('a pipe'),
      'TRUNCATED',
      'the connection was cut before the peer ended its side (a pipe)',
    ],
    [
      'receiving',
      Object.assign(new Error('a number'), { code: 5 }),
      'TRUNCATED',
      expect.stringMatching(/\(a number\)$/),
    ],
    [
      'receiving',
      failure('TRANSPORT_FAILED'),
      'TRUNCATED',
      expect.stringMatching(/\(the WebSocket is gone\)$/),
    ],
    ['handshake', failure('TRANSPORT_FAILED'), 'TRANSPORT_FAILED', 'the WebSocket is gone'],
    ['receiving', failure('BUFFER_LIMIT'), 'BUFFER_LIMIT', 'the WebSocket is gone'],
  ] as const)('%s, %s: %s', (stage, cause, code, message) => {
    const error = cutError(stage, cause);
    expect(error).toMatchObject({ code, message });
    // an error of this library that says enough is not wrapped
    expect(error === cause || error.cause === cause).toBe(true);
  });
});
