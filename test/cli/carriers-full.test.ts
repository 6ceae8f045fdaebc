import { once } from 'node:events';
import type { ClientHttp2Stream, ServerHttp2Session } from 'node:http2';
import type { SecureClient, SecureServer } from 'secure-sockets';
import { afterEach, expect, test } from 'vitest';
import { answerForStreams } from '../../src/cli/shared/agreement.js';
import { Carriers } from '../../src/cli/shared/carriers.js';
import { serverSession } from '../../src/cli/shared/http2.js';
import { clientOf, portOf, startListening } from '../helpers/sockets.js';

// What becomes of a carrier that has taken as many streams as it may.

const undo: (() => unknown)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

test('a carrier that was full ends with its last stream', async () => {
  const sessions = new Set<ServerHttp2Session>();
  const carriers = await carriersTo((sealed) => serveStreams(sealed, sessions));
  for (let round = 0; round < 2; round++) await endAll(await openMany(carriers, 901));
  await expect.poll(() => sessions.size).toBe(1);
});

test('any number of connections may come while the first carrier is being opened', async () => {
  const carriers = await carriersTo((sealed) => serveStreams(sealed, new Set()));
  expect(await openMany(carriers, 2800)).toHaveLength(2800);
});

/** One carrier at most to a server that serves its connections like that. */
async function carriersTo(serve: (sealed: SecureClient) => Promise<unknown>): Promise<Carriers> {
  const server = await startListening('sealed');
  void acceptAll(server, serve);
  const dial = async (signal: AbortSignal): Promise<SecureClient> => {
    const client = clientOf(server);
    await client.connect({ port: portOf(server), host: '127.0.0.1' }, { signal });
    undo.push(() => client.destroy());
    return client;
  };
  const carriers = new Carriers({ count: 1, dial, stop: new AbortController().signal });
  undo.push(
    () => server.close({ timeout: 0 }),
    () => carriers.close(true),
  );
  return carriers;
}

async function acceptAll(
  server: SecureServer,
  serve: (sealed: SecureClient) => Promise<unknown>,
): Promise<void> {
  for await (const sealed of server) void serve(sealed).catch(() => {});
}

async function serveStreams(sealed: SecureClient, sessions: Set<ServerHttp2Session>): Promise<void> {
  await answerForStreams(sealed, true);
  const session = serverSession(sealed);
  sessions.add(session);
  session.once('close', () => sessions.delete(session));
  session.on('stream', (stream) => {
    stream.on('error', () => {}).on('end', () => stream.end());
    stream.respond({ ':status': 200 });
    stream.resume();
  });
}

/** The streams of so many connections that come at once. */
async function openMany(carriers: Carriers, count: number): Promise<ClientHttp2Stream[]> {
  const passages = await Promise.all(Array.from({ length: count }, () => carriers.open('default')));
  return passages.map((passage) => {
    if (passage.way !== 'stream') throw new Error('carried by itself');
    return passage.stream.on('error', () => {}).resume();
  });
}

async function endAll(streams: readonly ClientHttp2Stream[]): Promise<void> {
  await Promise.all(
    streams.map((stream) => {
      stream.end();
      return once(stream, 'close');
    }),
  );
}
