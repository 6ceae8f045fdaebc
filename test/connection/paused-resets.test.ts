import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PausedProbe } from '../../src/connection/paused-probe.js';
import { fromAccepted } from '../../src/transports/tcp.node.js';
import type { Transport } from '../../src/transports/transport.js';

describe('a TCP connection that is not read from', () => {
  // Deno makes no system call for an empty write, which is how it is asked
  it.skipIf(process.versions.deno)('learns of a reset when it asks, and of nothing else', async () => {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const near = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
    const [far] = await once(server, 'connection');
    server.close();
    const transport = fromAccepted(far);
    const closed: (Error | undefined)[] = [];
    const gone = new Promise<void>((resolve) =>
      transport.start({
        data: () => {},
        end: () => {},
        written: () => {},
        close: (error) => {
          closed.push(error);
          resolve();
        },
      }),
    );
    // reading begins in the next turn
    await setImmediate();
    transport.pause();
    near.write('unread');
    transport.probe?.();
    for (let turn = 0; turn < 10; turn++) await setImmediate();
    expect([closed, transport.pending]).toEqual([[], 0]);
    near.resetAndDestroy();
    await once(near, 'close');
    for (let turn = 0; turn < 10; turn++) await setImmediate();
    // Bun tells by itself
    if (!process.versions.bun) expect(closed).toEqual([]);
    transport.probe?.();
    await gone;
    expect(closed).toMatchObject([{ code: expect.stringMatching(/^(ECONNRESET|EPIPE)$/) }]);
    transport.probe?.();
  });
});

describe('while reading is paused', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('the transport is asked every ten seconds, and not before or after', () => {
    const probe = vi.fn();
    const watch = new PausedProbe({ probe } as unknown as Transport);
    vi.advanceTimersByTime(60_000);
    expect(probe).toHaveBeenCalledTimes(0);
    watch.setPaused(true);
    watch.setPaused(true);
    vi.advanceTimersByTime(30_000);
    expect(probe).toHaveBeenCalledTimes(3);
    watch.setPaused(false);
    vi.advanceTimersByTime(60_000);
    expect(probe).toHaveBeenCalledTimes(3);
    watch.setPaused(true);
    watch.stop();
    vi.advanceTimersByTime(60_000);
    expect(probe).toHaveBeenCalledTimes(3);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is asked in time, however often it is said that reading is paused', () => {
    const probe = vi.fn();
    const watch = new PausedProbe({ probe });
    for (let i = 0; i < 6; i++) {
      watch.setPaused(true);
      vi.advanceTimersByTime(5000);
    }
    expect(probe).toHaveBeenCalledTimes(3);
    watch.stop();
  });

  it('needs no timer that is more than a number, as in browsers', () => {
    const setTimer = vi.spyOn(globalThis, 'setInterval').mockReturnValue(1 as unknown as NodeJS.Timeout);
    new PausedProbe({ probe: () => {} }).setPaused(true);
    expect(setTimer).toHaveBeenCalledTimes(1);
    setTimer.mockRestore();
  });

  it('one that cannot tell is not asked', () => {
    const watch = new PausedProbe({} as Transport);
    watch.setPaused(true);
    expect(vi.getTimerCount()).toBe(0);
  });
});
