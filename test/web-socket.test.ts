import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { WEB_SOCKET_PROTOCOL, webSocket } from 'secure-sockets';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { clientOf, protocols, rejection, startListening } from './helpers/sockets.js';
import { record } from './helpers/transport-log.js';
import { asStandard } from './helpers/web-sockets.js';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A WebSocket server, its address, and the next socket of it. */
async function startServer(): Promise<{
  url: string;
  next: () => Promise<WebSocket>;
  sockets: WebSocketServer;
}> {
  const http = createServer().listen(0, '127.0.0.1');
  await once(http, 'listening');
  const sockets = new WebSocketServer({ server: http });
  cleanups.push(() => {
    for (const socket of sockets.clients) socket.terminate();
    http.close();
  });
  const next = async (): Promise<WebSocket> => (await once(sockets, 'connection'))[0] as WebSocket;
  return { url: `ws://127.0.0.1:${(http.address() as AddressInfo).port}`, next, sockets };
}

describe.each(protocols)('%s over a WebSocket', (protocol) => {
  it.each([
    ['the socket is cut', (socket: WebSocket) => socket.terminate()],
    ['the socket is closed with a code of failure', (socket: WebSocket) => socket.close(1011)],
  ])('ends with TRUNCATED at both ends once it is open and %s', async (_, cut) => {
    const server = await startListening(protocol);
    cleanups.push(() => server.close({ timeout: 100 }));
    const { url, sockets } = await startServer();
    sockets.on('connection', (socket) => void server.attach(webSocket(socket)));
    const client = clientOf(server, { protocol });
    await client.connect(webSocket(new WebSocket(url, WEB_SOCKET_PROTOCOL)));
    const peer = await server.accept();
    const errors = Promise.all([rejection(client.recv()), rejection(peer.recv())]);
    for (const socket of sockets.clients) cut(socket);
    for (const error of await errors)
      expect(error).toMatchObject({
        ...{ code: 'TRUNCATED', blame: 'network' },
        ...{ message: expect.stringContaining('code 10'), cause: { code: 'TRANSPORT_FAILED' } },
      });
  });

  it.each(['client', 'server'] as const)(
    'closes the WebSocket in order at both ends when the %s ends',
    async (side) => {
      const server = await startListening(protocol);
      cleanups.push(() => server.close({ timeout: 100 }));
      const { url, sockets } = await startServer();
      const codes: Promise<unknown>[] = [];
      sockets.on('connection', (socket) => {
        codes.push(once(socket, 'close'));
        void server.attach(webSocket(socket));
      });
      for (const kind of ['ws', 'standard']) {
        const socket = new WebSocket(url, WEB_SOCKET_PROTOCOL);
        codes.push(once(socket, 'close'));
        const client = clientOf(server, { protocol });
        await client.connect(webSocket(kind === 'ws' ? socket : asStandard(socket)));
        const peer = await server.accept();
        const [first, second] = side === 'client' ? [client, peer] : [peer, client];
        const end = second.recv().then(() => second.close());
        await Promise.all([first.close(), end]);
      }
      expect((await Promise.all(codes)).map((code) => (code as number[])[0])).toEqual([
        1000, 1000, 1000, 1000,
      ]);
    },
  );

  it('cuts a WebSocket whose peer does not answer the close', async () => {
    const server = await startListening(protocol, { closeTimeout: 200 });
    cleanups.push(() => server.close({ timeout: 100 }));
    const { url, sockets } = await startServer();
    sockets.on('connection', (socket) => void server.attach(webSocket(socket)));
    const socket = new WebSocket(url, WEB_SOCKET_PROTOCOL);
    const client = clientOf(server, { protocol });
    await client.connect(webSocket(socket));
    const peer = await server.accept();
    socket.pause();
    const closed = once([...sockets.clients][0] as WebSocket, 'close');
    await peer.close();
    expect((await closed)[0]).toBe(1006);
    client.destroy();
  });

  it.each(['ws', 'standard'])('carries messages of 0 bytes to 8 MiB both ways, by %s', async (kind) => {
    const server = await startListening(protocol);
    cleanups.push(() => server.close({ timeout: 100 }));
    const { url, sockets } = await startServer();
    sockets.on('connection', (socket, { socket: { remoteAddress, remotePort } }) => {
      void server.attach(webSocket(socket, { remoteAddress, remotePort }));
    });
    const client = clientOf(server, { protocol });
    const socket = new WebSocket(url, WEB_SOCKET_PROTOCOL);
    await client.connect(webSocket(kind === 'ws' ? socket : asStandard(socket)));
    const peer = await server.accept();
    expect(peer.remoteAddress).toBe('127.0.0.1');
    const messages = [0, 1, 1000, 65_536, 8 * 2 ** 20, 3].map((length) => randomBytes(length));
    for (const [from, to] of [
      [client, peer],
      [peer, client],
    ] as const) {
      const sending = Promise.all(messages.map((message) => from.send(message)));
      for (const message of messages) expect(message.equals((await to.recv()) as Uint8Array)).toBe(true);
      await sending;
    }
    await client.send(Uint8Array.of(1));
    await client.close();
    expect(await peer.recv()).toEqual(Uint8Array.of(1));
    expect(await peer.recv()).toBeNull();
    await expect.poll(() => server.stats.open).toBe(0);
    expect(server.stats.rejected).toEqual({});
  });
});

