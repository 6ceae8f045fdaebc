// One file, because the faults that are noticed are one list.

import { MessageChannel } from 'node:worker_threads';
import { messagePort, type Transport, type TransportEvents } from 'secure-sockets';
import { checkTransport } from 'secure-sockets/testing';
import { describe, expect, it } from 'vitest';

/** A transport that keeps the contract, to be broken in one place. */
class Wrapped implements Transport {
  readonly inner: Transport;
  reset?: () => void;
  events: TransportEvents | undefined;

  constructor(inner: Transport) {
    this.inner = inner;
  }

  get pending(): number {
    return this.inner.pending;
  }

  start(events: TransportEvents): void {
    this.events = events;
    this.inner.start(events);
  }

  write(chunks: readonly Uint8Array[]): void {
    this.inner.write(chunks);
  }

  pause(): void {
    this.inner.pause();
  }

  resume(): void {
    this.inner.resume();
  }

  end(): void {
    this.inner.end();
  }

  destroy(error?: Error): void {
    this.inner.destroy(error);
  }
}

type Fault = (wrapped: Wrapped) => void;

async function failuresWith(fault: Fault): Promise<string[]> {
  const makePair = (): [Transport, Transport] => {
    const { port1, port2 } = new MessageChannel();
    const far = new Wrapped(messagePort(port2));
    fault(far);
    return [messagePort(port1), far];
  };
  try {
    // what never happens is waited for by several rules; what is right must have its time on a busy machine
    await checkTransport(makePair, { timeout: 1000 });
    return [];
  } catch (error) {
    expect(error).toBeInstanceOf(AggregateError);
    return (error as AggregateError).errors.map(({ message }) => message);
  }
}

/** The inner transport reports to what `change` makes of the events. */
function faultOf(change: (events: TransportEvents, wrapped: Wrapped) => Partial<TransportEvents>): Fault {
  return (wrapped) => {
    wrapped.start = (events) => {
      const whole = {
        data: (bytes: Uint8Array) => events.data(bytes),
        end: () => events.end(),
        written: () => events.written(),
        close: (error?: Error) => events.close(error),
      };
      wrapped.inner.start({ ...whole, ...change(events, wrapped) });
    };
  };
}

