import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cut, type Recorder } from '../../helpers/recorder.js';
import { settle } from '../../helpers/sealed-ends.js';
import { digests, openEnd } from '../../helpers/sealed-open.js';
import { replayClient, replayServer } from '../../helpers/sealed-replay.js';
import { bytes, type SealedVector, vectors } from '../../helpers/sealed-vectors.js';

/** The one with all parts: GREASE, and a client that shows who it is. */
const vector = vectors.find(({ seed }) => seed === 'vector-2 client auth') as SealedVector;
const [flight1, flight2, flight3, flight4] = Object.values(vector.flights).map(bytes) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
  Uint8Array,
];

/** Who receives which flight, and what has to come before it. */
const receivers = [
  { name: 'CLIENT_HELLO', start: replayServer, before: [], flight: flight1 },
  { name: "the server's flight", start: replayClient, before: [], flight: flight2 },
  { name: "the client's flight", start: replayServer, before: [flight1], flight: flight3 },
  { name: 'SERVER_FINISHED', start: replayClient, before: [flight2], flight: flight4 },
];
type Receiver = (typeof receivers)[number];

async function receive({ start, before }: Receiver, flight: readonly Uint8Array[]): Promise<Recorder> {
  const end = await start(vector);
  for (const piece of before) end.session.receive(piece);
  await settle(end);
  end.takeWritten();
  for (const piece of flight) {
    end.session.receive(piece);
    await settle(end);
  }
  return end;
}

/** With thousands of mutants to be tried, not every place is. */
const stride = process.env.MUTATION === undefined ? 1 : 7;

describe.each(receivers)('$name', (receiver) => {
  const { flight, name } = receiver;
  const answer = name === 'CLIENT_HELLO' ? flight2 : name === "the server's flight" ? flight3 : undefined;

  it('cut in any way is the same', async () => {
    const property = fc.asyncProperty(fc.array(fc.nat(flight.length), { maxLength: 12 }), async (places) => {
      const end = await receive(receiver, cut(flight, places));
      expect(end.code).toBeUndefined();
      if (answer) expect(end.takeWritten()).toEqual(answer);
      else expect(end.opening).toBeDefined();
    });
    await fc.assert(property, { numRuns: 25 });
  });

  it('with any byte changed opens nothing, and gives nothing but an error of the closed list', {
    timeout: 60_000,
  }, async () => {
    for (let place = 0; place < flight.length; place += stride) {
      const damaged = flight.slice();
      damaged[place] = (damaged[place] as number) ^ (1 << (place % 8));
      const end = await receive(receiver, [damaged]);
      expect(end.opening, `byte ${place}`).toBeUndefined();
      expect(end.code ?? 'silence', `byte ${place}`).toMatch(
        /^(PROTOCOL|NOT_SEALED|HANDSHAKE_FAILED|NO_COMMON_SUITE|silence)$/,
      );
      if (end.code === undefined) expectNothingGained(end, flight2);
    }
  });

  it('cut short anywhere opens nothing, and its end is HANDSHAKE_FAILED', { timeout: 60_000 }, async () => {
    for (let length = 0; length < flight.length; length += 5 * stride) {
      const end = await receive(receiver, [flight.subarray(0, length)]);
      expect([end.opening, end.code]).toEqual([undefined, undefined]);
      end.session.endOfStream();
      expect(end.code).toBe('HANDSHAKE_FAILED');
    }
  });

  it('mangled in any way ends in an error of the closed list, or waits', async () => {
    const mangling = fc.array(
      fc.record({ at: fc.nat(flight.length), drop: fc.nat(40), insert: fc.uint8Array({ maxLength: 40 }) }),
      { minLength: 1, maxLength: 4 },
    );
    const property = fc.asyncProperty(mangling, async (edits) => {
      const bytes = mangle(flight, edits);
      // edits that change nothing, or only add behind the flight, leave a handshake that is right
      fc.pre(Buffer.compare(bytes.subarray(0, flight.length), flight) !== 0);
      const end = await receive(receiver, [bytes]);
      expect(end.opening).toBeUndefined();
      expect(end.code ?? 'HANDSHAKE_FAILED').toMatch(
        /^(PROTOCOL|NOT_SEALED|HANDSHAKE_FAILED|NO_COMMON_SUITE)$/,
      );
    });
    await fc.assert(property, { numRuns: 150 });
  });
});

