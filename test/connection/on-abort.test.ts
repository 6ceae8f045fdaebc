import { describe, expect, it, vi } from 'vitest';
import { onAbort } from '../../src/connection/on-abort.js';

/** A signal whose listeners are counted: `size` has how many it has. */
function countedSignal(): { controller: AbortController; signal: AbortSignal; listeners: Set<unknown> } {
  const controller = new AbortController();
  const { signal } = controller;
  const listeners = new Set<unknown>();
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  vi.spyOn(signal, 'addEventListener').mockImplementation((type: string, listener, options) => {
    if (type === 'abort') listeners.add(listener);
    add(type, listener, options);
  });
  vi.spyOn(signal, 'removeEventListener').mockImplementation((type: string, listener) => {
    if (type === 'abort') listeners.delete(listener);
    remove(type, listener as () => void);
  });
  return { controller, signal, listeners };
}

describe('all that wait on a signal', () => {
  it('share one listener, which is there while any of them waits', () => {
    const { signal, listeners } = countedSignal();
    for (let round = 0; round < 2; round++) {
      const stops = Array.from({ length: 1000 }, () => onAbort(signal, () => {}));
      expect(listeners.size).toBe(1);
      for (const stop of stops.slice(1)) stop();
      for (const stop of stops.slice(1)) stop();
      expect(listeners.size).toBe(1);
      stops[0]?.();
      expect(listeners.size).toBe(0);
    }
    expect(signal.addEventListener).toHaveBeenCalledTimes(2);
  });

  it('are told once, in the order in which they came', () => {
    const { controller, signal, listeners } = countedSignal();
    const told: string[] = [];
    const [, leave] = ['a', 'b', 'c'].map((name) => onAbort(signal, () => told.push(name)));
    leave?.();
    onAbort(signal, () => told.push('d'));
    controller.abort();
    signal.dispatchEvent(new Event('abort'));
    expect(told).toEqual(['a', 'c', 'd']);
    expect(listeners.size).toBe(0);
  });

  it('may leave while others are told, and those who come then are not told of that abort', () => {
    const { controller, signal } = countedSignal();
    const told: string[] = [];
    onAbort(signal, () => {
      told.push('first');
      leave();
      stay = onAbort(signal, () => told.push('late'));
    });
    let stay = (): void => {};
    const leave = onAbort(signal, () => told.push('left'));
    onAbort(signal, () => told.push('last'));
    controller.abort();
    stay();
    expect(told).toEqual(['first', 'last']);
  });

  it('are told whatever another one throws, which is reported as an error of the process', async () => {
    const { controller, signal } = countedSignal();
    const told = vi.fn();
    const thrown = new Error('of one listener');
    const reported = new Promise((resolve) => {
      vi.stubGlobal('queueMicrotask', (act: () => void) => {
        try {
          act();
        } catch (error) {
          resolve(error);
        }
      });
    });
    onAbort(signal, () => {
      throw thrown;
    });
    onAbort(signal, told);
    controller.abort();
    vi.unstubAllGlobals();
    expect(told).toHaveBeenCalledTimes(1);
    expect(await reported).toBe(thrown);
  });

  it('are told by a signal of a package that knows no `once`, and are none of a signal that takes no listener', () => {
    const [simple, told] = [new EventTarget(), vi.fn()];
    const signal = {
      aborted: false,
      addEventListener: (type: string, listener: () => void) => simple.addEventListener(type, listener),
      removeEventListener: (type: string, listener: () => void) => simple.removeEventListener(type, listener),
    } as AbortSignal;
    onAbort(signal, told);
    simple.dispatchEvent(new Event('abort'));
    simple.dispatchEvent(new Event('abort'));
    expect(told).toHaveBeenCalledTimes(1);

    const add = vi.fn(() => {
      throw new Error('not now');
    });
    const refusing = { ...signal, addEventListener: add } as AbortSignal;
    for (let i = 0; i < 2; i++) expect(() => onAbort(refusing, told)).toThrow('not now');
    expect(add).toHaveBeenCalledTimes(2);
  });

  it('keeps the listener of what came during an abort when the last that is told stops', () => {
    const { controller, signal, listeners } = countedSignal();
    let stop = (): void => {};
    onAbort(signal, () => {
      onAbort(signal, () => {});
      stop();
    });
    stop = onAbort(signal, () => {});
    controller.abort();
    expect(listeners.size).toBe(1);
  });
});
