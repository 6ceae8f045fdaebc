import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  createReadStream,
  createWriteStream,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { Agent, createServer, type IncomingMessage, request } from 'node:http';
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { text as allText } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { SecureClient, type SecureServer } from 'secure-sockets';
import { afterEach, describe, expect, it } from 'vitest';
import {
  clientOf,
  type Pair,
  pair,
  pause,
  portOf,
  protocols,
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

const bytes = (content: string): Uint8Array => new TextEncoder().encode(content);
const text = (message: Uint8Array | null | undefined): string | undefined =>
  message ? Buffer.from(message).toString() : undefined;
const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

describe.each(protocols)('%s', (protocol) => {
  const connectPair = async (options?: Parameters<typeof pair>[1]): Promise<Pair> =>
    keep(await pair(protocol, options));

  describe('readable', () => {
    it('gives one chunk a message, empty ones too, and ends where the peer ends', async () => {
      const { client, peer } = await connectPair();
      const messages = ['one', '', 'two', 'x'.repeat(300_000)];
      for (const message of messages) await client.send(bytes(message));
      void client.close();
      const chunks: (string | undefined)[] = [];
      for await (const chunk of peer.readable) chunks.push(text(chunk));
      expect(chunks).toEqual(messages);
    });

    it('is the same stream each time, and not there before the connection is', async () => {
      const { peer } = await connectPair();
      expect(peer.readable).toBe(peer.readable);
      expect(peer.writable).toBe(peer.writable);
      expect(peer.toDuplex()).toBe(peer.toDuplex());
      const unconnected = new SecureClient({ protocol });
      for (const get of [
        () => unconnected.readable,
        () => unconnected.writable,
        () => unconnected.toDuplex(),
      ])
        expect(get).toThrow(expect.objectContaining({ code: 'NOT_CONNECTED' }));
    });

    it('reads nothing before it is asked to', async () => {
      const { client, peer } = await connectPair();
      const { readable } = peer;
      await client.send(bytes('for recv'));
      await client.send(bytes('for the stream'));
      await pause(20);
      expect(text(await peer.recv())).toBe('for recv');
      expect(text((await readable.getReader().read()).value)).toBe('for the stream');
    });

    it('fails as recv() does when the connection is cut, after the messages before that', async () => {
      const { client, peer } = await connectPair();
      await client.send(bytes('complete'));
      const reader = peer.readable.getReader();
      expect(text((await reader.read()).value)).toBe('complete');
      const reason = new Error('given up');
      peer.destroy(reason);
      expect(await rejection(reader.read())).toBe(reason);
      expect(await rejection(reader.closed)).toBe(reason);
    });

    it('closes the connection when it is cancelled', async () => {
      const { client, peer } = await connectPair();
      await client.send(bytes('unread'));
      const reader = peer.readable.getReader();
      await reader.read();
      const waiting = reader.read();
      await reader.cancel('enough');
      expect((await waiting).done).toBe(true);
      expect(await client.recv()).toBeNull();
    });
  });

  describe('writable', () => {
    it('sends each chunk as one message, and ends this side when it is closed', async () => {
      const { client, peer } = await connectPair({ server: { allowHalfOpen: true } });
      const writer = client.writable.getWriter();
      const messages = ['one', '', 'x'.repeat(100_000), 'two'];
      for (const message of messages) void writer.write(bytes(message));
      await writer.close();
      for (const message of messages) expect(text(await peer.recv())).toBe(message);
      expect(await peer.recv()).toBeNull();
      await peer.send(bytes('still open'));
      expect(text(await client.recv())).toBe('still open');
    });

    it('refuses what is no Uint8Array, as send() does', async () => {
      const { client, peer } = await connectPair();
      const writer = client.writable.getWriter();
      const error = await rejection(writer.write('text' as never));
      expect(error).toBeInstanceOf(TypeError);
      expect(error.code).toBe('BAD_ARGUMENT');
      expect(await rejection(writer.closed)).toBe(error);
      await client.send(bytes('the connection goes on'));
      expect(text(await peer.recv())).toBe('the connection goes on');
    });

    it('waits when the peer does not read', async () => {
      const limits = { maxMessage: 100_000, ...(protocol === 'sealed' ? { maxRecord: 16384 } : {}) };
      const { client, peer } = await connectPair({
        server: limits,
        client: { highWaterMark: 100_000, maxMessage: 100_000 },
      });
      const total = 2000;
      let given = 0;
      const source = new ReadableStream<Uint8Array>(
        {
          pull: (controller) => {
            controller.enqueue(new Uint8Array(10_000).fill(given++));
            if (given === total) controller.close();
          },
        },
        { highWaterMark: 0 },
      );
      const piping = source.pipeTo(client.writable);
      let before = -1;
      while (given !== before) {
        before = given;
        await pause(150);
      }
      expect(given).toBeLessThan(total - 100);
      for (let i = 0; i < total; i++) expect((await peer.recv())?.[9_999]).toBe(i % 256);
      await piping;
      expect(await peer.recv()).toBeNull();
    });

    it('gives up the connection when it is aborted', async () => {
      const { client, peer } = await connectPair();
      const reason = new Error('changed my mind');
      await client.send(bytes('complete'));
      await pause(20);
      await client.writable.abort(reason);
      expect(await rejection(client.send(bytes('more')))).toBe(reason);
      expect(text(await peer.recv())).toBe('complete');
      if (protocol === 'sealed') expect((await rejection(peer.recv())).code).toBe('TRUNCATED');
    });

    it('fails when the connection does, with nothing to write', async () => {
      const { client, peer } = await connectPair();
      const writer = client.writable.getWriter();
      const reason = new Error('given up');
      client.destroy(reason);
      expect(await rejection(writer.closed)).toBe(reason);
      expect(await rejection(writer.write(bytes('late')))).toBe(reason);
      const other = peer.writable.getWriter();
      await other.closed.then(
        () => expect.fail('it was expected to reject'),
        (error) => expect(['CLOSED', 'TRUNCATED']).toContain(error.code),
      );
    });

    it('stays closed when the connection is over', async () => {
      const { client, peer } = await connectPair();
      const writer = client.writable.getWriter();
      await writer.close();
      await peer.close();
      await client.close();
      await expect(writer.closed).resolves.toBeUndefined();
    });
  });

  describe('pipes', () => {
    it('carry messages through a transformation and back', async () => {
      const { client, peer } = await connectPair({ server: { allowHalfOpen: true } });
      const upperCase = new TransformStream<Uint8Array, Uint8Array>({
        transform: (chunk, controller) => controller.enqueue(bytes(text(chunk)?.toUpperCase() ?? '')),
      });
      const serving = peer.readable.pipeThrough(upperCase).pipeTo(peer.writable);
      const words = Array.from({ length: 200 }, (_, i) => `word ${i}`);
      for (const word of words) await client.send(bytes(word));
      await client.end();
      const answers: (string | undefined)[] = [];
      for await (const answer of client.readable) answers.push(text(answer));
      await serving;
      expect(answers).toEqual(words.map((word) => word.toUpperCase()));
    });

    it('end with the error of their source, and the peer notices', async () => {
      const { client, peer } = await connectPair();
      const broken = new Error('the source broke');
      const source = new ReadableStream<Uint8Array>({
        pull: (controller) => controller.error(broken),
      });
      expect(await rejection(source.pipeTo(client.writable))).toBe(broken);
      expect(await rejection(client.recv())).toBe(broken);
      if (protocol === 'sealed') expect((await rejection(peer.recv())).code).toBe('TRUNCATED');
    });

    it('end when the destination breaks, and the connection is closed in order', async () => {
      const { client, peer } = await connectPair();
      const broken = new Error('the destination broke');
      const destination = new WritableStream<Uint8Array>({ write: () => Promise.reject(broken) });
      await client.send(bytes('one'));
      await client.send(bytes('two'));
      expect(await rejection(peer.readable.pipeTo(destination))).toBe(broken);
      expect(await client.recv()).toBeNull();
    });

    it('stop at a signal', async () => {
      const { client, peer } = await connectPair();
      const controller = new AbortController();
      const reason = new Error('stop');
      const piping = peer.readable.pipeTo(client.writable, { signal: controller.signal });
      controller.abort(reason);
      expect(await rejection(piping)).toBe(reason);
    });
  });

  describe('toDuplex()', () => {
    const folder = mkdtempSync(join(tmpdir(), 'secure-sockets-streams-'));

    it('carries a file in a pipeline, whatever the pieces', async () => {
      const { client, peer } = await connectPair();
      const content = randomBytes(3_000_001);
      const [from, to] = [join(folder, 'from'), join(folder, 'to')];
      writeFileSync(from, content);
      await Promise.all([
        pipeline(createReadStream(from, { highWaterMark: 70_001 }), client.toDuplex()),
        pipeline(peer.toDuplex(), createWriteStream(to)),
      ]);
      expect(sha256(readFileSync(to))).toBe(sha256(content));
      rmSync(folder, { recursive: true });
    });

    it('cuts what is larger than the peer takes, and passes empty messages over', async () => {
      const { client, peer } = await connectPair({
        server: { maxMessage: 2000 },
        client: { maxMessage: protocol === 'sealed' ? 16 * 2 ** 20 : 2000 },
      });
      const content = randomBytes(100_000);
      const stream = client.toDuplex();
      stream.write(new Uint8Array(0));
      stream.end(content);
      const sizes: number[] = [];
      const received: Uint8Array[] = [];
      for await (const message of peer) {
        sizes.push(message.length);
        received.push(message);
      }
      expect(Math.max(...sizes)).toBe(2000);
      expect(sizes).not.toContain(0);
      expect(sha256(Buffer.concat(received))).toBe(sha256(content));
    });

    it('does not take an empty message for the end', async () => {
      const { client, peer } = await connectPair();
      for (const message of ['', 'a', '', '', 'b', '']) await client.send(bytes(message));
      void client.end();
      expect(await allText(peer.toDuplex())).toBe('ab');
    });

    it('gives the peer the beginning of a long write before its end', async () => {
      const { client, peer } = await connectPair();
      let taken = 0;
      const stream = peer.toDuplex().on('data', (chunk: Uint8Array) => {
        taken = chunk.length;
        stream.destroy();
      });
      client
        .toDuplex()
        .on('error', () => {})
        .write(new Uint8Array(8 * 2 ** 20));
      await once(stream, 'close');
      expect(taken).toBeGreaterThan(0);
      expect(taken).toBeLessThanOrEqual(64 * 1024);
    });

    it('ends one direction at a time with allowHalfOpen on both ends', async () => {
      const { client, peer } = await connectPair({
        client: { allowHalfOpen: true },
        server: { allowHalfOpen: true },
      });
      const [near, far] = [client.toDuplex(), peer.toDuplex()];
      near.end('question');
      // an iterator would destroy the stream at its end
      const question: Uint8Array[] = [];
      far.on('data', (chunk) => question.push(chunk));
      await once(far, 'end');
      expect(Buffer.concat(question).toString()).toBe('question');
      far.write('long ');
      await pause(20);
      far.end('answer');
      expect(await allText(near)).toBe('long answer');
      await Promise.all([waitForClose(near), waitForClose(far)]);
    });

    it('is ended with the peer without it', async () => {
      const { client, peer } = await connectPair();
      const far = peer.toDuplex().resume();
      client.toDuplex().resume().end();
      await waitForClose(far);
      expect(far.writableEnded).toBe(true);
      expect(far.errored).toBeNull();
    });

    it('delivers what was written and ended, destroyed at once after that', async () => {
      const limits = { maxMessage: 100_000, ...(protocol === 'sealed' ? { maxRecord: 16384 } : {}) };
      const { client, peer } = await connectPair({ server: limits, client: limits });
      // a socket closed with something unread resets, and what the peer has not read is lost to it
      for (let i = 0; i < 20; i++) void peer.send(new Uint8Array(20_000)).catch(() => {});
      await expect.poll(() => client.bytesRead).toBeGreaterThan(50_000);
      const content = randomBytes(300_000);
      const stream = client.toDuplex();
      stream.end(content);
      await once(stream, 'finish');
      stream.destroy();
      await pause(50);
      const received: Uint8Array[] = [];
      for await (const message of peer) received.push(message);
      expect(sha256(Buffer.concat(received))).toBe(sha256(content));
      await waitForClose(stream);
    });

    it('gives up the connection when it is destroyed before', async () => {
      const { client, peer } = await connectPair();
      const reason = new Error('given up');
      const stream = client.toDuplex();
      const failed = once(stream, 'error');
      stream.write('begun');
      await pause(20);
      stream.destroy(reason);
      expect((await failed)[0]).toBe(reason);
      expect(await rejection(client.recv())).toBe(reason);
      expect(text(await peer.recv())).toBe('begun');
      if (protocol === 'sealed') expect((await rejection(peer.recv())).code).toBe('TRUNCATED');
      await waitForClose(stream);
    });

    it('fails with the error of the connection', async () => {
      const { client } = await connectPair();
      const reason = new Error('given up');
      const stream = client.toDuplex().resume();
      const failed = once(stream, 'error');
      client.destroy(reason);
      expect((await failed)[0]).toBe(reason);
      await waitForClose(stream);
    });

    it('is closed with the connection by this side, without an error', async () => {
      const { peer, server } = await connectPair();
      const { client } = await connectPair();
      const errors: unknown[] = [];
      const far = peer.toDuplex().on('error', (error) => errors.push(error));
      const lost: unknown[] = [];
      far.write(Buffer.alloc(20_000_000), (error) => lost.push(error));
      await pause(20);
      // the client does not read, so the server cannot close in order
      await server.close({ timeout: 1 });
      await waitForClose(far);
      expect(lost).toEqual([expect.objectContaining({ code: 'CLOSED' })]);
      const near = client.toDuplex().on('error', (error) => errors.push(error));
      near.resume();
      client.destroy();
      await waitForClose(near);
      expect(errors).toEqual([]);
    });

    it('tells a writer that the peer has ended', async () => {
      const { client, peer } = await connectPair({ client: { maxSendQueue: 2 ** 30 } });
      const near = client.toDuplex().resume();
      near.write(Buffer.alloc(40_000_000));
      await pause(20);
      peer.destroy();
      const [error] = await once(near, 'error');
      expect(['CLOSED', 'TRUNCATED']).toContain(error.code);
    });

    it('makes the writer wait while the peer does not read', async () => {
      const limits = { maxMessage: 100_000, ...(protocol === 'sealed' ? { maxRecord: 16384 } : {}) };
      const { client, peer } = await connectPair({
        server: limits,
        client: { highWaterMark: 100_000, maxMessage: 100_000 },
      });
      const stream = client.toDuplex();
      const far = peer.toDuplex();
      let written = 0;
      const total = 30_000_000;
      const writing = (async () => {
        while (written < total) {
          written += 50_000;
          if (!stream.write(Buffer.alloc(50_000, 7))) await once(stream, 'drain');
        }
        stream.end();
      })();
      let before = -1;
      while (written !== before) {
        before = written;
        await pause(150);
      }
      expect(written).toBeLessThan(total / 2);
      let received = 0;
      for await (const chunk of far) received += chunk.length;
      await writing;
      expect(received).toBe(total);
    });

    it('tells of silence, once, as a socket does', async () => {
      const { client, peer } = await connectPair();
      const stream = client.toDuplex() as Duplex & { setTimeout(ms: number, listener?: () => void): Duplex };
      stream.resume();
      let times = 0;
      stream.setTimeout(150, () => times++);
      for (let i = 0; i < 6; i++) {
        await pause(50);
        if (i % 2) stream.write('x');
        else await peer.send(bytes('y'));
      }
      expect(times).toBe(0);
      await once(stream, 'timeout');
      expect(times).toBe(1);
      expect(stream.destroyed).toBe(false);
      stream.setTimeout(20);
      stream.setTimeout(0);
      stream.once('timeout', () => times++);
      await pause(80);
      expect(times).toBe(1);
    });
  });

  describe.each<[string, (client: SecureClient) => AsyncIterator<Uint8Array>]>([
    ['readable', (client) => client.readable.values()],
    ['a loop', (client) => client[Symbol.asyncIterator]()],
    ['toDuplex()', (client) => client.toDuplex()[Symbol.asyncIterator]()],
  ])('%s, all that is left of a client,', (_, reader) => {
    it('gives what came before the end, however much memory is collected in between', async () => {
      const { client, server } = await connectPair({ client: { closeTimeout: 200 } });
      let received = 0;
      const left = await (async () => {
        const accepting = server.accept();
        const second = clientOf(server, { protocol });
        await second.connect({ port: portOf(server), host: '127.0.0.1' });
        for (let i = 0; i < 100; i++) await second.send(new Uint8Array(50_000).fill(i));
        const messages = reader(await accepting);
        received += (await messages.next()).value.length;
        await second.close();
        return messages;
      })();
      await client.close();
      await expect.poll(() => server.stats.open).toBe(0);
      for (let i = 0; i < 5; i++) {
        collectGarbage();
        await pause(10);
      }
      for (let next = await left.next(); !next.done; next = await left.next()) received += next.value.length;
      expect(received).toBe(5_000_000);
    });
  });

  describe('HTTP over connections', () => {
    const file = randomBytes(5_000_000);

    /** An HTTP server whose connections are those of a server of ours. */
    async function serve(): Promise<SecureServer> {
      // Deno destroys the stream after each response of a server that does not listen
      const web = Object.defineProperty(createServer(answer), 'listening', { value: true });
      const server = await startListening(protocol);
      const serving = (async () => {
        for await (const client of server) web.emit('connection', client.toDuplex());
      })();
      keep({
        [Symbol.asyncDispose]: async () => {
          web.closeAllConnections();
          await server.close({ timeout: 100 });
          await serving;
        },
      });
      return server;
    }

    async function dial(server: SecureServer): Promise<SecureClient> {
      const client = clientOf(server, { protocol });
      await client.connect({ port: portOf(server), host: '127.0.0.1' });
      return client;
    }

    it('carries a question, an upload and a large download', async () => {
      const client = await dial(await serve());
      const sent = request({
        path: '/upload',
        method: 'POST',
        createConnection: () => client.toDuplex(),
      });
      const body = randomBytes(1_000_000);
      sent.end(body);
      const [reply] = (await once(sent, 'response')) as [IncomingMessage];
      expect(reply.statusCode).toBe(200);
      expect(await allText(reply)).toBe(`127.0.0.1 ${sha256(body)}`);
      // without an agent the connection is for one request: HTTP closes it, and with it the client
      await expect.poll(() => rejection(client.send(bytes('x')))).toMatchObject({ code: 'CLOSED' });
    });

    it('keeps one connection for many requests', async () => {
      const server = await serve();
      const client = await dial(server);
      const agent = new Agent({ keepAlive: true, maxSockets: 1, timeout: 20_000 });
      Object.assign(agent, { createConnection: () => client.toDuplex() });
      for (let i = 0; i < 5; i++) {
        const sent = request({ agent, path: i === 2 ? '/file' : `/${i}`, timeout: 20_000 }).end();
        const [reply] = (await once(sent, 'response')) as [IncomingMessage];
        expect(sent.reusedSocket).toBe(i > 0);
        if (i === 2) {
          const hash = createHash('sha256');
          for await (const chunk of reply) hash.update(chunk);
          expect(hash.digest('hex')).toBe(sha256(file));
        } else expect(await allText(reply)).toBe(`/${i}`);
      }
      expect(server.stats.handshakesCompleted).toBe(1);
      agent.destroy();
    });

    it('tells of a server that does not answer', async () => {
      const client = await dial(await serve());
      const sent = request({ path: '/never', createConnection: () => client.toDuplex() }).end();
      await once(sent.setTimeout(100), 'timeout');
      sent.destroy(new Error('no answer'));
      expect((await rejection(once(sent, 'close'))).message).toBe('no answer');
      expect((await rejection(client.send(bytes('x')))).message).toBe('no answer');
    });

    it('carries HTTP/2', async () => {
      const web = createHttp2Server((question, reply) => reply.end(`${question.url} by 2`));
      const { client, peer } = await connectPair();
      web.emit('connection', peer.toDuplex());
      const session = connectHttp2('http://inside', { createConnection: () => client.toDuplex() });
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, i) => allText(session.request({ ':path': `/${i}` }).end())),
      );
      expect(answers).toEqual(Array.from({ length: 20 }, (_, i) => `/${i} by 2`));
      session.close();
      await once(session, 'close');
    });

    function answer(question: IncomingMessage, reply: import('node:http').ServerResponse): void {
      if (question.url === '/file') reply.end(file);
      else if (question.url === '/upload') {
        const hash = createHash('sha256');
        question.on('data', (chunk) => hash.update(chunk));
        question.on('end', () => reply.end(`${question.socket.remoteAddress} ${hash.digest('hex')}`));
      } else if (question.url !== '/never') reply.end(question.url);
    }
  });
});

function collectGarbage(): void {
  const { Bun } = globalThis as { Bun?: { gc(force: boolean): void } };
  if (!Bun) setFlagsFromString('--expose-gc');
  const collect: () => void = Bun ? () => Bun.gc(true) : runInNewContext('gc');
  collect();
}

async function waitForClose(stream: Duplex): Promise<void> {
  if (!stream.closed) await once(stream, 'close');
}