/** A server may answer a changed hello, but the recorded client will not believe that answer. */
function expectNothingGained(end: Recorder, recorded: Uint8Array): void {
  const written = end.takeWritten();
  if (written.length > 0) expect(written.subarray(76)).not.toEqual(recorded.subarray(76));
}

function mangle(
  flight: Uint8Array,
  edits: readonly { at: number; drop: number; insert: Uint8Array }[],
): Uint8Array {
  return edits.reduce<Uint8Array>(
    (bytes, { at, drop, insert }) =>
      new Uint8Array(Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + drop)])),
    flight,
  );
}

const step = fc.oneof(
  { weight: 6, arbitrary: fc.nat(300).map((length) => ({ stage: length })) },
  { weight: 2, arbitrary: fc.integer({ min: 16000, max: 70000 }).map((length) => ({ stage: length })) },
  { weight: 3, arbitrary: fc.constant('flush' as const) },
  { weight: 1, arbitrary: fc.constantFrom('ping' as const, 'pong' as const, 'rekey' as const) },
);

describe('an open connection', () => {
  it('gives the same messages for any packing into records and any cutting of the bytes', () => {
    const property = fc.property(
      fc.array(step, { maxLength: 40 }),
      fc.array(fc.nat(200_000), { maxLength: 40 }),
      fc.integer({ min: 16384, max: 100_000 }),
      fc.integer({ min: 2, max: 9 }),
      (steps, places, maxRecord, records) => {
        const wire = send(steps, maxRecord, records);
        const end = openEnd({ maxRecord });
        for (const piece of cut(wire.bytes, places)) end.session.receive(piece);
        expect(end.code).toBeUndefined();
        expect(digests(end.messages)).toEqual(digests(wire.messages));
        expect([end.answers, end.endCode]).toEqual([wire.pings, 0]);
      },
    );
    fc.assert(property, { numRuns: 100 });
  });

  it('never gives a changed message, whatever happens to the bytes', () => {
    const wire = send(
      [{ stage: 5 }, 'flush', { stage: 200 }, { stage: 0 }, 'flush', 'ping', { stage: 50 }, 'flush'],
      16384,
      9,
    );
    const known = new Set(digests(wire.messages));
    const edits = fc.array(
      fc.record({
        at: fc.nat(wire.bytes.length),
        drop: fc.nat(60),
        insert: fc.uint8Array({ maxLength: 60 }),
      }),
      { minLength: 1, maxLength: 3 },
    );
    const property = fc.property(edits, (list) => {
      const end = openEnd({ maxRecord: 16384 });
      end.session.receive(mangle(wire.bytes, list));
      expect(end.code ?? 'waiting').toMatch(/^(waiting|DECRYPT_FAILED|PROTOCOL)$/);
      expect(
        digests(end.messages).every((digest, i) => known.has(digest) && digest === digests(wire.messages)[i]),
      ).toBe(true);
      end.session.endOfStream();
      if (end.code === undefined) expect(end.endCode).toBe(0);
    });
    fc.assert(property, { numRuns: 500 });
  });
});

type Step = { stage: number } | 'flush' | 'ping' | 'pong' | 'rekey';

/** The bytes of one side that sends, asks and renews its keys as told, and closes. */
function send(
  steps: readonly Step[],
  maxRecord: number,
  records: number,
): { bytes: Uint8Array; messages: Uint8Array[]; pings: number } {
  const sender = openEnd({ maxRecord, keyLimits: { send: { records } } }).opening?.sender;
  if (sender === undefined) throw new Error('the end did not open');
  const messages: Uint8Array[] = [];
  const chunks: Uint8Array[] = [];
  for (const [i, each] of steps.entries()) {
    if (typeof each === 'object') {
      const message = new Uint8Array(each.stage).fill(i);
      messages.push(message);
      sender.stage(message);
    } else if (each === 'rekey') sender.rekey?.();
    else chunks.push(...(sender[each]?.() ?? []));
  }
  chunks.push(...sender.close(0));
  return {
    bytes: new Uint8Array(Buffer.concat(chunks)),
    messages,
    pings: steps.filter((each) => each === 'ping').length,
  };
}
