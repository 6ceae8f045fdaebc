import { describe, expect, it, vi } from 'vitest';
import { EndTimer } from '../../src/connection/end-timer.js';
import { StillTransport, useClock } from '../helpers/letters.js';

useClock();

function endTimer(transport: StillTransport = new StillTransport()): {
  timer: EndTimer;
  sending: { left: number };
  expired: string[];
} {
  const sending = { left: 10 };
  const expired: string[] = [];
  const onExpired = (wait: string): void => void expired.push(wait);
  const timer = new EndTimer(transport, { unsent: () => sending.left }, 1000, onExpired);
  return { timer, sending, expired };
}

describe('the clock of an end', () => {
  it('tells what it has waited for', () => {
    for (const [begin, wait, milliseconds] of [
      ['awaitPeer', 'peer', 1000],
      ['linger', 'final bytes', 1000],
      ['leave', 'transport', 50],
    ] as const) {
      const { timer, expired } = endTimer();
      timer[begin]();
      vi.advanceTimersByTime(milliseconds - 1);
      expect(expired).toEqual([]);
      vi.advanceTimersByTime(1);
      expect(expired).toEqual([wait]);
      expect(vi.getTimerCount()).toBe(0);
    }
  });

  it('begins anew with progress only while it waits for the peer', () => {
    const { timer, expired } = endTimer();
    timer.progress();
    expect(vi.getTimerCount()).toBe(0);
    timer.awaitPeer();
    vi.advanceTimersByTime(900);
    timer.progress();
    vi.advanceTimersByTime(900);
    expect(expired).toEqual([]);
    timer.linger();
    vi.advanceTimersByTime(900);
    timer.progress();
    vi.advanceTimersByTime(100);
    expect(expired).toEqual(['final bytes']);
    timer.awaitPeer();
    timer.stop();
    timer.progress();
    timer.setTimeout(10);
    expect([vi.getTimerCount(), timer.closeTimeout]).toEqual([0, 10]);
  });

  it('resets a transport that can be, if the end must not seem one in order', () => {
    for (const [isCut, resets] of [
      [true, 1],
      [false, 0],
      [undefined, 0],
    ] as const) {
      const reset = vi.fn();
      const transport = Object.assign(new StillTransport(), { reset });
      endTimer(transport).timer.leave(isCut);
      expect([reset.mock.calls.length, transport.destroyed]).toEqual([resets, 1 - resets]);
    }
    const plain = new StillTransport();
    endTimer(plain).timer.leave(true);
    expect(plain.destroyed).toBe(1);
  });
});