const faults: [name: string, fault: Fault, rule: RegExp][] = [
  [
    'loses a byte',
    faultOf((events) => ({ data: (bytes) => events.data(bytes.subarray(bytes.length > 50_000 ? 1 : 0)) })),
    /bytes arrive complete and in order/,
  ],
  [
    'changes a byte',
    faultOf((events) => ({
      data: (bytes) => events.data(bytes.map((byte, i) => (i === 9999 ? byte ^ 1 : byte))),
    })),
    /bytes arrive complete and in order.*other bytes/,
  ],
  [
    'reverses the chunks of one write',
    (wrapped) => {
      wrapped.write = (chunks) => wrapped.inner.write([...chunks].reverse());
    },
    /bytes arrive complete and in order/,
  ],
  [
    'takes an empty write for the end',
    (wrapped) => {
      wrapped.write = (chunks) => (chunks.length === 0 ? wrapped.inner.end() : wrapped.inner.write(chunks));
    },
    /a write of nothing.*end/,
  ],
  [
    'overwrites what was written',
    (wrapped) => {
      wrapped.write = (chunks) => {
        wrapped.inner.write(chunks);
        for (const chunk of chunks) if (chunk.length > 90_000) chunk[0] = ~(chunk[0] as number);
      };
    },
    /left as they are.*memory was changed/,
  ],
  ['says nothing of writes', faultOf(() => ({ written: () => {} })), /written\(\) follows every write/],
  [
    'says nothing of the end',
    faultOf(() => ({ end: () => {} })),
    /what comes before start|end\(\) is told to the peer/,
  ],
  [
    'says it twice',
    faultOf((events) => ({
      end: () => {
        events.end();
        events.end();
      },
    })),
    /end\(\) came twice/,
  ],
  [
    'says nothing of the close',
    faultOf(() => ({ close: () => {} })),
    /close\(\) follows on both sides.*close\(\) did not happen/,
  ],
  [
    'closes with an error for nothing',
    faultOf((events) => ({ close: () => events.close(new Error('unplugged')) })),
    /close\(\) follows on both sides.*unplugged/,
  ],
  [
    'closes at the first end',
    faultOf((events, { inner }) => ({
      end: () => {
        events.end();
        inner.destroy();
      },
    })),
    /leaves the other direction open/,
  ],
  [
    'gives up both directions a moment after its own end',
    (wrapped) => {
      wrapped.end = () => {
        wrapped.inner.end();
        setTimeout(() => wrapped.inner.destroy(), 30);
      };
    },
    /leaves the other direction open: the other direction ended too/,
  ],
  [
    'gives up both directions a moment after the end of its peer',
    faultOf((events, { inner }) => ({
      end: () => {
        events.end();
        setTimeout(() => inner.destroy(), 100);
      },
    })),
    /leaves the other direction open: the other direction ended too/,
  ],
  [
    'ends its own direction a moment after that of its peer',
    faultOf((events, { inner }) => ({
      end: () => {
        events.end();
        setTimeout(() => inner.end(), 30);
      },
    })),
    /leaves the other direction open: the other direction ended too/,
  ],
  [
    'goes on to report a moment after it was destroyed',
    faultOf((events) => ({
      close: (error) => {
        events.close(error);
        setTimeout(() => events.data(new Uint8Array(1)), 30);
      },
    })),
    /destroy\(error\) is followed by close\(error\): data\(\) came after close\(\)/,
  ],
  [
    'is closed twice, the second time later',
    faultOf((events) => ({
      close: (error) => {
        events.close(error);
        setTimeout(() => events.close(error), 30);
      },
    })),
    /close\(\) follows on both sides.*close\(\) came after close\(\)/,
  ],
  [
    'goes on by itself a while after pause()',
    (wrapped) => {
      wrapped.pause = () => {
        wrapped.inner.pause();
        setTimeout(() => wrapped.inner.resume(), 200);
      };
    },
    /pause\(\) stops data\(\).*came while it was paused/,
  ],
  [
    'does not pause',
    (wrapped) => {
      wrapped.pause = () => {};
    },
    /pause\(\) stops data\(\).*came while it was paused/,
  ],
  [
    'does not resume',
    (wrapped) => {
      wrapped.resume = () => {};
    },
    /pause\(\) stops data\(\).*did not happen/,
  ],
  [
    'has nothing pending',
    (wrapped) => {
      Object.defineProperty(wrapped, 'pending', { get: () => 0 });
    },
    /makes the writer wait.*128 MiB were taken/,
  ],
  [
    'does not destroy',
    (wrapped) => {
      wrapped.destroy = () => {};
    },
    /destroy\(\) is followed by close\(\)/,
  ],
  [
    'forgets the error',
    (wrapped) => {
      wrapped.destroy = () => wrapped.inner.destroy();
    },
    /destroy\(error\).*close\(\) came with undefined/,
  ],
  [
    'ends in order where it is reset',
    (wrapped) => {
      wrapped.reset = () => {
        wrapped.inner.end();
        setTimeout(() => wrapped.inner.destroy(), 30);
      };
    },
    /reset\(\), of one that has it.*the peer took it for an end/,
  ],
  [
    'does not reset',
    (wrapped) => {
      wrapped.reset = () => {};
    },
    /reset\(\), of one that has it.*close\(\) on its own side did not happen/,
  ],
  [
    'gives memory away that it uses again',
    (wrapped) => {
      const memory = new Uint8Array(4 * 2 ** 20);
      const reusing = faultOf((events) => ({
        data: (bytes) => {
          memory.set(bytes);
          events.data(memory.subarray(0, bytes.length), true);
        },
      }));
      reusing(wrapped);
    },
    /bytes arrive complete and in order.*data\(\) came in memory that was given away/,
  ],
  [
    'reports in the middle of a call',
    (wrapped) => {
      wrapped.resume = () => {
        wrapped.events?.written();
        wrapped.inner.resume();
      };
    },
    /came from within a call/,
  ],
  [
    'throws once it is over',
    (wrapped) => {
      let isOver = false;
      wrapped.end = () => {
        wrapped.inner.end();
        isOver = true;
      };
      wrapped.write = (chunks) => {
        if (isOver) throw new Error('write after end');
        wrapped.inner.write(chunks);
      };
    },
    /nothing throws.*write after end/,
  ],
  [
    'throws where it is asked from within a report',
    (wrapped) => {
      Object.defineProperty(wrapped, 'pending', {
        get: () => {
          throw new Error('not known');
        },
      });
    },
    /not known/,
  ],
  [
    'throws in pause()',
    (wrapped) => {
      wrapped.pause = () => {
        throw new Error('cannot pause');
      };
    },
    /from data\(\), any number of times: cannot pause/,
  ],
  [
    'throws in destroy()',
    (wrapped) => {
      wrapped.destroy = () => {
        throw new Error('cannot give up');
      };
    },
    /destroy\(error\) is followed by close\(error\): cannot give up/,
  ],
  [
    'reports something else than bytes',
    (wrapped) => {
      wrapped.start = (events) =>
        wrapped.inner.start({
          data: () => events.data(undefined as never),
          end: () => events.end(),
          written: () => events.written(),
          close: (error) => events.close(error),
        });
    },
    /data\(\) came with undefined/,
  ],
];

it.each<[string, () => unknown, string]>([
  ['never', () => new Promise(() => {}), 'makePair() gave no transports within 100 ms'],
  ['one transport', () => [messagePort(new MessageChannel().port1)], 'must give [Transport, Transport]'],
  ['no array', () => 5, 'must give [Transport, Transport], not undefined'],
  ['objects', () => [{}, {}], 'must give [Transport, Transport], not an object of class Object'],
  ['half a transport', () => [{ start() {} }, {}], 'a Transport of makePair() needs a method write()'],
  ['the same twice', () => Array(2).fill(messagePort(new MessageChannel().port1)), 'gave one twice'],
])('checkTransport() says so if makePair() gives %s', async (_, makePair, text) => {
  await expect(checkTransport(makePair as never, { timeout: 100 })).rejects.toThrow(text);
});

describe.concurrent('checkTransport() notices a transport that', () => {
  it.each(faults)(
    '%s',
    async (_, fault, rule) => {
      const failures = await failuresWith(fault);
      expect(failures.join('\n')).toMatch(rule);
      expect(failures[0]).toMatch(/as seen from the (first|second) end/);
    },
    60_000,
  );

  it(
    'has no complaint of one that is right',
    async () => expect(await failuresWith(() => {})).toEqual([]),
    60_000,
  );

  it('nor of one that reports Buffers of memory that it uses again', async () => {
    const memory = Buffer.alloc(4 * 2 ** 20);
    const reusing = faultOf((events) => ({
      data: (bytes) => {
        memory.set(bytes);
        events.data(memory.subarray(0, bytes.length));
        memory.fill(0, 0, bytes.length);
      },
    }));
    expect(await failuresWith(reusing)).toEqual([]);
  }, 60_000);
});
