import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { type ConnectionEnd, SecureClient, SecureServer, type SecureSocketError } from 'secure-sockets';
import { describe, expect, it } from 'vitest';
import { keep } from './helpers/kept.js';
import {
  clientOf,
  identityFor,
  pair,
  pause,
  portOf,
  protocols,
  rejection,
  startListening,
} from './helpers/sockets.js';

/** A TCP relay that lets so many bytes a second through towards the server. */
async function slowRelay(port: number, bytesPerSecond: number): Promise<number> {
  const sockets: Socket[] = [];
  const relay = createServer({ allowHalfOpen: true }, (downstream) => {
    const upstream = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    sockets.push(downstream, upstream);
    for (const socket of [downstream, upstream]) socket.on('error', () => socket.destroy());
    upstream.pipe(downstream);
    downstream.on('data', (chunk) => {
      upstream.write(chunk);
      downstream.pause();
      setTimeout(() => downstream.resume(), (chunk.length / bytesPerSecond) * 1000);
    });
    downstream.on('end', () => upstream.end());
  });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  keep({
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      relay.close();
    },
  });
  return (relay.address() as { port: number }).port;
}

describe.each(protocols)('%s', (protocol) => {
  it('close() lets a slow peer take everything, however long that is, as long as it goes on taking', async () => {
    const server = keep(await startListening(protocol));
    const port = await slowRelay(portOf(server), 2_500_000);
    const client = clientOf(server, { protocol, closeTimeout: 1500 });
    await client.connect({ port, host: '127.0.0.1' });
    const peer = await server.accept();
    const reading = (async () => {
      let count = 0;
      for await (const message of peer) count += message.length === 900_000 ? 1 : 0;
      return count;
    })();
    for (let i = 0; i < 8; i++) await client.send(new Uint8Array(900_000));
    await client.close();
    expect(await reading).toBe(8);
  });

  it('close() waits as long as it is told, in a later call too', async () => {
    const waits: [string, (client: SecureClient) => Promise<ConnectionEnd>, string | undefined][] = [
      ['as the option says', (client) => client.close(), 'TRUNCATED'],
      ['longer', (client) => client.close({ timeout: 20_000 }), undefined],
      [
        'longer, by a second call',
        (client) => {
          void client.close();
          return client.close({ timeout: 20_000 });
        },
        undefined,
      ],
    ];
    for (const [name, close, code] of waits) {
      const { client, peer } = keep(
        await pair(protocol, { server: { allowHalfOpen: true }, client: { closeTimeout: 100 } }),
      );
      const closing = close(client);
      expect(await peer.recv()).toBeNull();
      await pause(600);
      peer.end().catch(() => {});
      expect((await closing).error, name).toEqual(code && expect.objectContaining({ code }));
      peer.destroy();
    }
  });

  it('close() waits shorter, too', async () => {
    const { client } = keep(
      await pair(protocol, { server: { allowHalfOpen: true }, client: { closeTimeout: 100_000 } }),
    );
    const { error } = await client.close({ timeout: 50 });
    expect(error).toMatchObject({ code: 'TRUNCATED', message: expect.stringContaining('within 50 ms') });
  });

  it('delivers what was received whole before the connection broke, however slowly it was read', async () => {
    const limits = { maxMessage: 20_000, ...(protocol === 'sealed' ? { maxRecord: 16384 } : {}) };
    const { client, peer } = keep(await pair(protocol, { server: limits }));
    for (let i = 0; i < 12; i++) await client.send(new Uint8Array(10_000).fill(i));
    // the handshake takes less than 2000 bytes, and a message less than 10,100
    const whole = (): number => Math.floor((peer.bytesRead - 2000) / 10_100);
    await expect.poll(whole).toBeGreaterThan(3);
    client.destroy();
    await pause(50);
    for (let i = 0; i < 4; i++) expect((await peer.recv())?.[9_999]).toBe(i);
  });

  it('close() and destroy() end a connection attempt', async () => {
    const silent = createServer((socket) => socket.on('error', () => {}).resume());
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as { port: number };
    const server = keep(await startListening(protocol));
    for (const act of ['close', 'destroy'] as const) {
      const client = clientOf(server, { protocol });
      const connecting = rejection(client.connect({ port, host: '127.0.0.1' }));
      setTimeout(() => void client[act](), 30);
      expect((await connecting).code).toBe('CLOSED');
      expect((await rejection(client.send(new Uint8Array(1)))).code).toBe('NOT_CONNECTED');
    }
    const reason = new Error('mine');
    const client = clientOf(server, { protocol });
    const connecting = rejection(client.connect({ port, host: '127.0.0.1' }));
    client.destroy(reason);
    expect(await connecting).toBe(reason);
    silent.close();
  });

  it('listen() settles when the server is closed meanwhile', async () => {
    const identity = await identityFor(protocol);
    for (const wait of [0, 1, 5]) {
      const server = new SecureServer({ protocol, identity });
      const listens = server
        .listen({ port: 0, host: '127.0.0.1' })
        .catch((error: SecureSocketError) => error.code);
      for (let i = 0; i < wait * 3; i++) await Promise.resolve();
      await server.close();
      expect([undefined, 'CLOSED']).toContain(await listens);
    }
  });

  it('sends whose promises are ignored do not end the process when the peer dies', async () => {
    const unhandled: unknown[] = [];
    const onUnhandled = (reason: unknown): void => void unhandled.push(reason);
    process.on('unhandledRejection', onUnhandled);
    const { client, peer } = keep(await pair(protocol, { client: { highWaterMark: 20_000 } }));
    for (let i = 0; i < 200; i++) void client.send(new Uint8Array(50_000));
    peer.destroy();
    await expect
      .poll(async () =>
        client.send(new Uint8Array(1)).then(
          () => 'sent',
          () => 'failed',
        ),
      )
      .toBe('failed');
    await pause(20);
    process.off('unhandledRejection', onUnhandled);
    expect(unhandled).toEqual([]);
  });

  it('addresses outlive the connection', async () => {
    const { client, peer } = keep(await pair(protocol));
    const { remotePort } = peer;
    await Promise.all([client.close(), peer.close()]);
    expect(peer.remoteAddress).toBe('127.0.0.1');
    expect(peer.remotePort).toBe(remotePort);
    expect(SecureClient.name).toBe('SecureClient');
  });
});

