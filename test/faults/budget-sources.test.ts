import { SecureClient, type SecureServer, webStreams } from 'secure-sockets';
import { describe, expect, it } from 'vitest';
import { MemoryBudget } from '../../src/server/memory-budget.js';
import { open } from '../helpers/kept.js';
import { startListening } from '../helpers/sockets.js';

// Whose connection goes when the connections of a server hold too much together.

/** Connects to a server from an address; both ends. */
async function connectFrom(
  server: SecureServer,
  remoteAddress: string,
): Promise<[SecureClient, SecureClient]> {
  const [there, back] = [new TransformStream<Uint8Array>(), new TransformStream<Uint8Array>()];
  const client = new SecureClient({ serverKey: server.fingerprint });
  open.push({ [Symbol.asyncDispose]: async () => client.destroy() });
  await server.attach(webStreams({ readable: there.readable, writable: back.writable }, { remoteAddress }));
  const [, peer] = await Promise.all([
    client.connect(webStreams({ readable: back.readable, writable: there.writable })),
    server.accept(),
  ]);
  return [client, peer];
}

async function codeOf(peer: SecureClient): Promise<unknown> {
  return peer.recv().then(
    (message) => message?.length,
    (error) => error.code,
  );
}

describe('a client with many connections', () => {
  // defence: of the sources the one that holds the most has to give something up
  it.each([
    ['an IPv4 address', (_: number) => '198.51.100.1'],
    ['a network of IPv6', (i: number) => `2001:db8::${i + 1}`],
  ])('of %s does not have those of others ended that hold more each', async (_, addressOf) => {
    const server = await startListening('sealed', { maxMessage: 2 ** 20, maxBuffered: 800_000 });
    open.push(server);
    const [honest, itsPeer] = await connectFrom(server, '192.0.2.7');
    await honest.send(new Uint8Array(300_000));
    await expect.poll(() => server.stats.buffered).toBeGreaterThan(300_000);
    const peers: SecureClient[] = [];
    for (let i = 0; i < 8; i++) {
      const [client, peer] = await connectFrom(server, addressOf(i));
      peers.push(peer);
      void client.send(new Uint8Array(100_000)).catch((error: Error) => error);
      // it is there, or was too much
      await expect.poll(() => peer.bytesRead).toBeGreaterThan(100_000);
    }
    expect(server.stats.buffered).toBeLessThanOrEqual(800_000);
    expect(await codeOf(itsPeer)).toBe(300_000);
    // an evicted one has rejected already; the others have a message
    const outcomes = await Promise.all(peers.map(codeOf));
    expect(outcomes.filter((outcome) => outcome === 'BUFFER_LIMIT').length).toBeGreaterThan(2);
    expect(outcomes.filter((outcome) => outcome === 100_000).length).toBeGreaterThan(2);
  });
});

describe('a budget', () => {
  interface One {
    buffered: number;
    readonly source: string | undefined;
  }

  function budgetOf(limit: number, holders: One[]): { budget: MemoryBudget<One>; evicted: One[] } {
    const evicted: One[] = [];
    const budget = new MemoryBudget<One>(
      limit,
      () => holders,
      ({ source }) => source,
      (one) => {
        const { buffered } = one;
        evicted.push(one);
        one.buffered = 0;
        budget.charge(-buffered);
      },
    );
    for (const { buffered } of holders) budget.charge(buffered);
    return { budget, evicted };
  }

  it('has as many of a source go as it takes, largest first, without a stack that grows with them', () => {
    const small = Array.from({ length: 20_000 }, (_, i): One => ({ buffered: 10 + (i % 2), source: 'many' }));
    const big: One = { buffered: 0, source: 'one' };
    const { budget, evicted } = budgetOf(210_000, [...small, big]);
    expect(evicted).toEqual([]);
    big.buffered = 100_000;
    budget.charge(100_000);
    expect(budget.total).toBeLessThanOrEqual(210_000);
    expect(evicted).not.toContain(big);
    expect(evicted.length).toBeGreaterThan(9000);
    expect(evicted.length).toBeLessThan(10_001);
  });

  it('takes holders without a source each by themselves', () => {
    const alone = Array.from({ length: 10 }, (): One => ({ buffered: 10, source: undefined }));
    const [two, three]: One[] = [
      { buffered: 30, source: 'same' },
      { buffered: 25, source: 'same' },
    ];
    const { budget, evicted } = budgetOf(160, [...alone, two as One, three as One]);
    (alone[3] as One).buffered = 20;
    budget.charge(10);
    expect(evicted).toEqual([two]);
    expect(budget.total).toBe(135);
  });

  it('ends no one for what was given back without being reported', () => {
    const one: One = { buffered: 90, source: undefined };
    const { budget, evicted } = budgetOf(100, [one]);
    one.buffered = 10;
    budget.charge(50);
    expect(evicted).toEqual([]);
  });
});
