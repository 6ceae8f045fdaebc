import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { ReceiveQueue } from '../../src/connection/receive-queue.js';
import { batchOf } from '../helpers/batch.js';
import { open } from '../helpers/kept.js';
import { pair, protocols } from '../helpers/sockets.js';

async function connectEnds(protocol: (typeof protocols)[number]): ReturnType<typeof pair> {
  const ends = await pair(protocol);
  open.push(ends);
  return ends;
}

const numberBytes = (n: number): Uint8Array => new Uint8Array(Uint32Array.of(n).buffer);
const numberOf = (message: Uint8Array): number => new DataView(message.slice().buffer).getUint32(0, true);

describe.each(protocols)('batches() over %s', (protocol) => {
  it('gives every message once and in order, and ends with the peer', async () => {
    const { client, peer } = await connectEnds(protocol);
    const count = 20_000;
    const sending = (async () => {
      for (let i = 0; i < count; i++) await client.send(numberBytes(i));
      await client.end();
    })();
    const lengths: number[] = [];
    let next = 0;
    for await (const batch of peer.batches()) {
      lengths.push(batch.length);
      for (const message of batch) expect(numberOf(message)).toBe(next++);
    }
    await sending;
    expect(next).toBe(count);
    expect(Math.min(...lengths)).toBeGreaterThan(0);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(1024);
    // what has arrived together is given together
    expect(lengths.length).toBeLessThan(count / 4);
  });

  it('waits for no more than one message', async () => {
    const { client, peer } = await connectEnds(protocol);
    const next = peer.batches().next();
    await client.send(numberBytes(7));
    const { value, done } = await next;
    expect([done, (value as Uint8Array[]).map(numberOf)]).toEqual([false, [7]]);
  });

  it('can be left, and recv() goes on behind the batch', async () => {
    const { client, peer } = await connectEnds(protocol);
    for (let i = 0; i < 3; i++) await client.send(numberBytes(i));
    const seen: number[] = [];
    for await (const batch of peer.batches()) {
      seen.push(...batch.map(numberOf));
      break;
    }
    while (seen.length < 3) seen.push(numberOf((await peer.recv()) as Uint8Array));
    expect(seen).toEqual([0, 1, 2]);
    await client.send(numberBytes(3));
    for await (const message of peer) {
      expect(numberOf(message)).toBe(3);
      break;
    }
  });

  it('throws how the connection has ended, behind all messages', async () => {
    const { client, peer } = await connectEnds(protocol);
    await client.send(numberBytes(1));
    const seen: number[] = [];
    const reading = (async () => {
      for await (const batch of peer.batches()) {
        seen.push(...batch.map(numberOf));
        peer.destroy(new Error('enough'));
      }
    })();
    await expect(reading).rejects.toThrow('enough');
    expect(seen).toEqual([1]);
  });

  it('is one reader: a second call beside it is refused', async () => {
    const { client, peer } = await connectEnds(protocol);
    const batches = peer.batches();
    const first = batches.next();
    await expect(batches.next()).rejects.toMatchObject({ code: 'RECV_PENDING' });
    await expect(peer.recv()).rejects.toMatchObject({ code: 'RECV_PENDING' });
    await client.send(numberBytes(1));
    expect((await first).value).toHaveLength(1);
    expect(batches[Symbol.asyncIterator]()).toBe(batches);
  });

  it('is refused before there is a connection, at once', async () => {
    const { client } = await connectEnds(protocol);
    const Client = client.constructor as new (options: object) => typeof client;
    expect(() => new Client({ protocol }).batches()).toThrow(
      expect.objectContaining({ code: 'NOT_CONNECTED' }),
    );
  });

  it('holds the peer back while nothing is read', async () => {
    const { client, peer } = await connectEnds(protocol);
    const large = new Uint8Array(1_000_000);
    let sent = 0;
    const sending = (async () => {
      for (; sent < 100; sent++) await client.send(large);
      await client.end();
    })();
    let before = -1;
    // until nothing moves any more for a while
    for (let still = 0; still < 200; still = sent === before ? still + 1 : 0) {
      before = sent;
      await setImmediate();
    }
    expect(sent).toBeLessThan(100);
    let received = 0;
    for await (const batch of peer.batches()) received += batch.length;
    await sending;
    expect(received).toBe(100);
  });
});

describe('batches of a queue', () => {
  it('let all others have a turn after 4096 messages', async () => {
    const queue = new ReceiveQueue(10_000_000, () => {});
    queue.push(batchOf(6000));
    let hadTurn = false;
    const turn = setImmediate().then(() => {
      hadTurn = true;
    });
    const lengths: number[] = [];
    for (let i = 0; i < 4; i++) lengths.push((await queue.nextBatch()).value?.length ?? 0);
    expect([lengths, hadTurn]).toEqual([[1024, 1024, 1024, 1024], false]);
    lengths.push((await queue.nextBatch()).value?.length ?? 0);
    await turn;
    lengths.push((await queue.nextBatch()).value?.length ?? 0);
    expect(lengths.slice(4)).toEqual([1024, 880]);
    queue.finish();
    expect(await queue.nextBatch()).toEqual({ value: undefined, done: true });
  });
});
