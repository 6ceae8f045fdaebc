import { once } from 'node:events';
import type { ClientHttp2Stream, ServerHttp2Session } from 'node:http2';
import type { SecureClient, SecureServer } from 'secure-sockets';
import { afterEach, expect, test } from 'vitest';
import { answerForStreams } from '../../src/cli/shared/agreement.js';
import { Carriers } from '../../src/cli/shared/carriers.js';
import { serverSession } from '../../src/cli/shared/http2.js';
import { clientOf, portOf, startListening } from '../helpers/sockets.js';

// What becomes of a carrier that has taken as many streams as it may, and of a server's answer to the question for one.

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

test('a server that has not answered is asked once more by the next connection', async () => {
  const served: Array<(sealed: SecureClient) => Promise<unknown>> = [
    (sealed) => sealed.send(Buffer.from('greeting')),
    (sealed) => serveStreams(sealed, new Set()),
  ];
  const carriers = await carriersTo(async (sealed) => served.shift()?.(sealed));
  expect(await carriers.open('default')).toMatchObject({
    way: 'bytes',
    first: new TextEncoder().encode('greeting'),
  });
  expect(await carriers.open('default')).toMatchObject({ way: 'stream' });
});

test.each([
  ['has refused', 1, async (sealed: SecureClient) => (await answerForStreams(sealed, false)) === undefined],
  ['has spoken first twice', 2, spokenFirst],
])('a server that %s is not asked again', async (_, count, serve) => {
  const asked: boolean[] = [];
  const carriers = await carriersTo(async (sealed) => asked.push(await serve(sealed)));
  for (let opened = 0; opened < 4; opened++) {
    const passage = await carriers.open('default');
    if (passage.way === 'bytes') await passage.sealed.send(Buffer.from('hello'));
    expect(passage.way).toBe('bytes');
  }
  await expect.poll(() => asked.filter((one) => one)).toHaveLength(count);
});

test('a client that is stopped does not wait for the answer', async () => {
  const stop = new AbortController();
  const carriers = await carriersTo(async () => stop.abort(new Error('stopped')), stop.signal);
  const begun = performance.now();
  await expect(carriers.open('default')).rejects.toThrow('stopped');
  expect(performance.now() - begun).toBeLessThan(1500);
});

/** Sends something first, as older servers do; whether it was asked for streams. */
async function spokenFirst(sealed: SecureClient): Promise<boolean> {
  await sealed.send(Buffer.from('greeting'));
  return (await sealed.recv())?.length === 0;
}

/** One carrier at most to a server that serves its connections like that. */
async function carriersTo(
  serve: (sealed: SecureClient) => Promise<unknown>,
  stop: AbortSignal = new AbortController().signal,
): Promise<Carriers> {
  const server = await startListening('sealed');
  void acceptAll(server, serve);
  const dial = async (signal: AbortSignal): Promise<SecureClient> => {
    const client = clientOf(server);
    await client.connect({ port: portOf(server), host: '127.0.0.1' }, { signal });
    undo.push(() => client.destroy());
    return client;
  };
  const carriers = new Carriers({ count: 1, dial, stop });
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
