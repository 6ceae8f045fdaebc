import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Liveness, type LivenessSettings } from '../src/liveness.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

function watch(settings: Partial<LivenessSettings> = {}): {
  liveness: Liveness;
  seen: string[];
  unsent: { bytes: number };
} {
  const seen: string[] = [];
  const unsent = { bytes: 0 };
  const liveness = new Liveness(
    { pingInterval: 30_000, pingTimeout: 20_000, idleTimeout: 0, hasHeartbeat: true, ...settings },
    {
      ping: () => seen.push('ping'),
      pong: () => seen.push('pong'),
      unsent: () => unsent.bytes,
      dead: (error) => seen.push(error.code),
      idle: (error) => seen.push(error.code),
    },
  );
  return { liveness, seen, unsent };
}

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

  it('takes anything heard for life', () => {
    const { liveness, seen } = watch();
    for (let i = 0; i < 10; i++) {
      vi.advanceTimersByTime(29_000);
      liveness.heard();
    }
    expect(seen).toEqual([]);
    vi.advanceTimersByTime(40_000);
    expect(seen).toEqual(['ping']);
    liveness.heard();
    vi.advanceTimersByTime(29_000);
    expect(seen).toEqual(['ping']);
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

  it('stands still while reading is paused, and gives a sign of life at once and every ten seconds', () => {
    const { liveness, seen } = watch();
    vi.advanceTimersByTime(29_000);
    liveness.setPaused(true);
    expect(seen).toEqual(['pong']);
    vi.advanceTimersByTime(100_050);
    expect(seen.filter((sign) => sign === 'pong').length).toBe(11);
    expect(seen).not.toContain('ping');
    liveness.setPaused(false);
    vi.advanceTimersByTime(900);
    expect(seen).not.toContain('ping');
    vi.advanceTimersByTime(11_000);
    expect(seen).toContain('ping');
    expect(seen).not.toContain('PING_TIMEOUT');
  });

  it('asks nothing with pingInterval 0, but gives signs of life where there are such', () => {
    const { liveness, seen } = watch({ pingInterval: 0 });
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(1_000_000);
    expect(seen).toEqual([]);
    liveness.setPaused(true);
    expect(seen).toEqual(['pong']);
    liveness.setPaused(false);
    liveness.stop();
    const none = watch({ pingInterval: 0, hasHeartbeat: false });
    none.liveness.setPaused(true);
    vi.advanceTimersByTime(1_000_000);
    expect(none.seen).toEqual([]);
  });

  it('stops for good', () => {
    const { liveness, seen } = watch();
    liveness.stop();
    vi.advanceTimersByTime(100_000);
    expect(seen).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('idleness', () => {
  it('counts messages only, not signs of life', () => {
    const { liveness, seen } = watch({ pingInterval: 0, idleTimeout: 5000 });
    vi.advanceTimersByTime(4000);
    liveness.message();
    vi.advanceTimersByTime(4000);
    liveness.heard();
    expect(seen).toEqual([]);
    vi.advanceTimersByTime(1050);
    expect(seen).toEqual(['IDLE_TIMEOUT']);
  });
});
