import { afterEach, beforeEach, describe, expect, it, type Mock, vi } from 'vitest';
import { watch } from '../helpers/heartbeat.js';

let setTimer: Mock<typeof setTimeout>;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  // no connection begins with the process
  vi.advanceTimersByTime(50_000);
  setTimer = vi.spyOn(globalThis, 'setTimeout');
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

describe('the timer of a heartbeat', () => {
  it('is set once for each thing that is due, and for nothing else', () => {
    watch({ pingInterval: 5000, pingTimeout: 20_000, idleTimeout: 0 });
    vi.advanceTimersByTime(4999);
    expect(setTimer).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(1000);
    // that of the ping timeout
    expect(setTimer).toHaveBeenCalledTimes(2);
    vi.advanceTimersByTime(18_000);
    expect(setTimer).toHaveBeenCalledTimes(2);
  });

  it('is set once for idleness', () => {
    const { seen } = watch({ pingInterval: 0, idleTimeout: 5000 }, false);
    vi.advanceTimersByTime(4999);
    expect([setTimer.mock.calls.length, seen]).toEqual([1, []]);
    vi.advanceTimersByTime(1);
    expect([setTimer.mock.calls.length, seen]).toEqual([1, ['IDLE_TIMEOUT']]);
  });

  it('stays as it is for bytes after which nothing is due earlier', () => {
    const beating = watch({ pingInterval: 5000 }).heartbeat;
    const idle = watch({ pingInterval: 0, idleTimeout: 5000 }, false).heartbeat;
    for (let i = 0; i < 40; i++) {
      vi.advanceTimersByTime(100);
      for (const heartbeat of [beating, idle]) {
        heartbeat.onReceive(100);
        heartbeat.onWrite();
      }
    }
    expect(setTimer).toHaveBeenCalledTimes(2);
  });

  it('runs for PONGs only while reading is paused', () => {
    const { heartbeat, seen } = watch({ pingInterval: 5000, idleTimeout: 7000 });
    heartbeat.setPaused(true);
    vi.advanceTimersByTime(99_000);
    expect(seen).toEqual(new Array(10).fill('pong'));
    // one of the beginning, one of the pause, and one after each PONG that it has sent
    expect(setTimer).toHaveBeenCalledTimes(11);
  });

  it('may be a number, as in browsers', () => {
    setTimer.mockReturnValue(1 as unknown as ReturnType<typeof setTimeout>);
    const { heartbeat } = watch();
    heartbeat.setPaused(true);
    expect(setTimer).toHaveBeenCalledTimes(2);
  });

  it('is not set again after the end', () => {
    const { heartbeat, seen } = watch({ idleTimeout: 60_000 });
    heartbeat.stop();
    heartbeat.stopAsking();
    heartbeat.onReceive(100);
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(100_000);
    expect(seen).toEqual([]);
  });
});

describe('a check for one thing', () => {
  it('does not send a PONG that is owed but not due', () => {
    const { heartbeat, seen } = watch({ pingInterval: 3000 });
    vi.advanceTimersByTime(1000);
    heartbeat.onReceive(100);
    // the timer of the PING, which has moved
    vi.advanceTimersByTime(2500);
    expect(seen).toEqual([]);
    vi.advanceTimersByTime(500);
    expect(seen).toEqual(['ping']);
    vi.advanceTimersByTime(6000);
    expect(seen).toEqual(['ping', 'pong']);
  });

  it('does not give up a peer before its time', () => {
    const { heartbeat, seen } = watch({ pingInterval: 1000, idleTimeout: 5000 });
    for (let i = 0; i < 4; i++) {
      vi.advanceTimersByTime(4000);
      heartbeat.message();
    }
    // idleness was looked for meanwhile
    expect(setTimer.mock.calls.length).toBeGreaterThan(3);
    expect(seen).toEqual(['ping']);
    vi.advanceTimersByTime(4990);
    expect(seen).toEqual(['ping']);
    vi.advanceTimersByTime(20);
    expect(seen.length).toBe(2);
  });
});

describe('a pause', () => {
  it('is one, however often it is reported', () => {
    const { heartbeat, seen } = watch({ pingInterval: 0, idleTimeout: 5000 });
    vi.advanceTimersByTime(4000);
    heartbeat.setPaused(true);
    vi.advanceTimersByTime(8000);
    heartbeat.setPaused(true);
    expect(seen).toEqual(['pong']);
    vi.advanceTimersByTime(1000);
    heartbeat.setPaused(false);
    vi.advanceTimersByTime(990);
    expect(seen).toEqual(['pong']);
    vi.advanceTimersByTime(20);
    expect(seen).toEqual(['pong', 'IDLE_TIMEOUT']);
  });

  it('in which we send PONGs is no idleness', () => {
    const { heartbeat, seen } = watch({ pingInterval: 0, idleTimeout: 5000 });
    heartbeat.setPaused(true);
    vi.advanceTimersByTime(35_000);
    expect(seen).toEqual(['pong', 'pong', 'pong', 'pong']);
  });

  it('is added to the time in which a PING may be answered', () => {
    const { heartbeat, seen } = watch();
    vi.advanceTimersByTime(30_000);
    vi.advanceTimersByTime(15_000);
    heartbeat.setPaused(true);
    vi.advanceTimersByTime(9000);
    heartbeat.setPaused(false);
    vi.advanceTimersByTime(4990);
    expect(seen).toEqual(['ping', 'pong']);
    vi.advanceTimersByTime(20);
    expect(seen).toEqual(['ping', 'pong', 'PING_TIMEOUT']);
  });
});

describe('the error of a heartbeat', () => {
  it('says for how long there was no message', () => {
    const { messages } = watch({ pingInterval: 0, idleTimeout: 5000 });
    vi.advanceTimersByTime(5000);
    expect(messages).toEqual(['no message was sent or received for 5000 ms']);
  });

  it('says for how long there was no byte', () => {
    const { messages } = watch();
    vi.advanceTimersByTime(50_000);
    expect(messages).toEqual(['no byte was received from the peer for 50000 ms']);
  });
});
