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

/** A schedule, with or without what browsers have not, and what it has flushed: numbers of messages, and tasks between. */
async function setUp(platform: 'Node' | 'a browser'): Promise<{
  log: unknown[];
  send(): void;
  end(): void;
  nextTask(): Promise<void>;
}> {
  vi.resetModules();
  if (platform === 'a browser') {
    vi.stubGlobal('process', Object.create(process, { nextTick: { value: undefined, writable: true } }));
    vi.stubGlobal('setImmediate', undefined);
    vi.stubGlobal('MessageChannel', Channel);
  }
  const { FlushSchedule } = await import('../../src/connection/flush-schedule.js');
  const { onNextLoop } = await import('../../src/turn.js');
  const log: unknown[] = [];
  let staged = 0;
  const schedule = new FlushSchedule(() => {
    expect(schedule.isDue).toBe(false);
    log.push(staged);
    staged = 0;
  });
  return {
    log,
    send: () => {
      staged++;
      schedule.add();
      expect(schedule.isDue).toBe(true);
    },
    end: () => schedule.request(),
    nextTask: () => new Promise<void>((resolve) => onNextLoop(resolve)).then(() => void log.push('task')),
  };
}

async function continuations(count = 20): Promise<void> {
  for (let index = 0; index < count; index++) await Promise.resolve();
}

afterEach(() => {
  vi.unstubAllGlobals();
  // other files may run in the same process
  vi.resetModules();
  for (const port of ports.splice(0)) port.close();
});

describe('in a browser', () => {
  it('the lone message of a conversation leaves before the next task, from the second on', async () => {
    const { log, send, nextTask } = await setUp('a browser');
    for (let round = 0; round < 3; round++) {
      send();
      await continuations();
      await nextTask();
    }
    expect(log).toEqual([1, 'task', 1, 'task', 1, 'task']);
    log.length = 0;
    send();
    await continuations();
    expect(log).toEqual([1]);
    await nextTask();
  });

  it('messages of a loop that awaits each leave together, also after a lone one', async () => {
    const { log, send, nextTask } = await setUp('a browser');
    send();
    await nextTask();
    for (let index = 0; index < 50; index++) {
      send();
      await continuations(3);
    }
    expect(log).toEqual([1, 'task']);
    await nextTask();
    expect(log).toEqual([1, 'task', 50, 'task']);
  });

  it('a second one in the same turn waits for its end, and so do those of the next turn', async () => {
    const { log, send, nextTask } = await setUp('a browser');
    send();
    await nextTask();
    for (let index = 0; index < 5; index++) {
      send();
      await continuations();
    }
    expect(log).toEqual([1, 'task', 1]);
    await nextTask();
    expect(log.splice(0)).toEqual([1, 'task', 1, 4, 'task']);
    send();
    await continuations();
    expect(log).toEqual([]);
    await nextTask();
    expect(log).toEqual([1, 'task']);
  });

  it('an end without a message comes with the tick', async () => {
    const { log, end, send, nextTask } = await setUp('a browser');
    send();
    await nextTask();
    end();
    await continuations();
    expect(log.splice(0)).toEqual([1, 'task']);
    await nextTask();
    expect(log).toEqual([0, 'task']);
  });
});

it('on Node all messages of a tick leave at its end, whatever was before', async () => {
  const { log, send, nextTask } = await setUp('Node');
  for (let round = 0; round < 2; round++) {
    send();
    await nextTask();
  }
  for (let index = 0; index < 5; index++) {
    send();
    await continuations();
  }
  await nextTask();
  expect(log).toEqual([1, 'task', 1, 'task', 5, 'task']);
});
