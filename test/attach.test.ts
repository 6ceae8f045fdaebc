import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, BlockList, connect, createServer } from 'node:net';
import { type Duplex, duplexPair } from 'node:stream';
import {
  fromDuplex,
  type SecureClient,
  SecureServer,
  SecureSocketError,
  type ServerOptions,
  type Transport,
} from 'secure-sockets';
import { describe, expect, it } from 'vitest';
import { open } from './helpers/kept.js';
import { clientOf, identityFor, pause, portOf, protocols, rejection } from './helpers/sockets.js';
import { bytes, sha256, text } from './helpers/texts.js';

describe.each(protocols)('%s over transports of their own', (protocol) => {
  async function serverWith(options: ServerOptions = {}): Promise<SecureServer> {
    const server = new SecureServer({
      protocol,
      identity: await identityFor(protocol),
      closeTimeout: 300,
      ...options,
    });
    open.push({ [Symbol.asyncDispose]: () => server.close({ timeout: 100 }) });
    return server;
  }

  /** A client of a server that was handed the other end. */
  async function attachPair(
    server: SecureServer,
  ): Promise<{ client: SecureClient; near: Duplex; far: Duplex }> {
    const [near, far] = duplexPair();
    await server.attach(fromDuplex(far));
    const client = clientOf(server, { protocol, closeTimeout: 300 });
    await client.connect(fromDuplex(near));
    return { client, near, far };
  }

  it('a server serves without listen()', async () => {
    const server = await serverWith();
    const { client } = await attachPair(server);
    const peer = await server.accept();
    const large = randomBytes(2_000_000);
    const sending = [client.send(bytes('hello')), peer.send(large)];
    expect(text(await peer.recv())).toBe('hello');
    expect(sha256((await client.recv()) as Uint8Array)).toBe(sha256(large));
    await Promise.all(sending);
    expect(peer.remoteAddress).toBeUndefined();
    expect(() => server.address).toThrow(expect.objectContaining({ code: 'NOT_LISTENING' }));
    await client.close();
    expect(await peer.recv()).toBeNull();
    expect(server.stats).toMatchObject({ handshakesCompleted: 1, open: 0, rejected: {} });
  });

  it('it has its fingerprint after the first transport, that of its identity', async () => {
    const server = await serverWith();
    await attachPair(server);
    expect(server.fingerprint).toBe((await identityFor(protocol)).fingerprint);
  });

  it('clients come out of iteration, those of listen() among them', async () => {
    const server = await serverWith();
    await server.listen({ host: '127.0.0.1', port: 0 });
    const clients: string[] = [];
    const serving = (async () => {
      for await (const peer of server) clients.push(`${text(await peer.recv())} ${peer.remoteAddress}`);
    })();
    const { client: first } = await attachPair(server);
    await first.send(bytes('attached'));
    const second = clientOf(server, { protocol });
    await second.connect({ host: '127.0.0.1', port: portOf(server) });
    await second.send(bytes('connected'));
    await expect.poll(() => clients).toEqual(['attached undefined', 'connected 127.0.0.1']);
    await server.close();
    await serving;
    await first.close();
    await second.close();
  });

  it('accept() waits from before the first transport on, and until the server is closed', async () => {
    const server = await serverWith();
    const [first, second] = [server.accept(), server.accept()];
    const { client } = await attachPair(server);
    const peer = await first;
    await client.send(bytes('early'));
    expect(text(await peer.recv())).toBe('early');
    const refused = rejection(second);
    await server.close();
    expect((await refused).code).toBe('CLOSED');
    const idle = await serverWith();
    const iterated = (async () => {
      for await (const _ of idle) throw new Error('no client has connected');
    })();
    await pause(10);
    await idle.close();
    await iterated;
  });

  it('takes many at once', async () => {
    const server = await serverWith();
    const accepting = (async () => {
      for await (const peer of server) void peer.recv().then((message) => peer.send(message as Uint8Array));
    })();
    const clients = await Promise.all(Array.from({ length: 20 }, () => attachPair(server)));
    await Promise.all(clients.map(({ client }, i) => client.send(bytes(`${i}`))));
    for (const [i, { client }] of clients.entries()) expect(text(await client.recv())).toBe(`${i}`);
    await server.close();
    await accepting;
  });

  it('carries the handshake over a stream that another protocol has opened', async () => {
    const server = await serverWith();
    const outer = createServer({ allowHalfOpen: true }, async (socket) => {
      const [greeting] = await once(socket, 'data');
      expect(String(greeting)).toBe('UPGRADE');
      socket.pause();
      socket.write('OK');
      await server.attach(fromDuplex(socket));
    }).listen(0, '127.0.0.1');
    await once(outer, 'listening');
    const socket = connect({
      port: (outer.address() as AddressInfo).port,
      host: '127.0.0.1',
      allowHalfOpen: true,
    });
    socket.write('UPGRADE');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    socket.pause();
    expect(answer.toString('latin1', 0, 2)).toBe('OK');
    // a server of classic speaks first, perhaps in the same segment
    if (answer.length > 2) socket.unshift(answer.subarray(2));
    await expect.poll(() => server.stats.pending).toBe(1);
    const client = clientOf(server, { protocol });
    await client.connect(fromDuplex(socket));
    const peer = await server.accept();
    expect(peer.remoteAddress).toBe('127.0.0.1');
    await client.send(bytes('inside'));
    expect(text(await peer.recv())).toBe('inside');
    await client.close();
    outer.close();
  });

  describe('failures', () => {
    interface Report {
      readonly error: Error & { code?: string };
      readonly from: object;
    }

    async function recordReports(
      options: ServerOptions = {},
    ): Promise<{ server: SecureServer; reports: Report[] }> {
      const reports: Report[] = [];
      const server = await serverWith({
        onHandshakeError: (error, from) => reports.push({ error, from }),
        ...options,
      });
      return { server, reports };
    }

    const failures: [name: string, act: (near: Duplex) => void][] = [
      ['an end', (near) => near.end()],
      ['an error', (near) => near.destroy(new Error('unplugged'))],
    ];
    // a classic server takes any bytes for a session key
    if (protocol === 'sealed') failures.push(['garbage', (near) => near.end(Buffer.alloc(5000, 'x'))]);

    it.each(failures)('of %s are told to onHandshakeError', async (_, act) => {
      const { server, reports } = await recordReports();
      const [near, far] = duplexPair();
      near.on('error', () => {});
      near.resume();
      await server.attach(fromDuplex(far));
      act(near);
      // the other end of a pair of streams does not notice an error by itself
      if (near.errored) far.destroy(new Error('unplugged'));
      await expect.poll(() => reports.length).toBe(1);
      expect(reports[0]?.from).toEqual({ remoteAddress: undefined, remotePort: undefined });
      await expect.poll(() => far.destroyed).toBe(true);
      expect(server.stats).toMatchObject({ pending: 0, open: 0, handshakesCompleted: 0 });
    });

    it('of silence too', async () => {
      const { server, reports } = await recordReports({ handshakeTimeout: 100 });
      const [, far] = duplexPair();
      await server.attach(fromDuplex(far));
      await expect.poll(() => reports.map(({ error }) => error.code)).toEqual(['HANDSHAKE_TIMEOUT']);
      expect(far.destroyed).toBe(true);
    });

    it('of a stream that is over already', async () => {
      const { server, reports } = await recordReports();
      const [, far] = duplexPair();
      far.destroy();
      await server.attach(fromDuplex(far));
      await expect.poll(() => reports.map(({ error }) => error.code)).toEqual(['HANDSHAKE_FAILED']);
    });

    it('and the limits of a server hold', async () => {
      const blockList = new BlockList();
      blockList.addAddress('192.0.2.1');
      const { server, reports } = await recordReports({ maxConnections: 2, blockList });
      const [, blocked] = duplexPair();
      await server.attach(fromDuplex(Object.assign(blocked, { remoteAddress: '192.0.2.1' })));
      expect(reports[0]?.error.message).toContain('block list');
      expect(blocked.destroyed).toBe(true);
      await attachPair(server);
      const [, second] = duplexPair();
      await server.attach(fromDuplex(second));
      const [, third] = duplexPair();
      await server.attach(fromDuplex(third));
      if (protocol === 'sealed') expect(third.writableEnded).toBe(true);
      await expect.poll(() => third.destroyed, { timeout: 2000 }).toBe(true);
      expect(second.destroyed).toBe(false);
      expect(reports[1]?.error.message).toContain('maxConnections');
    });

    it('of the caller are refused', async () => {
      const { server } = await recordReports();
      for (const wrong of [null, 'tcp', {}, duplexPair()[0]]) {
        const error = await rejection(server.attach(wrong as never as Transport));
        expect(error).toBeInstanceOf(TypeError);
        expect(error.message).toContain('fromDuplex()');
      }
    });
  });

  describe('close()', () => {
    it('ends attached clients in order', async () => {
      const server = await serverWith();
      const { client } = await attachPair(server);
      const peer = await server.accept();
      await peer.send(bytes('last words'));
      await Promise.all([
        server.close(),
        (async () => {
          expect(text(await client.recv())).toBe('last words');
          expect(await client.recv()).toBeNull();
        })(),
      ]);
      expect((await rejection(server.accept())).code).toBe('CLOSED');
    });

    it('ends handshakes, and says nothing of them', async () => {
      const reports: unknown[] = [];
      const server = await serverWith({ onHandshakeError: (error) => reports.push(error) });
      const [, far] = duplexPair();
      await server.attach(fromDuplex(far));
      expect(server.stats.pending).toBe(1);
      await server.close();
      expect(far.destroyed).toBe(true);
      expect(reports).toEqual([]);
    });

    it('leaves nothing to attach to', async () => {
      const server = await serverWith();
      await server.close();
      const [, far] = duplexPair();
      const error = await rejection(server.attach(fromDuplex(far)));
      expect(error).toBeInstanceOf(SecureSocketError);
      expect(error.code).toBe('CLOSED');
      expect(far.destroyed).toBe(true);
    });

    it('while the key is being made accepts no client', async () => {
      const server = new SecureServer({
        protocol,
        modulusLength: 2048,
        closeTimeout: 300,
      });
      const [, far] = duplexPair();
      const attaching = server.attach(fromDuplex(far));
      const [error] = await Promise.all([rejection(attaching), server.close()]);
      expect(error.code).toBe('CLOSED');
      await pause(10);
      expect(server.stats).toMatchObject({ pending: 0, handshakesCompleted: 0 });
    });
  });
});
