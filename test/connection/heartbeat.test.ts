import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { watch } from '../helpers/heartbeat.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('heartbeat', () => {
  it('asks after pingInterval of silence and gives up after pingTimeout more', () => {
    const { seen } = watch();
    vi.advanceTimersByTime(29_990);
    expect(seen).toEqual([]);
    vi.advanceTimersByTime(20);
    expect(seen).toEqual(['ping']);
    vi.advanceTimersByTime(19_970);
    expect(seen).toEqual(['ping']);
    vi.advanceTimersByTime(50);
    expect(seen).toEqual(['ping', 'PING_TIMEOUT']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('takes any byte received for life', () => {
    const { heartbeat, seen } = watch();
    for (let i = 0; i < 10; i++) {
      vi.advanceTimersByTime(29_000);
      heartbeat.onReceive(100);
    }
    const pings = (): number => seen.filter((sign) => sign === 'ping').length;
    expect(pings()).toBe(0);
    vi.advanceTimersByTime(40_000);
    expect(pings()).toBe(1);
    heartbeat.onReceive(100);
    vi.advanceTimersByTime(29_000);
    expect(pings()).toBe(1);
    expect(seen).not.toContain('PING_TIMEOUT');
  });

  it('tells a peer that only sends that we live, every ten seconds at most', () => {
    const { heartbeat, seen } = watch();
    for (let i = 0; i < 100; i++) {
      vi.advanceTimersByTime(500);
      heartbeat.onReceive(100);
    }
    expect(seen).toEqual(['pong', 'pong', 'pong', 'pong', 'pong']);
    heartbeat.onWrite();
    vi.advanceTimersByTime(9000);
    heartbeat.onReceive(100);
    expect(seen.length).toBe(5);
  });

  it('sends the next PING an interval after the answer to the last, however long the timeout is', () => {
    const { heartbeat, seen } = watch({ pingInterval: 1000, pingTimeout: 19_000 });
    for (const answered of [1, 2, 3]) {
      vi.advanceTimersByTime(1010);
      expect(seen).toEqual(new Array(answered).fill('ping'));
      heartbeat.onReceive(20);
    }
    vi.advanceTimersByTime(1010);
    expect(seen.length).toBe(4);
    vi.advanceTimersByTime(18_980);
    expect(seen).not.toContain('PING_TIMEOUT');
    vi.advanceTimersByTime(30);
    expect(seen).toContain('PING_TIMEOUT');
  });

  it('pays with a PONG for bytes that came shortly after it last sent, in time for the peer', () => {
    const { heartbeat, seen } = watch({ pingInterval: 0 });
    heartbeat.onWrite();
    vi.advanceTimersByTime(1000);
    heartbeat.onReceive(1400);
    vi.advanceTimersByTime(8990);
    expect(seen).toEqual([]);
    vi.advanceTimersByTime(20);
    expect(seen).toEqual(['pong']);
    vi.advanceTimersByTime(100_000);
    expect(seen).toEqual(['pong']);
  });

  it('pays for a single byte, and at once if it has sent nothing for long', () => {
    const { heartbeat, seen } = watch({ pingInterval: 0 });
    vi.advanceTimersByTime(100_000);
    heartbeat.onReceive(1);
    vi.advanceTimersByTime(2);
    expect(seen).toEqual(['pong']);
  });

  it('owes nothing for a PING and a PONG, or two ends would answer each other for ever', () => {
    const { heartbeat, seen } = watch({ pingInterval: 0 });
    for (let i = 0; i < 20; i++) {
      heartbeat.onReceive(20);
      heartbeat.onAnswered(20);
      vi.advanceTimersByTime(15_000);
      heartbeat.onReceive(20);
      heartbeat.onWrite();
      vi.advanceTimersByTime(15_000);
    }
    expect(seen).toEqual([]);
  });

  it('lets a peer live that takes what we send, though it cannot have answered yet', () => {
    const { seen, unsent } = watch();
    unsent.bytes = 1_000_000;
    vi.advanceTimersByTime(30_010);
    for (let i = 0; i < 5; i++) {
      unsent.bytes -= 1000;
      vi.advanceTimersByTime(20_000);
    }
    expect(seen).toEqual(['ping']);
    vi.advanceTimersByTime(40_100);
    expect(seen).toEqual(['ping', 'PING_TIMEOUT']);
  });

  it('stops while reading is paused, and sends a PONG at once and every ten seconds', () => {
    const { heartbeat, seen } = watch();
    vi.advanceTimersByTime(29_000);
    heartbeat.setPaused(true);
    expect(seen).toEqual(['pong']);
    vi.advanceTimersByTime(100_050);
    expect(seen.filter((sign) => sign === 'pong').length).toBe(11);
    expect(seen).not.toContain('ping');
    heartbeat.setPaused(false);
    vi.advanceTimersByTime(900);
    expect(seen).not.toContain('ping');
    vi.advanceTimersByTime(11_000);
    expect(seen).toContain('ping');
    expect(seen).not.toContain('PING_TIMEOUT');
  });

  it('asks nothing with pingInterval 0, but gives signs of life where there are such', () => {
    const { heartbeat, seen } = watch({ pingInterval: 0 });
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(1_000_000);
    expect(seen).toEqual([]);
    heartbeat.setPaused(true);
    expect(seen).toEqual(['pong']);
    heartbeat.setPaused(false);
    heartbeat.stop();
    const none = watch({ pingInterval: 0 }, false);
    none.heartbeat.setPaused(true);
    vi.advanceTimersByTime(1_000_000);
    expect(none.seen).toEqual([]);
  });

  it('asks nothing after a CLOSE, and idleness goes on counting', () => {
    const { heartbeat, seen } = watch({ idleTimeout: 60_000 });
    heartbeat.stopAsking();
    vi.advanceTimersByTime(59_000);
    heartbeat.onReceive(100);
    expect(seen).toEqual([]);
    vi.advanceTimersByTime(1100);
    expect(seen).toEqual(['IDLE_TIMEOUT']);
  });

  it('does not come back to life when reading is paused after its end', () => {
    const { heartbeat, seen } = watch();
    heartbeat.stop();
    heartbeat.setPaused(true);
    heartbeat.setPaused(false);
    vi.advanceTimersByTime(100_000);
    expect(seen).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('stops for good', () => {
    const { heartbeat, seen } = watch();
    heartbeat.stop();
    vi.advanceTimersByTime(100_000);
    expect(seen).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('idleness', () => {
  it('stands still while we read nothing', () => {
    const { heartbeat, seen } = watch({ pingInterval: 0, idleTimeout: 5000 }, false);
    vi.advanceTimersByTime(4000);
    heartbeat.setPaused(true);
    vi.advanceTimersByTime(100_000);
    expect(seen).toEqual([]);
    heartbeat.setPaused(false);
    vi.advanceTimersByTime(900);
    expect(seen).toEqual([]);
    vi.advanceTimersByTime(200);
    expect(seen).toEqual(['IDLE_TIMEOUT']);
  });

  it('counts messages only, not signs of life', () => {
    const { heartbeat, seen } = watch({ pingInterval: 0, idleTimeout: 5000 });
    vi.advanceTimersByTime(4000);
    heartbeat.message();
    vi.advanceTimersByTime(4000);
    heartbeat.onReceive(100);
    expect(seen).toEqual([]);
    vi.advanceTimersByTime(1050);
    expect(seen).toEqual(['IDLE_TIMEOUT']);
  });
});
