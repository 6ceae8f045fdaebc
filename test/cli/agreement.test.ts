import { type Socket, connect as tcpConnect } from 'node:net';
import { join } from 'node:path';
import { Identity, type SecureClient, SecureServer } from 'secure-sockets';
import { describe, expect, test } from 'vitest';
import { type Agreement, answerForStreams, askForStreams } from '../../src/cli/shared/agreement.js';
import { FaultProxy } from '../helpers/proxy.js';
import { clientOf, portOf as portOfServer, startListening } from '../helpers/sockets.js';
import { portOf } from './command.js';
import { reachable } from './configured.js';
import {
  addressOf,
  begin,
  echo,
  plainServer,
  tunnelClient,
  tunnelServer,
  tunnelTo,
  usePlace,
} from './place.js';

// Whether the two ends of a tunnel use streams.

const place = usePlace();

describe('ends of different ages agree', () => {
  test.each([
    ['a client without streams', ['--carriers', '0'], []],
    ['a server without streams', [], ['--carriers', '0']],
    ['a server that keeps messages apart', [], ['--settle', '50']],
  ])('%s', async (_, client, server) => {
    const target = await plainServer((socket) => {
      socket.write('greeting ');
      socket.pipe(socket);
    });
    const { port } = await tunnelTo(target, { client, server });
    for (const word of ['one', 'two', 'three']) expect(await echo(port, word)).toBe(`greeting ${word}`);
  });

  test('an older server with a target that speaks first', async () => {
    const { port, connections, bytes } = await oldServer((socket) => {
      socket.write('greeting ');
      socket.pipe(socket);
    });
    for (const word of ['one', 'two']) expect(await echo(port, word)).toBe(`greeting ${word}`);
    expect(connections()).toBe(2);
    expect(bytes()).toBe('onetwo');
  });

  test('an older server with a target that waits for its client', { timeout: 30_000 }, async () => {
    const { port, bytes } = await oldServer((socket) => socket.pipe(socket));
    expect(await echo(port, 'one')).toBe('one');
    expect(bytes()).toBe('one');
  });
});

describe('over a slow link', () => {
  test('both ends agree on streams', async () => {
    const agreed = [300, 600, 1000].map(async (roundTrip) => {
      const { client, answer } = await connectOver(roundTrip);
      return [await askForStreams(client), await answer];
    });
    const streams = { way: 'streams' };
    expect(await Promise.all(agreed)).toEqual(Array(3).fill([streams, streams]));
  });

  test('a silent client is served as soon as it would have asked', async () => {
    const { answer } = await connectOver(300);
    const begun = performance.now();
    expect(await answer).toEqual({ way: 'bytes' });
    expect(performance.now() - begun).toBeLessThan(1000);
  });

  test('a tunnel with names carries its first connections, and all on one', async () => {
    const target = await plainServer((socket) => socket.pipe(socket));
    const server = begin(
      ...(['tunnel', 'server', '-v', '--identity', 'server.pem', '--authorized-keys', 'keys'] as const),
      ...['--target', `one=${addressOf(target)}`, '127.0.0.1:0'],
    );
    const proxy = await slowTo(await portOf(server), 300);
    const to = `127.0.0.1:${proxy.port}`;
    const keys = ['--identity', 'client.pem', '--server-key', place.serverKey];
    const client = begin('tunnel', 'client', ...keys, '--target', 'one=127.0.0.1:0', to);
    const port = Number((await client.until(/listening at 127.0.0.1:(\d+) for one/))[1]);
    expect(await Promise.all(['one', 'two'].map((word) => echo(port, word)))).toEqual(['one', 'two']);
    expect(server.errors().match(/connected: /g)).toHaveLength(1);
  });
});

test('a server that stops takes what a client over a slow link opens before it can know', {
  timeout: 30_000,
}, async () => {
  const target = await plainServer((socket) => socket.pipe(socket));
  const server = await tunnelServer(target);
  const serverPort = await portOf(server);
  const delay: [number, number] = [0, 0];
  const proxy = await FaultProxy.listen(serverPort, { toServer: { delay }, toClient: { delay } });
  place.undo.push(() => proxy[Symbol.asyncDispose]());
  const { port, running } = await tunnelClient(proxy.port);
  expect(await echo(port, 'one')).toBe('one');
  delay.fill(1100);
  const stopped = server.stop();
  await expect.poll(() => reachable(serverPort)).toBe(false);
  expect(await echo(port, 'two')).toBe('two');
  expect(await stopped).toMatchObject({ code: 0 });
  expect(running.errors()).not.toContain('lost');
});

/** A tunnel client, and a server that carries each connection as servers did before they knew streams. */
async function oldServer(
  serve: (socket: Socket) => void,
): Promise<{ port: number; connections: () => number; bytes: () => string }> {
  let [connections, bytes] = [0, ''];
  const target = await plainServer(serve);
  const server = new SecureServer({
    identity: await Identity.load(join(place.folder, 'server.pem')),
    allowHalfOpen: true,
  });
  await server.listen({ host: '127.0.0.1', port: 0 });
  place.undo.push(() => server.close({ timeout: 100 }));
  const carry = async (sealed: SecureClient): Promise<void> => {
    connections++;
    const socket = tcpConnect({
      port: Number(addressOf(target).split(':')[1]),
      host: '127.0.0.1',
      allowHalfOpen: true,
    });
    socket.on('error', () => {});
    socket.on('data', (chunk) => void sealed.send(chunk).catch(() => {}));
    socket.on('end', () => void sealed.end().catch(() => {}));
    for await (const message of sealed) {
      bytes += String(Buffer.from(message));
      socket.write(message);
    }
    socket.end();
  };
  void (async () => {
    for await (const sealed of server) carry(sealed).catch(() => {});
  })();
  const { port } = await tunnelClient(portOfServer(server), []);
  return { port, connections: () => connections, bytes: () => bytes };
}

/** A proxy to a port, there and back through which takes so many milliseconds. */
async function slowTo(port: number, roundTrip: number): Promise<FaultProxy> {
  const delay = [roundTrip / 2, roundTrip / 2] as const;
  const proxy = await FaultProxy.listen(port, { toServer: { delay }, toClient: { delay } });
  place.undo.push(() => proxy[Symbol.asyncDispose]());
  return proxy;
}

/** A client over a slow link, as soon as it is connected, and the answer of its server, which is connected before. */
async function connectOver(
  roundTrip: number,
): Promise<{ client: SecureClient; answer: Promise<Agreement | undefined> }> {
  const server = await startListening('sealed');
  const answer = server.accept().then((accepted) => answerForStreams(accepted, true));
  const client = clientOf(server);
  place.undo.push(
    () => server.close({ timeout: 0 }),
    () => client.destroy(),
  );
  await client.connect({ port: (await slowTo(portOfServer(server), roundTrip)).port, host: '127.0.0.1' });
  return { client, answer };
}