describe('addresses', () => {
  it.each([
    [{ port: 0, hostname: '127.0.0.1' }, 'did you mean host?'],
    [{ port: 5, size: 1 }, 'has no "size"'],
    ['localhost:9000', 'not "localhost:9000"'],
    [9000, 'not 9000'],
    [{ port: 70_000 }, 'not 70000'],
    [{ path: '' }, 'path must be text'],
    [
      new (class extends Object {
        pipe(): void {}
      })(),
      'fromDuplex',
    ],
  ])('%j is refused', async (address, expected) => {
    const server = new SecureServer({ protocol: 'classic' });
    const client = new SecureClient({ serverKey: `SHA256:${'A'.repeat(43)}` });
    for (const attempt of [server.bind(address as never), client.connect(address as never)]) {
      const error = await rejection(attempt);
      expect(error.code).toBe('BAD_ARGUMENT');
      expect(error.message).toContain(expected);
    }
  });

  it('may have parts that are undefined', async () => {
    const server = keep(new SecureServer({ protocol: 'classic', identity: await identityFor('classic') }));
    await server.listen({ port: 0, host: '127.0.0.1', path: undefined } as never);
    expect(portOf(server)).toBeGreaterThan(0);
  });
});

describe('classic, which has no message for the end', () => {
  it.each([
    ['an idle timeout', { idleTimeout: 100 }, async () => {}],
    ['destroy()', {}, async (peer: SecureClient) => peer.destroy()],
    [
      'destroy() after messages',
      {},
      async (peer: SecureClient) => {
        await peer.send(new Uint8Array(10));
        await pause(100);
        peer.destroy();
      },
    ],
  ])('lets the peer tell %s from an end in order', async (_, options, act) => {
    const { client, peer } = keep(await pair('classic', { server: options }));
    await act(peer);
    const received = (async () => {
      for await (const message of client) expect(message).toHaveLength(10);
    })();
    expect(await rejection(received)).toMatchObject({ code: 'TRUNCATED', blame: 'network' });
  });

  it('lets the peer tell a frame that is wrong, too', async () => {
    const { client, peer } = keep(
      await pair('classic', { client: { maxMessage: 1_000_000 }, server: { maxMessage: 1024 } }),
    );
    await client.send(new Uint8Array(5000));
    expect(await rejection(peer.recv())).toMatchObject({ code: 'BAD_FRAME' });
    expect(await rejection(client.recv())).toMatchObject({ code: 'TRUNCATED' });
  });

  it('ends in order by close(), though the peer does not answer', async () => {
    const { client, peer } = keep(
      await pair('classic', { client: { allowHalfOpen: true }, server: { closeTimeout: 100 } }),
    );
    await peer.send(new Uint8Array(10));
    expect((await peer.close()).error).toMatchObject({ code: 'TRUNCATED' });
    await pause(50);
    expect(await client.recv()).toHaveLength(10);
    expect(await client.recv()).toBeNull();
  });
});
