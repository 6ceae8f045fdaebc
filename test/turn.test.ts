import type { MessagePort } from 'node:worker_threads';
import { afterEach, describe, expect, it, vi } from 'vitest';

const ports: MessagePort[] = [];

/** A channel whose ports are closed behind the test, since they keep the process. */
class Channel extends MessageChannel {
  constructor() {
    super();
    ports.push(this.port1);
  }
}

/** The module as it is where there is neither `nextTick` nor `setImmediate`, as in browsers. */
async function inBrowser(channel: unknown = Channel): Promise<typeof import('../src/turn.js')> {
  vi.resetModules();
  vi.stubGlobal('process', Object.create(process, { nextTick: { value: undefined, writable: true } }));
  vi.stubGlobal('setImmediate', undefined);
  vi.stubGlobal('MessageChannel', channel);
  return import('../src/turn.js');
}

afterEach(() => {
  vi.unstubAllGlobals();
  // other files may run in the same process
  vi.resetModules();
  for (const port of ports.splice(0)) port.close();
});

describe('work is done in order, each in a task of its own, and once', () => {
  it.each([
    ['are only messages', Channel, 1],
    ['are only timers, as in edge runtimes', null, 0],
  ])('where there %s', async (_, channel, channels) => {
    const { afterTick, onNextLoop } = await inBrowser(channel);
    const done: string[] = [];
    await new Promise<void>((resolve) => {
      afterTick(() => {
        done.push('first');
        queueMicrotask(() => done.push('microtask of the first'));
      });
      onNextLoop(() => done.push('second'));
      onNextLoop(() => {
        done.push('third');
        afterTick(() => {
          done.push('fourth');
          resolve();
        });
      });
      queueMicrotask(() => done.push('microtask'));
      done.push('at once');
    });
    const order = ['at once', 'microtask', 'first', 'microtask of the first', 'second', 'third', 'fourth'];
    expect(done).toEqual(order);
    // one channel for all
    expect(ports.length).toBe(channels);
  });
});
