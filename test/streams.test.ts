import { SecureClient } from 'secure-sockets';
import { describe, expect, it } from 'vitest';
import { collectGarbage } from './helpers/garbage.js';
import { keptPairs } from './helpers/kept.js';
import { clientOf, pause, portOf, protocols, rejection } from './helpers/sockets.js';
import { bytes, text } from './helpers/texts.js';

describe.each(protocols)('%s', (protocol) => {
  const connectPair = keptPairs(protocol);

  describe('readable', () => {
    it('gives one chunk a message, empty ones too, and ends where the peer ends', async () => {
      const { client, peer } = await connectPair();
      const messages = ['one', '', 'two', 'x'.repeat(300_000)];
      for (const message of messages) await client.send(bytes(message));
      void client.close();
      const chunks: (string | null)[] = [];
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
      const answers: (string | null)[] = [];
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
});
