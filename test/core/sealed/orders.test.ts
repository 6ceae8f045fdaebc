import { describe, expect, it } from 'vitest';
import { node } from '../../../backends/node.js';
import { TrafficKey } from '../../../src/core/sealed/records.js';
import type { Recorder } from '../../helpers/recorder.js';
import { replayClient, replayServer } from '../../helpers/sealed-replay.js';
import { bytes, type SealedVector, vectors } from '../../helpers/sealed-vectors.js';

type Name = keyof SealedVector['handshake_messages'];

const names: readonly Name[] = ['CH', 'SH', 'SI', 'CK', 'CA', 'CF', 'SF'];
const LONGEST = 5;
const vector = vectors.find(({ client_spki }) => client_spki !== undefined) as SealedVector;

/** How each end waits for its messages: in the open, or under which key as which record. */
const server = {
  order: ['CH', 'CK', 'CA', 'CF'] as Name[],
  keys: [null, ['c_hs', 0], ['c_ahs', 0], ['c_ahs', 1], ['c_ap_0', 0]] as Place[],
  start: replayServer,
};
const client = {
  order: ['SH', 'SI', 'SF'] as Name[],
  keys: [null, ['s_hs', 0], ['s_ahs', 0], ['s_ap_0', 0]] as Place[],
  start: replayClient,
};
type Place = readonly [string, number] | null;

describe.each([
  { who: 'server', ...server },
  { who: 'client', ...client },
])('all orders of messages up to five, against a $who', ({ order, keys, start }) => {
  it('exactly the right one opens the connection, and a wrong message ends it for good', {
    timeout: 60_000,
  }, async () => {
    let sequences = 0;
    const opening: string[] = [];
    const failed = new Set<string>();
    /** A sequence that goes on behind a failure is fed too, but only one for each failure and last message. */
    const explore = async (prefix: readonly Name[]): Promise<void> => {
      for (const name of names) {
        const sequence = [...prefix, name];
        const end = await play(start, sequence, keys);
        const isRight = sequence.every((each, i) => each === order[i]);
        expect(end.code === undefined, sequence.join(' ')).toBe(isRight);
        expect(end.opening !== undefined, sequence.join(' ')).toBe(startsWith(sequence, order));
        if (isRight) {
          sequences++;
          if (end.opening !== undefined) opening.push(sequence.join(' '));
          if (sequence.length < LONGEST) await explore(sequence);
        } else {
          failed.add(sequence.join(' '));
          sequences += await countBehind(end, LONGEST - sequence.length);
        }
      }
    };
    await explore([]);
    expect(opening).toEqual([order.join(' ')]);
    expect(sequences).toBe(7 + 7 ** 2 + 7 ** 3 + 7 ** 4 + 7 ** 5);
    expect(failed.size).toBe(order.length * 6 + 7);
  });
});

/** Behind a failure nothing changes whatever comes: so all continuations are one. Returns how many there are. */
async function countBehind(end: Recorder, longer: number): Promise<number> {
  const { error } = end;
  end.takeWritten();
  for (const name of names) end.session.receive(bytes(vector.handshake_messages[name]));
  await end.settle();
  expect([end.error, end.takeWritten().length, end.tasks]).toEqual([error, 0, []]);
  let count = 0;
  for (let i = 0; i <= longer; i++) count += 7 ** i;
  return count;
}

/** The end after it was given the messages, each under the key that it waits for, so that only the order can be wrong. */
async function play(
  start: (vector: SealedVector) => Promise<Recorder>,
  sequence: readonly Name[],
  keys: readonly Place[],
): Promise<Recorder> {
  const end = await start(vector);
  for (const [i, name] of sequence.entries()) {
    end.session.receive(inPlace(bytes(vector.handshake_messages[name]), keys[i] ?? null));
    await end.settle();
  }
  return end;
}

function inPlace(message: Uint8Array, place: Place): Uint8Array {
  if (place === null) return message;
  const [secret, sequence] = place;
  const key = new TrafficKey(node, 'aesGcm', bytes(vector.secrets[secret] as string), sequence);
  return Buffer.concat(key.seal([Uint8Array.of(1), message], 1 + message.length));
}

function startsWith(sequence: readonly Name[], order: readonly Name[]): boolean {
  return order.every((name, i) => name === sequence[i]);
}
