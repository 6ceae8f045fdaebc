import { setImmediate as onNextLoop } from 'node:timers/promises';
import { type SecureClient, SecureSocketError, type ServerOptions } from 'secure-sockets';
import { describe, expect, it } from 'vitest';
import { MESSAGE_OVERHEAD } from '../../src/core/inbox.js';
import { open } from '../helpers/kept.js';
import { clientOf, type Pair, pair, portOf, protocols, rejection } from '../helpers/sockets.js';
import { Cut, dial } from '../load/cut.js';

const SIZE = 60_000;
const limits = { maxMessage: 2 ** 20, maxBuffered: 600_000 };

describe.each(protocols)('what the connections of a %s server hold together', (protocol) => {
  const connectPair = async (server: ServerOptions = limits): Promise<Pair> => {
    const ends = await pair(protocol, { server });
    open.push(ends);
    return ends;
  };

  /** Sends until the server has given the connection up. */
  async function flood(client: SecureClient): Promise<void> {
    for (let sent = 0; sent < 100; sent++)
      await client.send(new Uint8Array(SIZE)).catch((error: Error) => error);
  }

  // defence: MemoryBudget, and that what it evicts is dropped
  it('is bounded: the one that holds the most goes, with what it held', async () => {
    const { server, client, peer } = await connectPair();
    const other = clientOf(server, { protocol });
    const [, second] = await Promise.all([
      other.connect({ port: portOf(server), host: '127.0.0.1' }),
      server.accept(),
    ]);
    await other.send(new Uint8Array(SIZE));
    await flood(client);
    await expect.poll(() => server.stats.buffered).toBeLessThan(200_000);
    expect((await rejection(peer.recv())).code).toBe('BUFFER_LIMIT');
    expect((await second.recv())?.length).toBe(SIZE);
    await other.send(new Uint8Array(7));
    expect((await second.recv())?.length).toBe(7);
    other.destroy();
  });

  // defence: ended connections go on counting while their messages can be read
  it('includes what ended connections have left unread', async () => {
    const { server, client, peer } = await connectPair({ ...limits, maxBuffered: 2 ** 20 });
    const wave = async (): Promise<SecureClient> => {
      const next = clientOf(server, { protocol });
      const [, accepted] = await Promise.all([
        next.connect({ port: portOf(server), host: '127.0.0.1' }),
        server.accept(),
      ]);
      for (let i = 0; i < 8; i++) await next.send(new Uint8Array(SIZE));
      await next.close();
      return accepted;
    };
    const kept = [await wave()];
    expect(server.stats.buffered).toBeGreaterThan(8 * SIZE);
    for (let i = 0; i < 4; i++) kept.push(await wave());
    expect(server.stats.buffered).toBeLessThan(2 ** 20 + 9 * SIZE);
    const outcomes = await Promise.all(kept.map(drain));
    expect(outcomes.filter((outcome) => outcome === 'BUFFER_LIMIT').length).toBeGreaterThan(1);
    expect(outcomes.filter((outcome) => outcome === 8).length).toBeGreaterThan(0);
    expect(outcomes.every((outcome) => outcome === 8 || outcome === 'BUFFER_LIMIT')).toBe(true);
    expect(server.stats.buffered).toBeLessThan(20_000);
    await client.send(new Uint8Array(5));
    expect((await peer.recv())?.length).toBe(5);
  });

  // defence: unfinished messages are charged as they grow
  it('includes messages that are never finished', async () => {
    const { server, client, peer } = await connectPair({ maxMessage: 2 ** 20, maxBuffered: 400_000 });
    // a message that does not fit: the most of it arrives, and then the budget is used up
    void client.send(new Uint8Array(2 ** 20)).catch((error: Error) => error);
    expect((await rejection(peer.recv())).code).toBe('BUFFER_LIMIT');
    await expect.poll(() => server.stats.buffered).toBe(0);
  });

  // defences: every send is charged, not large ones alone, and each message that waits with its overhead
  it('includes small messages that wait to be sent', async () => {
    const { server, peer } = await connectPair({ ...limits, maxBuffered: 400_000, highWaterMark: 20_000 });
    // within one tick: nothing of it has left when the budget is used up
    const few = Array.from({ length: 2000 }, () => peer.send(new Uint8Array(10)));
    expect(server.stats.buffered).toBeGreaterThan(20_000 + 500 * MESSAGE_OVERHEAD);
    await Promise.all(few);
    const many = Array.from({ length: 5000 }, () => peer.send(new Uint8Array(10)));
    expect((await rejection(many[4999] as Promise<void>)).code).toBe('BUFFER_LIMIT');
    await expect.poll(() => server.stats.buffered).toBe(0);
  });

  // defence: every holding is charged, however small
  it.each([
    [40, 14_000, 1, 65_536],
    [200, 10, 20, 2 ** 19],
    [1000, 500, 1, 2 ** 20],
  ])(
    'is bounded for %i clients that each leave little unread',
    { timeout: 120_000 },
    async (count, size, messages, maxBuffered) => {
      const { server } = await connectPair({ maxBuffered, maxPendingHandshakes: 1000 });
      const accepted: SecureClient[] = [];
      const clients: SecureClient[] = [];
      let max = 0;
      for (let i = 0; i < count; i++) {
        const client = clientOf(server, { protocol });
        clients.push(client);
        const [, peer] = await Promise.all([
          client.connect({ port: portOf(server), host: '127.0.0.1' }),
          server.accept(),
        ]);
        accepted.push(peer);
        const gone = client.recv().catch((error: Error) => error);
        for (let m = 0; m < messages; m++) await client.send(new Uint8Array(size)).catch(() => gone);
        max = Math.max(max, server.stats.buffered);
      }
      await expect.poll(() => server.stats.buffered).toBeLessThanOrEqual(maxBuffered);
      // what one client may add before it is noticed
      expect(max).toBeLessThanOrEqual(maxBuffered + 32_768);
      const outcomes = await Promise.all(accepted.map((peer) => peer.recv().catch(({ code }) => code)));
      const evicted = outcomes.filter((outcome) => outcome === 'BUFFER_LIMIT').length;
      expect(evicted).toBeGreaterThan(0);
      expect(evicted).toBeLessThan(count);
      expect(outcomes.filter((outcome) => outcome instanceof Uint8Array)).toHaveLength(count - evicted);
      for (const client of clients) client.destroy();
    },
  );

  // defences: what ended and unfinished connections hold is charged, however little each of them holds
  it.each([
    ['end and leave little unread', 400_000],
    ['leave messages of no bytes unread', 400_000],
    ['begin a message', 1_500_000],
  ])('is bounded for 1,000 clients that %s', { timeout: 120_000 }, async (what, maxBuffered) => {
    const { server } = await connectPair({ maxBuffered, maxPendingHandshakes: 2000 });
    let max = 0;
    const one = async (): Promise<SecureClient> => {
      const client = clientOf(server, { protocol });
      const cut = what === 'begin a message' ? new Cut(await dial(portOf(server))) : undefined;
      const to = { port: portOf(server), host: '127.0.0.1' };
      const [, peer] = await Promise.all([cut ? client.connect(cut) : client.connect(to), server.accept()]);
      if (cut) {
        // more than a hello with a key of ML-KEM, or handshakes would be those that hold the most
        cut.room = 3000;
        void client.send(new Uint8Array(100_000)).catch((error: Error) => error);
      } else {
        const [count, size] = what.startsWith('end') ? [1, 500] : [5, 0];
        for (let i = 0; i < count; i++) await client.send(new Uint8Array(size));
      }
      if (what.startsWith('end')) await client.close();
      open.push({ [Symbol.asyncDispose]: async () => client.destroy() });
      max = Math.max(max, server.stats.buffered);
      return peer;
    };
    const peers: SecureClient[] = [];
    for (let i = 0; i < 1000; i += 10)
      peers.push(...(await Promise.all(Array.from({ length: 10 }, () => one()))));
    await expect.poll(() => server.stats.buffered).toBeGreaterThan(0.9 * maxBuffered);
    expect(server.stats.buffered).toBeLessThanOrEqual(maxBuffered);
    expect(max).toBeLessThanOrEqual(maxBuffered + 32_768);
    // not by `closed`: one may have ended in order before it was evicted, which is a matter of time
    const ends = peers.map((peer) =>
      Promise.race([peer.recv().catch((error: unknown) => error), onNextLoop()]),
    );
    const evicted = (await Promise.all(ends)).filter(
      (error) => error instanceof SecureSocketError && error.code === 'BUFFER_LIMIT',
    ).length;
    expect(evicted).toBeGreaterThan(100);
    expect(evicted).toBeLessThan(900);
  });

  // defence: what waits to be sent is charged as well
  it('includes what clients do not take', async () => {
    const { server, client, peer } = await connectPair({ ...limits, highWaterMark: 2 ** 26 });
    const stop = new AbortController();
    const sending = (async () => {
      while (!stop.signal.aborted) await peer.send(new Uint8Array(SIZE));
    })();
    expect((await rejection(sending)).code).toBe('BUFFER_LIMIT');
    await expect.poll(() => server.stats.buffered).toBeLessThan(20_000);
    client.destroy();
  });
});

async function drain(client: SecureClient): Promise<number | string | undefined> {
  let count = 0;
  try {
    for await (const _ of client) count++;
  } catch (error) {
    return (error as { code?: string }).code;
  }
  return count;
}
