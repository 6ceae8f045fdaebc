import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { duplexPair } from 'node:stream';
import { fromDuplex, SecureClient, SecureServer, SecureSocketError } from 'secure-sockets';
import { afterEach, describe, expect, it } from 'vitest';
import {
  clientOf,
  identityFor,
  type Pair,
  pair,
  pause,
  portOf,
  protocols,
  rawConnection,
  rejection,
  startListening,
} from './helpers/sockets.js';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
});

function keep<T extends AsyncDisposable>(resource: T): T {
  open.push(resource);
  return resource;
}

const text = (message: Uint8Array | null): string | null =>
  message === null ? null : Buffer.from(message).toString();
const bytes = (content: string): Uint8Array => new TextEncoder().encode(content);
const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

describe.each(protocols)('%s', (protocol) => {
  const connectPair = async (options?: Parameters<typeof pair>[1]): Promise<Pair> =>
    keep(await pair(protocol, options));

  describe('messages', () => {
    it('arrive whole and in order in both directions, whatever their size', async () => {
      const { client, peer } = await connectPair();
      const sizes = [
        0, 1, 15, 16, 17, 31, 32, 33, 1000, 16_384, 32_767, 32_768, 65_536, 1_000_000, 3_000_000, 0, 5,
      ];
      const messages = sizes.map((size) => randomBytes(size));
      const sent = Promise.all([
        ...messages.map((m) => client.send(m)),
        ...messages.map((m) => peer.send(m)),
      ]);
      for (const end of [peer, client]) {
        for (const message of messages) {
          const received = (await end.recv()) as Uint8Array;
          expect(received).not.toBeInstanceOf(Buffer);
          expect(sha256(received)).toBe(sha256(message));
        }
      }
      await sent;
    });

    it('take up to maxMessage and no more', async () => {
      const limits = { maxMessage: 2000 };
      const { client, peer } = await connectPair({ server: limits, client: limits });
      await client.send(new Uint8Array(2000));
      expect((await peer.recv())?.length).toBe(2000);
      const error = await rejection(client.send(new Uint8Array(2001)));
      expect(error).toBeInstanceOf(SecureSocketError);
      expect(error.code).toBe('MESSAGE_TOO_BIG_FOR_PEER');
      await client.send(bytes('still open'));
      expect(text(await peer.recv())).toBe('still open');
    });

    it('leave the buffer to the caller once send() has resolved', async () => {
      const { client, peer } = await connectPair();
      const sizes = [1, 100, 5000, 40_000, 200_000, 1_500_000];
      const rounds = 8;
      const reading = (async () => {
        const seen: string[] = [];
        for (let i = 0; i < sizes.length * rounds; i++) {
          if (i % 7 === 0) await pause(3);
          seen.push(sha256((await peer.recv()) as Uint8Array));
        }
        return seen;
      })();
      const expected: string[] = [];
      for (let round = 0; round < rounds; round++) {
        for (const size of sizes) {
          const buffer = randomBytes(size);
          expected.push(sha256(buffer));
          await client.send(buffer);
          buffer.fill(0);
        }
      }
      expect(await reading).toEqual(expected);
    });

    it('keep the order of concurrent calls, above the high-water mark too', async () => {
      const { client, peer } = await connectPair({ client: { highWaterMark: 1000 } });
      const count = 500;
      const sending = Promise.all(
        Array.from({ length: count }, (_, i) => client.send(bytes(`${i} ${'x'.repeat((i * 37) % 3000)}`))),
      );
      for (let i = 0; i < count; i++) expect(text(await peer.recv())?.split(' ')[0]).toBe(String(i));
      await sending;
    });

    it('belong to their reader: 10,000 kept over many reads are unchanged at the end', async () => {
      const { client, peer } = await connectPair();
      const count = 10_000;
      const kept: Uint8Array[] = [];
      const reading = (async () => {
        for await (const message of peer) if (kept.push(message) === count) return;
      })();
      const hashes: string[] = [];
      for (let i = 0; i < count; i++) {
        const message = randomBytes((i * 31) % 700);
        hashes.push(sha256(message));
        await client.send(message);
      }
      await reading;
      expect(kept.map(sha256)).toEqual(hashes);
    });

    it.each([
      ['a string', 'text'],
      ['a number', 5],
      ['null', null],
      ['an ArrayBuffer', new ArrayBuffer(4)],
    ])('cannot be %s', async (_, wrong) => {
      const { client } = await connectPair();
      const error = await rejection(client.send(wrong as never));
      expect(error).toBeInstanceOf(TypeError);
      expect(error).toMatchObject({ code: 'BAD_ARGUMENT', blame: 'caller' });
      expect(error.message).toContain('Uint8Array');
    });
  });

  describe('receiving', () => {
    it('ends the iteration at a clean end', async () => {
      const { client, peer } = await connectPair();
      await client.send(bytes('a'));
      await client.send(bytes('b'));
      void client.close();
      const seen: (string | null)[] = [];
      for await (const message of peer) seen.push(text(message));
      expect(seen).toEqual(['a', 'b']);
      expect(await peer.recv()).toBeNull();
    });

    it('loses nothing when a loop is left', async () => {
      const { client, peer } = await connectPair();
      for (const word of ['one', 'two', 'three', 'four']) await client.send(bytes(word));
      for await (const message of peer) {
        expect(text(message)).toBe('one');
        break;
      }
      expect(text(await peer.recv())).toBe('two');
      for await (const message of peer) {
        expect(text(message)).toBe('three');
        break;
      }
      expect(text(await peer.recv())).toBe('four');
    });

    it('takes one waiting recv() at a time', async () => {
      const { client, peer } = await connectPair();
      const first = peer.recv();
      expect((await rejection(peer.recv())).code).toBe('RECV_PENDING');
      await client.send(bytes('for the first'));
      expect(text(await first)).toBe('for the first');
    });

    it('can be aborted without losing a message', async () => {
      const { client, peer } = await connectPair();
      const reason = new Error('enough');
      const controller = new AbortController();
      const waiting = peer.recv({ signal: controller.signal });
      controller.abort(reason);
      expect(await rejection(waiting)).toBe(reason);
      await client.send(bytes('kept'));
      expect(text(await peer.recv({ signal: new AbortController().signal }))).toBe('kept');
      expect(await rejection(peer.recv({ signal: AbortSignal.abort(reason) }))).toBe(reason);
    });

    it('stops reading when messages are not received, so that the sender waits', async () => {
      const limits = { maxMessage: 100_000, ...(protocol === 'sealed' ? { maxRecord: 16384 } : {}) };
      const { client, peer } = await connectPair({
        server: limits,
        client: { highWaterMark: 100_000, maxMessage: 100_000 },
      });
      let accepted = 0;
      const flood = (async () => {
        for (let i = 0; i < 3000; i++) {
          await client.send(new Uint8Array(10_000).fill(i));
          accepted++;
        }
      })();
      let before = -1;
      while (accepted !== before) {
        before = accepted;
        await pause(150);
      }
      expect(accepted).toBeLessThan(2900);
      expect(peer.bytesRead).toBeLessThan(1_500_000);
      for (let i = 0; i < 3000; i++) expect((await peer.recv())?.[9_999]).toBe(i % 256);
      await flood;
    });

    it('notices the end of a connection that is not read from', async () => {
      const { client, peer } = await connectPair();
      await client.send(bytes('unread'));
      await client.close();
      await expect
        .poll(
          async () =>
            (await rejection(peer.send(bytes('x')).then(() => Promise.reject(new Error('open'))))).message,
        )
        .not.toBe('open');
      expect(text(await peer.recv())).toBe('unread');
      expect(await peer.recv()).toBeNull();
    });
  });

  describe('the end', () => {
    it('comes after everything that was sent', async () => {
      const { client, peer } = await connectPair();
      const count = 300;
      for (let i = 0; i < count; i++) void client.send(new Uint8Array(20_000).fill(i));
      const closing = client.close();
      for (let i = 0; i < count; i++) expect((await peer.recv())?.[0]).toBe(i % 256);
      expect(await peer.recv()).toBeNull();
      await closing;
    });

    it('of one half leaves the other open with allowHalfOpen', async () => {
      const { client, peer } = await connectPair({ server: { allowHalfOpen: true } });
      await client.send(bytes('question'));
      await client.end();
      expect((await rejection(client.send(bytes('more')))).code).toBe('CLOSED');
      expect(text(await peer.recv())).toBe('question');
      expect(await peer.recv()).toBeNull();
      await peer.send(bytes('answer'));
      await peer.end();
      expect(text(await client.recv())).toBe('answer');
      expect(await client.recv()).toBeNull();
    });

    it('is answered with the end without it', async () => {
      const { client, peer } = await connectPair();
      await client.end();
      expect(await client.recv()).toBeNull();
      expect(await peer.recv()).toBeNull();
      expect((await rejection(peer.send(bytes('late')))).code).toBe('CLOSED');
    });

    it('can be asked for many times', async () => {
      const { client, peer } = await connectPair();
      await Promise.all([client.close(), client.close(), peer.close()]);
      await client.close();
      expect((await rejection(client.send(bytes('x')))).code).toBe('CLOSED');
    });

    it('works with await using', async () => {
      const { peer, client } = await connectPair();
      {
        await using scoped = client;
        await scoped.send(bytes('inside'));
      }
      expect(text(await peer.recv())).toBe('inside');
      expect(await peer.recv()).toBeNull();
    });

    it('is not waited for longer than closeTimeout', async () => {
      const { client, peer } = await connectPair({
        client: { closeTimeout: 200 },
        server: { allowHalfOpen: true },
      });
      const begun = performance.now();
      await client.close();
      expect(performance.now() - begun).toBeGreaterThan(150);
      expect((await rejection(client.recv())).code).toBe('TRUNCATED');
      expect(await peer.recv()).toBeNull();
    });

    it('by destroy() is at once, and waiting calls reject with its error', async () => {
      const { client, peer } = await connectPair();
      const waiting = client.recv();
      const reason = new Error('my own');
      client.destroy(reason);
      expect(await rejection(waiting)).toBe(reason);
      expect(await rejection(client.send(bytes('x')))).toBe(reason);
      // classic has no close message, and ends by a reset where the end of the stream would be taken for an end in order
      expect((await rejection(peer.recv())).code).toBe('TRUNCATED');
    });
  });

  describe('back-pressure', () => {
    it('makes send() wait, and bounds what waits', async () => {
      const { client, peer } = await connectPair({
        client: { highWaterMark: 50_000, maxSendQueue: 300_000 },
      });
      const results: Promise<unknown>[] = [];
      let refused = 0;
      for (let i = 0; i < 2000; i++)
        results.push(
          client
            .send(new Uint8Array(10_000))
            .catch((error) => (refused += error.code === 'SEND_QUEUE_FULL' ? 1 : 0)),
        );
      const reading = (async () => {
        let count = 0;
        for await (const message of peer) count += message.length === 10_000 ? 1 : 0;
        return count;
      })();
      await Promise.all(results);
      expect(refused).toBeGreaterThan(0);
      await client.close();
      expect(await reading).toBe(2000 - refused);
    });

    it('rejects what waits when the connection dies', async () => {
      const { client, peer } = await connectPair({ client: { highWaterMark: 50_000 } });
      const waiting = Array.from({ length: 600 }, () => client.send(new Uint8Array(50_000)));
      await pause(50);
      peer.destroy();
      const outcomes = await Promise.allSettled(waiting);
      const rejected = outcomes.filter((outcome) => outcome.status === 'rejected');
      expect(rejected.length).toBeGreaterThan(0);
      expect((await rejection(client.send(bytes('x')))).code).toBeDefined();
    });
  });

  describe('connecting', () => {
    it('passes on the system error when refused', async () => {
      const server = await startListening(protocol);
      const port = portOf(server);
      const client = clientOf(server, { protocol });
      await server.close();
      expect((await rejection(client.connect({ port, host: '127.0.0.1' }))).code).toBe('ECONNREFUSED');
    });

    it('is bounded by handshakeTimeout', async () => {
      const silent = createServer((socket) => socket.on('error', () => {}));
      silent.listen(0, '127.0.0.1');
      await once(silent, 'listening');
      const address = silent.address() as { port: number };
      const server = keep(await startListening(protocol));
      const client = clientOf(server, { protocol, handshakeTimeout: 150 });
      expect((await rejection(client.connect({ port: address.port, host: '127.0.0.1' }))).code).toBe(
        'HANDSHAKE_TIMEOUT',
      );
      silent.close();
    });

    it('can be aborted at any time', async () => {
      const silent = createServer((socket) => socket.on('error', () => {}));
      silent.listen(0, '127.0.0.1');
      await once(silent, 'listening');
      const { port } = silent.address() as { port: number };
      const server = keep(await startListening(protocol));
      const reason = new Error('changed my mind');
      expect(
        await rejection(
          clientOf(server, { protocol }).connect(
            { port, host: '127.0.0.1' },
            { signal: AbortSignal.abort(reason) },
          ),
        ),
      ).toBe(reason);
      const controller = new AbortController();
      const connecting = clientOf(server, { protocol }).connect(
        { port, host: '127.0.0.1' },
        { signal: controller.signal },
      );
      setTimeout(() => controller.abort(reason), 60);
      expect(await rejection(connecting)).toBe(reason);
      silent.close();
    });

    it('works over IPv6, Unix domain sockets and any Duplex', async () => {
      const identity = await identityFor(protocol);
      const addresses = [
        { port: 0, host: '::1' },
        { path: join(mkdtempSync(join(tmpdir(), 'ss-')), 'socket') },
      ];
      for (const address of addresses) {
        const server = keep(new SecureServer({ protocol, identity }));
        await server.bind(address);
        await server.listen();
        const client = clientOf(server, { protocol });
        await client.connect('path' in address ? address : { port: portOf(server), host: '::1' });
        const peer = await server.accept();
        await peer.send(bytes('hello'));
        expect(text(await client.recv())).toBe('hello');
        expect(client.remoteAddress).toBe('path' in address ? undefined : '::1');
        await client.close();
      }
      if (duplexPair === undefined) return;
      const server = keep(await startListening(protocol));
      const [ours, theirs] = duplexPair({ allowHalfOpen: true });
      const upstream = await rawConnection(server);
      theirs.pipe(upstream).pipe(theirs);
      const client = clientOf(server, { protocol });
      await client.connect(fromDuplex(ours));
      const peer = await server.accept();
      await client.send(randomBytes(200_000));
      expect((await peer.recv())?.length).toBe(200_000);
      await client.close();
    });

    it('happens once a client', async () => {
      const { client, server } = await connectPair();
      expect((await rejection(client.connect({ port: portOf(server) }))).code).toBe('ALREADY_CONNECTED');
    });

    it('tells where it goes', async () => {
      const { client, peer, server } = await connectPair();
      expect(client.remotePort).toBe(portOf(server));
      expect(client.localPort).toBe(peer.remotePort);
      expect(client.remoteAddress).toBe('127.0.0.1');
      expect(client.localAddress).toBe('127.0.0.1');
      expect(client.protocol).toBe(protocol);
      expect(client.backend).toBe('node');
      await client.send(bytes('count me'));
      await peer.recv();
      expect(client.bytesWritten).toBeGreaterThan(30);
      expect(peer.bytesRead).toBe(client.bytesWritten);
    });
  });

  describe('a server', () => {
    it('accepts 100 clients at once, beside silent ones', async () => {
      const errors: Error[] = [];
      const server = keep(
        await startListening(protocol, {
          onHandshakeError: (error) => errors.push(error),
          handshakeTimeout: 8000,
        }),
      );
      const silent = await Promise.all(Array.from({ length: 10 }, () => rawConnection(server)));
      const echoes = (async () => {
        for (let i = 0; i < 100; i++) {
          const peer = await server.accept();
          void (async () => {
            for await (const message of peer) await peer.send(message);
          })();
        }
      })();
      await Promise.all(
        Array.from({ length: 100 }, async (_, i) => {
          const client = clientOf(server, { protocol });
          await client.connect({ port: portOf(server), host: '127.0.0.1' });
          await client.send(bytes(`client ${i}`));
          expect(text(await client.recv())).toBe(`client ${i}`);
          await client.close();
        }),
      );
      await echoes;
      expect(errors).toEqual([]);
      for (const socket of silent) socket.destroy();
    });

    it('reports peers that fail, stall or vanish, and none of them reaches accept()', async () => {
      const errors: { error: Error & { code?: string }; port: number | undefined }[] = [];
      const server = keep(
        await startListening(protocol, {
          handshakeTimeout: 300,
          onHandshakeError: (error, { remotePort }) => errors.push({ error, port: remotePort }),
        }),
      );
      const stalled = await rawConnection(server);
      const vanished = await rawConnection(server);
      vanished.resetAndDestroy();
      const ended = await rawConnection(server);
      ended.end();
      const ports = [stalled.localPort];
      const accepted = server.accept();
      await expect.poll(() => errors.length, { timeout: 3000 }).toBe(3);
      // one code for every cut, with what the system said behind it
      const causes = errors.map(({ error }) => [error.code, (error.cause as { code?: string })?.code]);
      expect(causes).toEqual(
        expect.arrayContaining([
          ['HANDSHAKE_FAILED', 'ECONNRESET'],
          ['HANDSHAKE_FAILED', undefined],
          ['HANDSHAKE_TIMEOUT', undefined],
        ]),
      );
      expect(errors.map(({ port }) => port)).toEqual(expect.arrayContaining(ports));
      const client = clientOf(server, { protocol });
      await client.connect({ port: portOf(server), host: '127.0.0.1' });
      await client.send(bytes('good'));
      expect(text(await (await accepted).recv())).toBe('good');
    });

    it('drops connections beyond maxPendingHandshakes, and takes new ones when there is room again', async () => {
      const errors: string[] = [];
      const server = keep(
        await startListening(protocol, {
          maxPendingHandshakes: 3,
          onHandshakeError: (error) => errors.push((error as SecureSocketError).code),
        }),
      );
      const sockets = [];
      for (let i = 0; i < 5; i++) sockets.push(await rawConnection(server));
      await expect.poll(() => errors).toEqual(['BUSY', 'BUSY']);
      for (const socket of sockets) socket.destroy();
      await expect.poll(() => errors.length).toBe(5);
      const client = clientOf(server, { protocol });
      await client.connect({ port: portOf(server), host: '127.0.0.1' });
      expect(await server.accept()).toBeInstanceOf(SecureClient);
    });

    it('lets accept() be aborted without losing a client', async () => {
      const server = keep(await startListening(protocol));
      const reason = new Error('no patience');
      const controller = new AbortController();
      const waiting = server.accept({ signal: controller.signal });
      controller.abort(reason);
      expect(await rejection(waiting)).toBe(reason);
      expect(await rejection(server.accept({ signal: AbortSignal.abort(reason) }))).toBe(reason);
      const client = clientOf(server, { protocol });
      await client.connect({ port: portOf(server), host: '127.0.0.1' });
      await client.send(bytes('mine'));
      const peer = await server.accept({ signal: new AbortController().signal });
      expect(text(await peer.recv())).toBe('mine');
    });

    it('lets several accept() wait, and rejects them when it closes', async () => {
      const server = await startListening(protocol);
      const acceptWaiters = [server.accept(), server.accept(), server.accept()];
      const client = clientOf(server, { protocol });
      await client.connect({ port: portOf(server), host: '127.0.0.1' });
      await acceptWaiters[0];
      const loop = (async () => {
        let count = 0;
        for await (const _ of server) count++;
        return count;
      })();
      const outcomes = Promise.all(acceptWaiters.slice(1).map((waiter) => rejection(waiter)));
      await server.close();
      expect((await outcomes).map(({ code }) => code)).toEqual(['CLOSED', 'CLOSED']);
      expect(await loop).toBe(0);
      expect((await rejection(server.accept())).code).toBe('CLOSED');
      await client.close();
    });

    it('closes its clients in order, and destroys those that do not end', async () => {
      const server = await startListening(protocol);
      const good = clientOf(server, { protocol });
      await good.connect({ port: portOf(server), host: '127.0.0.1' });
      const stubborn = clientOf(server, { protocol, allowHalfOpen: true });
      await stubborn.connect({ port: portOf(server), host: '127.0.0.1' });
      const peers = [await server.accept(), await server.accept()];
      await Promise.all(peers.map((peer) => peer.send(bytes('bye'))));
      const begun = performance.now();
      await Promise.all([server.close({ timeout: 300 }), server.close()]);
      expect(performance.now() - begun).toBeLessThan(900);
      for (const client of [good, stubborn]) {
        expect(text(await client.recv())).toBe('bye');
        expect(await client.recv()).toBeNull();
      }
      stubborn.destroy();
    });

    it('says EADDRINUSE at listen(), and misuse as misuse', async () => {
      const first = keep(await startListening(protocol));
      const identity = await identityFor(protocol);
      const second = keep(new SecureServer({ protocol, identity }));
      expect(() => second.fingerprint).toThrow(expect.objectContaining({ code: 'NOT_LISTENING' }));
      expect(() => second.address).toThrow(expect.objectContaining({ code: 'NOT_LISTENING' }));
      const { name } = await rejection(second.accept({ signal: AbortSignal.timeout(10) }));
      expect(name).toBe('TimeoutError');
      expect((await rejection(second.listen())).code).toBe('NOT_BOUND');
      await second.bind({ port: portOf(first), host: '127.0.0.1' });
      expect((await rejection(second.listen())).code).toBe('EADDRINUSE');
      await second.listen({ port: 0, host: '127.0.0.1' });
      expect(portOf(second)).toBeGreaterThan(0);
      expect((await rejection(second.listen())).code).toBe('ALREADY_LISTENING');
      expect(second.fingerprint).toBe(identity.fingerprint);
      const third = new SecureServer({ protocol, identity });
      expect((await rejection(third.bind({ port: 70_000 }))).code).toBe('BAD_ARGUMENT');
      expect((await rejection(third.bind({ path: '' }))).code).toBe('BAD_ARGUMENT');
      await third.close();
      expect((await rejection(third.listen({ port: 0 }))).code).toBe('CLOSED');
    });
  });

  it('survives a reset at every stage of a recorded session', async () => {
    const server = keep(await startListening(protocol));
    const upstreamBytes: Buffer[] = [];
    const record = createServer((downstream) => {
      const upstream = rawConnection(server);
      void upstream.then((socket) => {
        downstream.on('data', (chunk) => upstreamBytes.push(chunk));
        downstream.pipe(socket).pipe(downstream);
        downstream.on('error', () => socket.destroy());
      });
    });
    record.listen(0, '127.0.0.1');
    await once(record, 'listening');
    const client = clientOf(server, { protocol });
    await client.connect({ port: (record.address() as { port: number }).port, host: '127.0.0.1' });
    await client.send(bytes('recorded'));
    await client.close();
    record.close();
    const recorded = Buffer.concat(upstreamBytes);
    await server.accept();
    let accepted = 0;
    const serving = (async () => {
      for await (const peer of server) {
        accepted++;
        // a replayed handshake ends in an error or in silence, never in an altered message
        for (;;) if ((await peer.recv().catch(() => null)) === null) break;
      }
    })();
    for (let at = 0; at <= recorded.length; at += Math.max(1, Math.floor(recorded.length / 60))) {
      const socket = await rawConnection(server);
      socket.write(recorded.subarray(0, at));
      if (at % 2 === 0) await pause(2);
      socket.resetAndDestroy();
    }
    const good = clientOf(server, { protocol });
    await good.connect({ port: portOf(server), host: '127.0.0.1' });
    await good.close();
    await expect.poll(() => accepted).toBeGreaterThan(0);
    await server.close();
    await serving;
  });
});

