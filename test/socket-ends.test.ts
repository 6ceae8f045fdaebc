import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { keep, keptPairs } from './helpers/kept.js';
import {
  clientOf,
  pause,
  portOf,
  protocols,
  rawConnection,
  rejection,
  startListening,
} from './helpers/sockets.js';
import { bytes, text } from './helpers/texts.js';

describe.each(protocols)('%s', (protocol) => {
  const connectPair = keptPairs(protocol);

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
