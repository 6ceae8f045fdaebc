import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, vi } from 'vitest';
import { Connection, type ConnectionSettings } from '../../src/connection/connection.js';
import type { Batch, HandshakeResult, Script, Sender } from '../../src/core/script.js';
import { perform, read } from '../../src/core/script.js';
import { SecureSocketError } from '../../src/errors.js';
import type { Transport, TransportEvents } from '../../src/transports/transport.js';

/** Text of letters as bytes, one each. */
export const bytes = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(text, 'latin1'));

/** Bytes as the text that they are. */
export const text = (message: Uint8Array | null): string | null =>
  message === null ? null : Buffer.from(message).toString('latin1');

/** What the system does with writes is what the test says. */
export class StillTransport implements Transport {
  pending = 0;
  /** What is left of it, if the transport can tell that. */
  left: number | undefined;
  /** Everything written, as text. */
  written = '';
  /** The same, by calls of `write`. */
  readonly writes: string[][] = [];
  hasEnded = false;
  isPaused = false;
  destroyed = 0;
  probes = 0;
  events: TransportEvents | undefined;

  get unsent(): number {
    return this.left ?? this.pending;
  }

  start(events: TransportEvents): void {
    this.events = events;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  probe(): void {
    this.probes++;
  }

  destroy(): void {
    this.destroyed++;
  }

  write(chunks: readonly Uint8Array[]): void {
    const texts = chunks.map((chunk) => Buffer.from(chunk).toString('latin1'));
    for (const chunk of chunks) this.pending += chunk.length;
    this.written += texts.join('');
    this.writes.push(texts);
  }

  end(): void {
    this.hasEnded = true;
  }

  /** The system takes everything that was written. */
  take(): void {
    this.pending = 0;
    this.events?.written();
  }

  /** The peer sends bytes, whose memory the transport may give away. */
  receive(letters: string, isGiven = false): void {
    this.events?.data(bytes(letters), isGiven);
  }
}

/** Sends messages as they are, in parts of 4 bytes, and `.` for the end, with its code if it is not 0. */
export class LetterSender implements Sender {
  readonly maxMessage: number = 1000;
  readonly partLength: number = 4;
  hasFailed = false;
  isAbandoned = false;
  rekeys = 0;
  readonly clock: (number | undefined)[] = [];
  #staged = '';
  #isClosed = false;

  get staged(): number {
    return this.#staged.length;
  }

  stage(message: Uint8Array, from = 0, max = Number.POSITIVE_INFINITY): number {
    const end = Math.min(message.length, from + max);
    this.#staged += Buffer.from(message.subarray(from, end)).toString('latin1');
    return end;
  }