describe('options', () => {
  it.each([
    [{ port: 5 }, 'no option "port"'],
    [{ keylength: 32 }, 'did you mean keyLength'],
    [{ backend: 'noble' }, "import { noble } from 'secure-sockets/backends/noble'"],
    [{ maxMessage: -1 }, 'maxMessage must be a whole number of bytes'],
    [{ maxMessage: 1.5 }, 'maxMessage'],
    [{ handshakeTimeout: 0 }, 'handshakeTimeout'],
    [{ protocol: 'tls' }, 'protocol must be one of "sealed", "classic"'],
    [{ protocol: 'classic', keyLength: 20 }, 'keyLength must be one of 16, 24, 32'],
    [{ keyLength: 32 }, 'keyLength belongs to the classic protocol'],
    [{ protocol: 'classic', suites: ['X25519'] }, 'suites belongs to the sealed protocol'],
    [{ protocol: 'classic', maxMessage: 2 ** 30 }, 'at most 999999967'],
    [{ suites: [] }, 'each once, most wanted first, not an empty array'],
    [{ suites: ['X25519', 'X25519'] }, 'not an array of "X25519", "X25519"'],
    [{ suites: ['X448', 1, [2], {}] }, 'not an array of "X448", 1, an array, more'],
    [{ allowHalfOpen: 'yes' }, 'allowHalfOpen must be true or false, not "yes"'],
  ])('are checked at construction: %j', (options, expected) => {
    for (const Class of [SecureServer, SecureClient]) {
      expect(() => new Class(options as never)).toThrow(
        expect.objectContaining({ code: 'BAD_OPTION', message: expect.stringContaining(expected) }),
      );
    }
  });

  it('that exclude each other or lack another are refused', () => {
    const wrong: [() => unknown, string][] = [
      [
        () => new SecureClient({ serverKey: `SHA256:${'A'.repeat(43)}`, verifyServer: () => true }),
        'serverKey and verifyServer',
      ],
      [() => new SecureServer({ clientAuth: 'required' }), 'needs authorizedKeys or verifyClient'],
      [() => new SecureServer({ clientAuth: 'optional' }), 'needs authorizedKeys or verifyClient'],
      [() => new SecureServer({ clientAuth: 'none', verifyClient: () => true }), 'have no use'],
      [() => new SecureServer({ authorizedKeys: [] }), 'one or more fingerprints such as'],
      [() => new SecureServer({ authorizedKeys: [''] }), 'not an array of ""'],
      [() => new SecureClient({ serverKey: [] }), 'at least one, not an empty array'],
      [() => new SecureClient(5 as never), 'takes an object of options'],
    ];
    for (const [make, expected] of wrong) {
      expect(make).toThrow(
        expect.objectContaining({ code: 'BAD_OPTION', message: expect.stringContaining(expected) }),
      );
    }
  });
});
