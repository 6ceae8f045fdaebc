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

type Act = (index: number) => Promise<unknown>;

/** Does something many times, once it has been done often enough that all that is made once is made. */
async function growth(times: number, act: Act, atOnce = 1): Promise<Usage> {
  await repeat(Math.min(1000, times), act, atOnce);
  const before = await usage();
  await repeat(times, act, atOnce);
  const after = await usage();
  return { heap: after.heap - before.heap, rss: after.rss - before.rss };
}

async function repeat(times: number, act: Act, atOnce: number): Promise<void> {
  for (let i = 0; i < times; i += atOnce)
    await Promise.all(Array.from({ length: atOnce }, (_, k) => act(i + k)));
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
    const connect = async (): Promise<void> => {
      const client = clientOf(server, { protocol });
      const accepted = server.accept();
      await client.connect({ port: portOf(server), host: '127.0.0.1' });
      await Promise.all([client.close(), (await accepted).close()]);
    };
    // some at once: each waits for its peer, and classic for a moment after its handshake
    const grown = await growth(10_000, connect, 10);
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