  flush(now?: number): Uint8Array[] {
    this.clock.push(now);
    const chunk = bytes(this.#staged);
    this.#staged = '';
    return chunk.length > 0 ? [chunk] : [];
  }

  close(code: number): Uint8Array[] {
    if (this.#isClosed) return [];
    this.#isClosed = true;
    return [...this.flush(), bytes(code === 0 ? '.' : `.${code}`)];
  }

  abandon(): void {
    this.#staged = '';
    this.isAbandoned = true;
  }

  rekey(): void {
    this.rekeys++;
  }
}

/** The same, of a protocol that has PING, PONG and CLOSE. */
export class BeatingSender extends LetterSender {
  ping(): Uint8Array[] {
    return [bytes('?')];
  }

  pong(): Uint8Array[] {
    return [bytes('!')];
  }
}

/** Messages of one letter each. */
export function batchOf(letters: string): Batch {
  let at = 0;
  return {
    get count() {
      return letters.length - at;
    },
    get bytes() {
      return letters.length - at;
    },
    get held() {
      return at < letters.length ? letters.length : 0;
    },
    next: () => (at < letters.length ? bytes(letters[at++] as string) : undefined),
  };
}

/** Enough for a transport to be told where to read the rest to. */
export const LARGE = 256 * 1024;

/** What a script of letters asks the platform or the program to do. */
export type Step = () => unknown;

/**
 * A protocol of letters. The handshake: both say `H`. Then lower-case letters are messages of one letter each, `?` is a
 * PING, `!` a PONG, `.` the end, `T` a step that takes time, whose result is a message, `D` the same as a decision of the
 * program, and `X` an error about which the peer is told `x`, `Y` one about which it is not. `+` is a part of a message,
 * for which 100 bytes are held until the next message, and `L` begins a message of `LARGE` bytes, of which the last
 * letter is given.
 */
function* letters(result: HandshakeResult, step: Step = () => bytes('t')): Script {
  yield { type: 'write', chunks: [bytes('H')] };
  yield* read(1);
  yield { type: 'open', result };
  for (;;) {
    const letter = text(yield* read(1)) as string;
    switch (letter) {
      case '?':
        yield { type: 'pong' };
        break;
      case '!':
        yield { type: 'answered', bytes: 1 };
        break;
      case '.':
        yield { type: 'ended', closeCode: 7 };
        return;
      case 'T':
      case 'D': {
        const done = (yield* perform(step, letter === 'T' ? 'record' : 'decision')) as Uint8Array;
        yield { type: 'received', batch: batchOf(text(done) as string), held: 0 };
        break;
      }
      case '+':
        yield { type: 'received', batch: undefined, held: 100 };
        break;
      case 'L': {
        const large = text(yield* read(LARGE)) as string;
        yield { type: 'received', batch: batchOf(large.slice(-1)), held: 0 };
        break;
      }
      case 'X':
        yield { type: 'finalBytes', chunks: [bytes('x')] };
        throw new SecureSocketError('PROTOCOL', 'an X');
      case 'Y':
        throw new SecureSocketError('PROTOCOL', 'a Y');
      default:
        yield { type: 'received', batch: batchOf(letter), held: 0 };
    }
  }
}

/** Both ends of what a test looks at: the connection, and what is around it. */
export interface Station {
  readonly connection: Connection;
  readonly transport: StillTransport;
  readonly sender: LetterSender;
}

const settings: ConnectionSettings = {
  ...{ highWaterMark: 8, maxSendQueue: 10_000, readAhead: 20_000, closeTimeout: 5000, allowHalfOpen: false },
  ...{ pingInterval: 0, pingTimeout: 20_000, idleTimeout: 0, handshakeTimeout: 10_000 },
  run: async (task) => task(),
};

/** A connection of the protocol of letters, which has not begun. */
export function station(
  own: Partial<ConnectionSettings> & { sender?: LetterSender; settleMs?: number; step?: Step } = {},
): Station {
  const { sender = new BeatingSender(), settleMs, step, ...limits } = own;
  const transport = new StillTransport();
  const result: HandshakeResult = { sender, peer: null, ...(settleMs === undefined ? {} : { settleMs }) };
  const connection = new Connection(transport, letters(result, step), { ...settings, ...limits });
  return { connection, transport, sender };
}

/** One whose handshake is done, and whose transport has taken it. */
export async function openStation(...own: Parameters<typeof station>): Promise<Station> {
  const made = station(...own);
  made.connection.start();
  made.transport.receive('H');
  await made.connection.ready;
  made.transport.take();
  made.transport.written = '';
  return made;
}

/** How a promise has settled by now: its value, its error's message, or `waits`. */
export async function outcome(promise: Promise<unknown>): Promise<unknown> {
  const settled = promise.then(
    (value) => (value instanceof Uint8Array ? text(value) : value === undefined ? 'done' : value),
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
  return Promise.race([settled, setImmediate('waits')]);
}

/** The same of many. */
export const outcomes = (promises: readonly Promise<unknown>[]): Promise<unknown[]> =>
  Promise.all(promises.map(outcome));

/** A few turns of the event loop, in which what is scheduled is done. */
export async function turns(count = 4): Promise<void> {
  for (let i = 0; i < count; i++) await setImmediate();
}

/** The end of the transport, as it reports it. */
export const closeTransport = ({ transport }: Station, error?: Error): void => transport.events?.close(error);

/** The tests of the file run by a clock that goes on when they say so; the turns of the event loop are real. */
export function useClock(): void {
  beforeEach(() => {
    vi.useFakeTimers({
      toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'],
    });
  });
  afterEach(() => {
    vi.useRealTimers();
  });
}
