import { SecureServer } from 'secure-sockets';
import { describe, expect, it } from 'vitest';
import { clientOf, identityFor, pair, portOf, protocols, rawConnection } from '../helpers/sockets.js';
import { slack } from './bounds.js';

const collect = (globalThis as { gc?: () => void }).gc;

interface Usage {
  readonly heap: number;
  readonly rss: number;
}

/** Memory once everything that can be collected has been. */
async function usage(): Promise<Usage> {
  if (collect === undefined) throw new Error('run with --expose-gc');
  for (let i = 0; i < 4; i++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    collect();
  }
  const { heapUsed, external, arrayBuffers, rss } = process.memoryUsage();
  return { heap: heapUsed + external + arrayBuffers, rss };
}

const MEBIBYTE = 2 ** 20;

/** Does something many times, once it has been done often enough that all that is made once is made. */
async function growth(times: number, act: (index: number) => Promise<unknown>): Promise<Usage> {
  for (let i = 0; i < Math.min(1000, times); i++) await act(i);
  const before = await usage();
  for (let i = 0; i < times; i++) await act(i);
  const after = await usage();
  return { heap: after.heap - before.heap, rss: after.rss - before.rss };
}

function report(what: string, { heap, rss }: Usage): void {
  process.stdout.write(
    `${what}: heap ${(heap / MEBIBYTE).toFixed(2)} MiB, RSS ${(rss / MEBIBYTE).toFixed(1)} MiB more\n`,
  );
}

describe.each(protocols)('%s', (protocol) => {
  it('10,000 connections leave nothing behind', async () => {
    const server = new SecureServer({ protocol, identity: await identityFor(protocol) });
    await server.listen({ port: 0, host: '127.0.0.1' });
    const grown = await growth(10_000, async () => {
      const client = clientOf(server, { protocol });
      const accepted = server.accept();
      await client.connect({ port: portOf(server), host: '127.0.0.1' });
      await Promise.all([client.close(), (await accepted).close()]);
    });
    report(`${protocol}, 10,000 connections`, grown);
    // a hundred bytes a connection would be a megabyte
    expect(grown.heap).toBeLessThan(MEBIBYTE);
    expect(grown.rss).toBeLessThan(slack * 48 * MEBIBYTE);
    expect(process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap')).toEqual([]);
    await server.close();
  });

  it('1,000 failed handshakes leave nothing behind, and nothing is written anywhere', async () => {
    const written: unknown[] = [];
    const streams = [process.stdout, process.stderr].map((stream) => ({ stream, write: stream.write }));
    for (const { stream } of streams) {
      stream.write = (chunk: unknown): boolean => {
        written.push(chunk);
        return true;
      };
    }
    let errors = 0;
    const server = new SecureServer({
      protocol,
      identity: await identityFor(protocol),
      onHandshakeError: () => {
        errors++;
      },
    });
    await server.listen({ port: 0, host: '127.0.0.1' });
    let grown: Usage;
    try {
      grown = await growth(1000, async (index) => {
        const before = errors;
        const socket = (await rawConnection(server)).resume();
        if (index % 2 === 0) socket.resetAndDestroy();
        else socket.end(Buffer.alloc(index % 200, 0x41));
        while (errors === before) await new Promise((resolve) => setImmediate(resolve));
      });
    } finally {
      for (const { stream, write } of streams) stream.write = write;
    }
    report(`${protocol}, 1,000 failed handshakes`, grown);
    expect(written).toEqual([]);
    expect(grown.heap).toBeLessThan(MEBIBYTE / 2);
    expect(grown.rss).toBeLessThan(slack * 32 * MEBIBYTE);
    await server.close();
  });

  it('100,000 messages leave nothing behind', async () => {
    const ends = await pair(protocol);
    const { client, peer } = ends;
    const grown = await growth(1000, async (index) => {
      const sending = Array.from({ length: 100 }, (_, i) =>
        client.send(new Uint8Array((index * 7 + i) % 3000)),
      );
      for (let i = 0; i < 100; i++) await peer.recv();
      await Promise.all(sending);
    });
    report(`${protocol}, 100,000 messages`, grown);
    expect(grown.heap).toBeLessThan(MEBIBYTE);
    expect(grown.rss).toBeLessThan(slack * 48 * MEBIBYTE);
    await ends[Symbol.asyncDispose]();
  });
});
