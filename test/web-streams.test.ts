import assert from 'node:assert/strict';
import { runInNewContext } from 'node:vm';
import { SecureClient, SecureServer, type StreamPair, webStreams } from 'secure-sockets';
import { describe, expect, it, vi } from 'vitest';
import { identityFor, pause, portOf, startListening } from './helpers/sockets.js';
import { record } from './helpers/transport-log.js';
import { webTransportStreams } from './helpers/web-transport-streams.js';

describe('webStreams()', () => {
  it('refuses what is no pair of streams, and streams in use', () => {
    for (const wrong of [null, {}, { readable: new ReadableStream() }, { readable: 1, writable: 2 }])
      expect(() => webStreams(wrong as never)).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    readable.getReader();
    expect(() => webStreams({ readable, writable })).toThrow(/locked/);
  });

  it.each([
    ['give no reader', { getReader: () => undefined }, { getWriter: (): unknown => ({}) }],
    ['give half a reader', { getReader: () => ({}) }, { getWriter: (): unknown => ({}) }],
    ['give no writer', new ReadableStream(), { getWriter: (): unknown => null }],
    ['throw', { getReader: () => assert.fail('not today') }, new WritableStream()],
  ])('refuses what only looks like streams, and %s', (_, readable, writable) => {
    expect(() => webStreams({ readable, writable } as never)).toThrow(
      expect.objectContaining({
        code: 'BAD_ARGUMENT',
        message: expect.stringMatching(/^webStreams\(\) takes streams of/),
      }),
    );
  });

  it('refuses chunks that are no bytes', async () => {
    const readable = new ReadableStream({ start: (controller) => controller.enqueue('text') });
    const { writable } = new TransformStream();
    const log = record(webStreams({ readable, writable }));
    await expect.poll(() => log.error?.code).toBe('PROTOCOL');
  });

  it.each([
    ['an ArrayBuffer', new ArrayBuffer(7)],
    ['one of another realm', runInNewContext('new ArrayBuffer(7)')],
    ['a view of another realm', runInNewContext('new DataView(new ArrayBuffer(9), 1, 7)')],
  ])('takes %s for bytes', async (_, chunk) => {
    const readable = new ReadableStream({ start: (controller) => controller.enqueue(chunk) });
    const { writable } = new TransformStream();
    const log = record(webStreams({ readable, writable }));
    await expect.poll(log.received).toBe(7);
  });

  it('lets timers run while it is given empty chunks without end', async () => {
    let count = 0;
    const pull = (controller: ReadableStreamDefaultController): void => {
      // an end to it, should there be none otherwise
      if (++count > 1_000_000) controller.close();
      else controller.enqueue(new Uint8Array(0));
    };
    const readable = new ReadableStream({ pull }, { highWaterMark: 0 });
    const { writable } = new TransformStream();
    const client = new SecureClient({ verifyServer: () => true, handshakeTimeout: 50 });
    await expect(client.connect(webStreams({ readable, writable }))).rejects.toMatchObject({
      code: 'HANDSHAKE_TIMEOUT',
    });
  });

  it.each([
    ['an error', new Error('unplugged'), 'unplugged'],
    ['no error', 'because', 'the stream below the connection failed: because'],
  ])('ends with what the streams fail with, if that is %s', async (_, reason, message) => {
    const readable = new ReadableStream({ start: (controller) => controller.error(reason) });
    const { writable } = new TransformStream();
    const log = record(webStreams({ readable, writable }));
    await expect.poll(() => log.events).toEqual(['close']);
    expect(log.error?.message).toBe(message);
  });

  it('carries a conversation through streams that hand each chunk on later', async () => {
    const { near, far } = pairOver(() => new TransformStream({ transform: later }));
    const server = new SecureServer({ identity: await identityFor('sealed') });
    const attached = server.attach(webStreams(far));
    const client = new SecureClient({ serverKey: (await identityFor('sealed')).fingerprint });
    await client.connect(webStreams(near));
    const peer = await server.accept();
    for (const length of [0, 1, 100_000]) {
      await client.send(new Uint8Array(length));
      await peer.send((await peer.recv()) as Uint8Array);
      expect((await client.recv())?.length).toBe(length);
    }
    await Promise.all([client.close(), attached, server.close()]);
  });

  // Deno's hands on each chunk
  it.skipIf(process.versions.deno)('gives up streams that keep bytes until they are closed', async () => {
    const { near, far } = pairOver(() => {
      const { readable, writable } = new CompressionStream('deflate');
      return { writable, readable: readable.pipeThrough(new DecompressionStream('deflate')) } as StreamPair;
    });
    const codes: unknown[] = [];
    const onHandshakeError = (error: unknown): unknown => codes.push((error as { code?: string }).code);
    const identity = await identityFor('sealed');
    const server = new SecureServer({ identity, handshakeTimeout: 50, onHandshakeError });
    void server.attach(webStreams(far)).catch(() => {});
    const client = new SecureClient({ serverKey: identity.fingerprint, handshakeTimeout: 50 });
    await expect(client.connect(webStreams(near))).rejects.toMatchObject({ code: 'HANDSHAKE_TIMEOUT' });
    await expect.poll(() => codes.length).toBe(1);
    await server.close();
  });

  it('notices that the writing side has failed while nothing is written', async () => {
    const readable = new ReadableStream();
    let fail: (reason: unknown) => void = () => {};
    const writable = new WritableStream({
      start: (controller) => {
        fail = (reason) => controller.error(reason);
      },
    });
    const log = record(webStreams({ readable, writable }));
    fail(new Error('reset'));
    await expect.poll(() => log.error?.message).toBe('reset');
  });

  it('ends its own direction alone where closing the stream would end both', async () => {
    const calls: string[] = [];
    let end = (): void => {};
    const readable = new ReadableStream({
      start: (controller) => {
        end = () => controller.close();
      },
    });
    const writable = new WritableStream({
      write: async (chunk) => {
        await pause(10);
        calls.push(`write ${chunk.length}`);
      },
      close: () => void calls.push('close'),
    });
    const transport = webStreams({ readable, writable, closeWrite: async () => calls.push('closeWrite') });
    const log = record(transport);
    transport.write([new Uint8Array(3)]);
    transport.end();
    await expect.poll(() => calls).toEqual(['write 3', 'closeWrite']);
    end();
    await expect.poll(() => log.events).toEqual(['end', 'close']);
    expect(log.error).toBeUndefined();
    await expect.poll(() => calls).toEqual(['write 3', 'closeWrite', 'close']);
  });

  it('fails if its own direction cannot be ended', async () => {
    const readable = new ReadableStream();
    const { writable } = new TransformStream();
    const closeWrite = (): Promise<never> => Promise.reject(new Error('not connected'));
    const transport = webStreams({ readable, writable, closeWrite });
    const log = record(transport);
    transport.end();
    await expect.poll(() => log.error?.message).toBe('not connected');
  });

  it('given up after its end still delivers what the streams have taken, and ends them in order', async () => {
    const { near, far, resets } = webTransportStreams();
    let releases = 0;
    const transport = webStreams(near, { close: () => releases++ });
    const log = record(transport);
    const peer = webStreams(far);
    const peerLog = record(peer);
    transport.write([new Uint8Array(1000)]);
    transport.end();
    transport.destroy();
    peer.write([new Uint8Array(1000)]);
    peer.end();
    await expect.poll(() => log.events).toEqual(['close']);
    await expect.poll(() => peerLog.events).toEqual(['end', 'close']);
    expect([peerLog.received(), log.received(), resets()]).toEqual([1000, 0, 0]);
    expect([log.error, peerLog.error]).toEqual([undefined, undefined]);
    await expect.poll(() => releases).toBe(1);
  });

  it.each([
    ['does not end', () => new ReadableStream()],
    ['sends without end', endlessBytes],
  ])('given up after its end is freed even if the peer %s', async (_, readableOf) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      let isFreed = false;
      const { writable } = new TransformStream();
      const transport = webStreams({ readable: readableOf(), writable }, { close: () => (isFreed = true) });
      const log = record(transport);
      transport.end();
      transport.destroy();
      await vi.advanceTimersByTimeAsync(1900);
      expect([log.events, isFreed]).toEqual([['close'], false]);
      await vi.advanceTimersByTimeAsync(200);
      expect(isFreed).toBe(true);
    } finally {
      vi.useRealTimers();
    }
  });

  it.each([
    ['', async () => {}],
    [', one end before the other', (client: SecureClient) => client.end()],
  ])(
    'carries a conversation over streams like those of WebTransport to its end%s',
    async (_, afterSending) => {
      const server = await startListening('sealed', { allowHalfOpen: true });
      const { near, far, resets } = webTransportStreams();
      await server.attach(webStreams(far));
      const client = new SecureClient({ serverKey: server.fingerprint });
      await client.connect(webStreams(near));
      const peer = await server.accept();
      const answering = peer.recv().then(async () => {
        await peer.send(new Uint8Array(100));
        return peer.close();
      });
      await client.send(new Uint8Array(10));
      await afterSending(client);
      expect((await client.recv())?.length).toBe(100);
      expect(await client.recv()).toBeNull();
      expect([(await client.close()).error, (await answering).error]).toEqual([undefined, undefined]);
      expect(resets()).toBe(0);
      await server.close();
    },
  );

  it.skipIf(!process.versions.deno)('over a connection of Deno closes in order', async () => {
    const { Deno } = globalThis as unknown as {
      Deno: { connect(to: { hostname: string; port: number }): Promise<StreamPair> };
    };
    const server = await startListening('sealed');
    const connection = await Deno.connect({ hostname: '127.0.0.1', port: portOf(server) });
    const client = new SecureClient({ serverKey: server.fingerprint });
    const accepting = server.accept();
    await client.connect(webStreams(connection));
    const peer = await accepting;
    await client.send(new Uint8Array(300_000));
    const closing = client.close();
    expect((await peer.recv())?.length).toBe(300_000);
    expect(await peer.recv()).toBeNull();
    await peer.close();
    expect((await closing).error).toBeUndefined();
    await server.close();
  });

  it('frees what lies below, whatever that throws', async () => {
    for (const close of [
      () => Promise.reject(new Error('late')),
      () => {
        throw new Error('at once');
      },
    ]) {
      let count = 0;
      const { readable, writable } = new TransformStream();
      const countListeners = (): unknown => {
        count++;
        return close();
      };
      const log = record(webStreams({ readable, writable }, { close: countListeners }));
      webStreams(new TransformStream());
      const transport = webStreams(new TransformStream(), { close: countListeners });
      transport.destroy();
      transport.destroy();
      expect(count).toBe(1);
      expect(log.events).toEqual([]);
    }
  });
});

function endlessBytes(): ReadableStream<Uint8Array> {
  const pull = (controller: ReadableStreamDefaultController): void => controller.enqueue(new Uint8Array(1));
  return new ReadableStream({ pull }, { highWaterMark: 0 });
}

/** Two ends, each direction through streams of its own. */
function pairOver(through: () => StreamPair): { near: StreamPair; far: StreamPair } {
  const [there, back] = [through(), through()];
  return {
    near: { readable: back.readable, writable: there.writable },
    far: { readable: there.readable, writable: back.writable },
  };
}

async function later(
  chunk: Uint8Array,
  controller: TransformStreamDefaultController<Uint8Array>,
): Promise<void> {
  await pause(2);
  controller.enqueue(chunk);
}