describe('webSocket()', () => {
  it('offers the subprotocol', async () => {
    const { url, next } = await startServer();
    const accepted = next();
    record(webSocket(url, { WebSocket }));
    expect((await accepted).protocol).toBe('secure-sockets.1');
  });

  it('of ws takes no long message, and offers no compression', async () => {
    const { url, next } = await startServer();
    const accepted = next();
    const log = record(webSocket(url, { WebSocket }));
    const peer = await accepted;
    expect(peer.extensions).toBe('');
    peer.send(new Uint8Array(1_048_576));
    await expect.poll(log.received).toBe(1_048_576);
    peer.send(new Uint8Array(1_048_577));
    await expect.poll(() => log.error?.message).toContain('Max payload size exceeded');
    expect(log.received()).toBe(1_048_576);
  });

  it('refuses text', async () => {
    const { url, next } = await startServer();
    const accepted = next();
    const log = record(webSocket(url, { WebSocket }));
    const far = await accepted;
    far.send('GET / HTTP/1.1');
    const [code] = await once(far, 'close');
    expect(code).toBe(4003);
    expect(log.events).toEqual(['close']);
    expect(log.error).toMatchObject({ code: 'PROTOCOL', blame: 'peer' });
  });

  it('that cannot pause holds what comes meanwhile, and no more than maxReadAhead', async () => {
    const { url, next } = await startServer();
    const accepted = next();
    const socket = asStandard(new WebSocket(url));
    const transport = webSocket(socket, { maxReadAhead: 100_000 });
    const log = record(transport);
    const far = await accepted;
    transport.pause();
    far.send(new Uint8Array(50_000));
    await pause(50);
    expect(log.received()).toBe(0);
    transport.resume();
    await expect.poll(log.received).toBe(50_000);
    transport.pause();
    for (let i = 0; i < 3; i++) far.send(new Uint8Array(40_000));
    const [code] = await once(far, 'close');
    expect(code).toBe(4009);
    expect(log.error).toMatchObject({ code: 'BUFFER_LIMIT' });
    expect(log.error?.message).toContain('maxReadAhead is 100000');
    expect(log.error?.message).toContain('read faster, or raise it');
    // what was held is complete and in order, and was not kept back
    expect(log.received()).toBe(170_000);
  });

  it('counts empty and tiny chunks too', async () => {
    const { url, next } = await startServer();
    const accepted = next();
    const transport = webSocket(asStandard(new WebSocket(url)), { maxReadAhead: 65_536 });
    const log = record(transport);
    const far = await accepted;
    transport.pause();
    for (let i = 0; i < 600; i++) far.send(Uint8Array.of(i));
    await expect.poll(() => log.error?.code).toBe('BUFFER_LIMIT');
  });

  it('of ws makes the peer wait', async () => {
    const { url, next } = await startServer();
    const accepted = next();
    const transport = webSocket(url, { WebSocket, maxReadAhead: 65_536 });
    const log = record(transport);
    const far = await accepted;
    transport.pause();
    for (let i = 0; i < 64; i++) far.send(new Uint8Array(2 ** 20));
    await pause(300);
    expect(far.bufferedAmount).toBeGreaterThan(2 ** 24);
    transport.resume();
    await expect.poll(log.received).toBe(64 * 2 ** 20);
    expect(log.events).toEqual([]);
  });

  const endings: [name: string, act: (far: WebSocket) => void, events: string[], code: string | undefined][] =
    [
      ['an empty message', (far) => far.send(new Uint8Array(0)), ['end'], undefined],
      ['close code 1000', (far) => far.close(1000), ['end', 'close'], undefined],
      ['no close code', (far) => far.close(), ['end', 'close'], undefined],
      ['close code 1001', (far) => far.close(1001), ['close'], undefined],
      ['close code 4000', (far) => far.close(4000), ['close'], undefined],
      ['close code 1011', (far) => far.close(1011, 'out of order'), ['close'], 'TRANSPORT_FAILED'],
      ['close code 4900', (far) => far.close(4900), ['close'], 'TRANSPORT_FAILED'],
      ['a cut', (far) => far.terminate(), ['close'], 'TRANSPORT_FAILED'],
    ];
  it.each(endings)('takes %s for what it is', async (_, act, events, code) => {
    const { url, next } = await startServer();
    const accepted = next();
    const log = record(webSocket(url, { WebSocket }));
    const far = await accepted;
    far.send(new Uint8Array(10));
    act(far);
    await expect.poll(() => log.events).toEqual(events);
    expect(log.received()).toBe(10);
    expect(log.error?.code).toBe(code);
    if (code) expect(log.error?.message).toMatch(/code (1006|1011, out of order|4900)/);
  });

  it('says so if it cannot be opened', async () => {
    const { url } = await startServer();
    const refused = url.replace(/\d+$/, '1');
    const log = record(webSocket(refused, { WebSocket }));
    await expect.poll(() => log.events).toEqual(['close']);
    expect(log.error).toMatchObject({ code: 'TRANSPORT_FAILED', blame: 'network' });
    expect(log.error?.message).toContain('could not be opened');
    expect(log.error?.message).toContain('ECONNREFUSED');
    expect(log.error?.cause).toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('says so if it was closed before', async () => {
    const { url, next } = await startServer();
    const accepted = next();
    const socket = new WebSocket(url);
    (await accepted).close();
    await once(socket, 'close');
    const log = record(webSocket(socket));
    await expect.poll(() => log.events).toEqual(['close']);
    expect(log.error?.message).toContain('closed before');
  });

  it('may be given up while it connects, and connect() with it', async () => {
    const server = await startListening('sealed');
    cleanups.push(() => server.close());
    const { url } = await startServer();
    const controller = new AbortController();
    const client = clientOf(server);
    const connecting = client.connect(webSocket(url, { WebSocket }), { signal: controller.signal });
    controller.abort(new Error('changed my mind'));
    expect((await rejection(connecting)).message).toBe('changed my mind');
  });

  it('refuses what it cannot use', () => {
    for (const wrong of [null, undefined, 7, {}, { send: () => {} }])
      expect(() => webSocket(wrong as never)).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
    for (const address of ['', 'tcp://127.0.0.1', 'ws://a b'])
      expect(() => webSocket(address, { WebSocket })).toThrow(
        expect.objectContaining({ code: 'BAD_ARGUMENT' }),
      );
    for (const maxReadAhead of [0, 65_535, 1e6 + 0.5, 2 ** 31, '1'])
      expect(() => webSocket('ws://127.0.0.1:1', { WebSocket, maxReadAhead } as never)).toThrow(
        expect.objectContaining({ code: 'BAD_OPTION' }),
      );
  });

  it.skipIf('WebSocket' in globalThis)('says what to do where the platform has no WebSocket', () => {
    expect(() => webSocket('ws://127.0.0.1:1')).toThrow(/import \{ WebSocket \} from 'ws'/);
  });

  it('sends no more than a server takes at once', async () => {
    const { url, next } = await startServer();
    const accepted = next();
    const transport = webSocket(url, { WebSocket });
    record(transport);
    const far = await accepted;
    const lengths: number[] = [];
    far.on('message', (data: Buffer) => lengths.push(data.length));
    transport.write([new Uint8Array(3), new Uint8Array(1_052_689), new Uint8Array(19), new Uint8Array(5)]);
    await expect.poll(() => lengths.reduce((sum, length) => sum + length, 0)).toBe(1_052_716);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(256 * 1024);
    expect(lengths.length).toBeLessThan(9);
  });
});
