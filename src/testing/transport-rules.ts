import { isSame } from '../core/bytes.js';
import type { Transport } from '../transports/transport.js';
import { expectArrival, PausingRecorder, pause, Recorder, startBoth } from './recorder.js';

/**
 * One thing that a connection relies on. Seen from `near`; a check throws what is wrong.
 *
 * Each rule is here because the library breaks without it, not because streams are usually so: bytes that are changed
 * after `write` would be changed after encryption, an end that is reported before the last bytes cuts a message off,
 * and `written` with a wrong `pending` stops a sender for good.
 */
export interface Rule {
  readonly name: string;
  readonly needsBackPressure?: boolean;
  readonly check: (near: Transport, far: Transport, timeout: number) => Promise<void>;
}

const KIBIBYTE = 1024;
const MEBIBYTE = 1024 * KIBIBYTE;
/** Long enough for what must not happen to happen, in milliseconds. What must happen is waited for, however long. */
export const QUIET = 150;

/** Everything that `checkTransport` checks. */
export const rules: readonly Rule[] = [
  {
    name: 'bytes arrive complete and in order, both ways at once, however they are cut',
    check: async (near, far, timeout) => {
      const [a, b] = startBoth(near, far, timeout);
      const sizes = [1, 2, 3, 15, 16, 17, 1000, 4096, 65_535, 65_536, 65_537, 300_000, 1, 2 * MEBIBYTE, 5];
      const out = sizes.map((length, i) => pattern(length, i));
      const back = [...sizes].reverse().map((length, i) => pattern(length, 100 + i));
      for (const chunk of out) a.call((transport) => transport.write([chunk]));
      b.call((transport) => transport.write(back));
      await expectArrival(b, out);
      await expectArrival(a, back);
    },
  },
  {
    name: 'thousands of small writes arrive complete and in order',
    check: async (near, far, timeout) => {
      const [a, b] = startBoth(near, far, timeout);
      const chunks = Array.from({ length: 5000 }, (_, i) => pattern(i % 40, i));
      for (let at = 0; at < chunks.length; at += 7)
        a.call((transport) => transport.write(chunks.slice(at, at + 7)));
      await expectArrival(b, chunks);
    },
  },
  {
    name: 'a write of nothing, and of empty chunks, is nothing',
    check: async (near, far, timeout) => {
      const [a, b] = startBoth(near, far, timeout);
      const none = new Uint8Array(0);
      for (const chunks of [[], [none], [none, pattern(3, 1), none]])
        a.call((transport) => transport.write(chunks));
      await expectArrival(b, [pattern(3, 1)]);
      await pause(QUIET);
      b.verify();
      if (b.hasEnded || b.isClosed) throw new Error('it was taken for the end');
    },
  },
  {
    name: 'chunks may be views of larger memory, and are left as they are',
    check: async (near, far, timeout) => {
      const [a, b] = startBoth(near, far, timeout);
      const memory = pattern(300 * KIBIBYTE, 9);
      const before = memory.slice();
      const places = [
        [1, 100_001],
        [100_001, 200_000],
        [7, 8],
      ] as const;
      a.call((transport) => transport.write(places.map(([from, to]) => memory.subarray(from, to))));
      await expectArrival(
        b,
        places.map(([from, to]) => before.subarray(from, to)),
      );
      if (!isSame(memory, before)) throw new Error('the memory was changed, or taken away');
    },
  },
  {
    name: 'what comes before start() is not lost, and nothing is reported before it',
    check: async (near, far, timeout) => {
      const a = new Recorder(near, timeout).start();
      const chunks = [pattern(10, 1), pattern(50_000, 2)];
      a.call((transport) => transport.write(chunks));
      a.call((transport) => transport.end());
      await pause(QUIET);
      const b = new Recorder(far, timeout).start();
      await expectArrival(b, chunks);
      await b.until('the end', () => b.hasEnded);
    },
  },
  {
    name: 'written() follows every write, and pending is 0 when all is taken',
    check: async (near, far, timeout) => {
      const [a, b] = startBoth(near, far, timeout);
      for (const length of [1, 100_000, 3 * MEBIBYTE]) {
        const before = a.writes;
        a.call((transport) => transport.write([pattern(length, 1)]));
        await a.until(`written() after ${length} bytes`, () => a.writes > before && near.pending === 0);
      }
      await b.until('their arrival', () => b.received === 1 + 100_000 + 3 * MEBIBYTE);
    },
  },
  {
    name: 'end() is told to the peer behind all bytes, and leaves the other direction open',
    check: async (near, far, timeout) => {
      const [a, b] = startBoth(near, far, timeout);
      const chunks = [pattern(200_000, 1)];
      a.call((transport) => transport.write(chunks));
      a.call((transport) => transport.end());
      await b.until('the end', () => b.hasEnded);
      await expectArrival(b, chunks);
      // what takes the other direction along may take its time
      await pause(QUIET);
      const answer = [pattern(400_000, 2), pattern(1, 3)];
      b.call((transport) => transport.write(answer));
      if (!a.isClosed && !b.isClosed) await expectArrival(a, answer);
      await pause(QUIET);
      if (a.hasEnded || a.isClosed || b.isClosed) throw new Error('the other direction ended too');
    },
  },
  {
    name: 'close() follows on both sides once both halves have ended, without an error',
    check: async (near, far, timeout) => {
      const [a, b] = startBoth(near, far, timeout);
      a.call((transport) => transport.write([pattern(100, 1)]));
      a.call((transport) => transport.end());
      await b.until('the end', () => b.hasEnded);
      b.call((transport) => transport.write([pattern(100_000, 2)]));
      b.call((transport) => transport.end());
      for (const end of [a, b]) await end.until('close()', () => end.isClosed);
      if (a.received !== 100_000) throw new Error(`${a.received} of the last 100000 bytes arrived`);
      for (const { closeError } of [a, b]) if (closeError) throw closeError;
      if (!a.hasEnded) throw new Error('close() came without end()');
    },
  },
  {
    name: 'close() follows too if both end at the same time',
    check: async (near, far, timeout) => {
      const [a, b] = startBoth(near, far, timeout);
      for (const end of [a, b]) end.call((transport) => transport.end());
      for (const end of [a, b]) await end.until('close()', () => end.isClosed);
      for (const { closeError } of [a, b]) if (closeError) throw closeError;
      if (!a.hasEnded || !b.hasEnded) throw new Error('close() came without end()');
    },
  },
  {
    name: 'pause() stops data(), and nothing is lost after resume()',
    check: async (near, far, timeout) => {
      const [a, b] = startBoth(near, far, timeout);
      const chunks = Array.from({ length: 48 }, (_, i) => pattern(64 * KIBIBYTE, i));
      b.call((transport) => transport.pause());
      for (const chunk of chunks) a.call((transport) => transport.write([chunk]));
      await pause(QUIET);
      const before = b.received;
      await pause(QUIET);
      if (b.received > before) throw new Error(`${b.received - before} bytes came while it was paused`);
      if (before === 48 * 64 * KIBIBYTE) throw new Error('all bytes came while it was paused');
      b.call((transport) => transport.resume());
      await expectArrival(b, chunks);
    },
  },
  {
    name: 'pause() and resume() may be called from data(), any number of times',
    check: async (near, far, timeout) => {
      const a = new Recorder(near, timeout).start();
      const b = new PausingRecorder(far, timeout).start();
      const chunks = Array.from({ length: 100 }, (_, i) => pattern(10_000, i));
      for (const chunk of chunks) a.call((transport) => transport.write([chunk]));
      a.call((transport) => transport.end());
      await expectArrival(b, chunks);
      await b.until('the end', () => b.hasEnded);
    },
  },
  {
    name: 'a peer that does not read makes the writer wait, and pending says so',
    needsBackPressure: true,
    check: async (near, far, timeout) => {
      const [a, b] = startBoth(near, far, timeout);
      b.call((transport) => transport.pause());
      let count = 0;
      const chunk = pattern(MEBIBYTE, 1);
      let since = performance.now();
      // as a connection writes: the next only when the one before is gone; a busy machine gives a turn less time than it takes
      for (let turns = 0; count < 128 && (turns < 50 || performance.now() - since < 4 * QUIET); turns++) {
        if (near.pending === 0) {
          a.call((transport) => transport.write([chunk]));
          count++;
          turns = 0;
          since = performance.now();
        }
        await pause(1);
      }
      if (count === 128) throw new Error('128 MiB were taken for a peer that does not read');
      b.call((transport) => transport.resume());
      await b.until('the arrival of everything', () => b.received === count * MEBIBYTE);
      await a.until('pending to become 0', () => near.pending === 0);
    },
  },
  {
    name: 'destroy() is followed by close() on both sides, and by nothing else on its own',
    check: async (near, far, timeout) => {
      const [a, b] = startBoth(near, far, timeout);
      b.call((transport) => transport.write([pattern(100_000, 1)]));
      a.call((transport) => transport.write([pattern(10, 1)]));
      await b.until('the arrival of bytes', () => b.received === 10);
      a.call((transport) => transport.destroy());
      const { received } = a;
      await a.until('close() on its own side', () => a.isClosed);
      if (a.received > received || a.hasEnded) throw new Error('something was reported after destroy()');
      if (a.closeError) throw a.closeError;
      await b.until("close() on the peer's side", () => b.isClosed || b.hasEnded);
      b.call((transport) => transport.end());
      await b.until("close() on the peer's side", () => b.isClosed);
    },
  },
  {
    name: 'destroy(error) is followed by close(error)',
    check: async (near, far, timeout) => {
      const [a] = startBoth(near, far, timeout);
      const error = new Error('given up');
      a.call((transport) => transport.destroy(error));
      await a.until('close()', () => a.isClosed);
      if (a.closeError !== error) throw new Error(`close() came with ${String(a.closeError)}`);
    },
  },
  {
    name: 'reset(), of one that has it, is followed by close() on both sides, and is no end to the peer',
    check: async (near, far, timeout) => {
      if (!near.reset) return;
      const [a, b] = startBoth(near, far, timeout);
      a.call((transport) => transport.write([pattern(10, 1)]));
      await b.until('the arrival of bytes', () => b.received === 10);
      a.call((transport) => transport.reset?.());
      await a.until('close() on its own side', () => a.isClosed);
      await b.until("close() on the peer's side", () => b.isClosed || b.hasEnded);
      if (b.hasEnded) throw new Error('the peer took it for an end');
      if (a.closeError) throw a.closeError;
    },
  },
  {
    name: 'destroy() is possible while reading is paused and before start()',
    check: async (near, far, timeout) => {
      const b = new Recorder(far, timeout).start();
      near.destroy();
      const a = new Recorder(near, timeout).start();
      await a.until('close() of the one destroyed before start()', () => a.isClosed);
      b.call((transport) => transport.pause());
      b.call((transport) => transport.destroy());
      await b.until('close() of the one that was paused', () => b.isClosed);
    },
  },
  {
    name: 'nothing throws, and nothing is reported, once all is over',
    check: async (near, far, timeout) => {
      const [a, b] = startBoth(near, far, timeout);
      a.call((transport) => transport.end());
      a.call((transport) => transport.write([pattern(10, 1)]));
      a.call((transport) => transport.end());
      await b.until('the end', () => b.hasEnded);
      if (b.received > 0) throw new Error('what was written after end() arrived');
      b.call((transport) => transport.destroy());
      await b.until('close()', () => b.isClosed);
      for (const end of [a, b]) {
        end.call((transport) => transport.destroy());
        await end.until('close()', () => end.isClosed);
        end.call((transport) => transport.write([pattern(10, 1)]));
        for (const act of ['pause', 'resume', 'end', 'destroy'] as const)
          end.call((transport) => transport[act]());
      }
      await pause(QUIET);
      for (const end of [a, b]) end.verify();
    },
  },
];

/** Bytes that differ from place to place and from seed to seed. */
function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i ^ (i >>> 8) ^ (seed * 31)) & 0xff;
  return bytes;
}
