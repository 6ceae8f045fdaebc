import { SecureClient, SecureServer, type SecureSocketError } from 'secure-sockets';
import { describe, expect, it } from 'vitest';
import { keep } from './helpers/kept.js';
import {
  clientOf,
  identityFor,
  portOf,
  protocols,
  rawConnection,
  rejection,
  startListening,
} from './helpers/sockets.js';
import { bytes, text } from './helpers/texts.js';

describe.each(protocols)('%s', (protocol) => {
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
      expect(performance.now() - begun).toBeLessThan(4000);
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
      const { address } = second;
      expect((await rejection(second.listen())).code).toBe('ALREADY_LISTENING');
      expect(second.fingerprint).toBe(identity.fingerprint);
      const third = new SecureServer({ protocol, identity });
      expect((await rejection(third.bind({ port: 70_000 }))).code).toBe('BAD_ARGUMENT');
      expect((await rejection(third.bind({ path: '' }))).code).toBe('BAD_ARGUMENT');
      await Promise.all([second.close(), third.close()]);
      expect([second.address, second.fingerprint]).toEqual([address, identity.fingerprint]);
      expect(() => third.address).toThrow(expect.objectContaining({ code: 'NOT_LISTENING' }));
      expect((await rejection(third.listen({ port: 0 }))).code).toBe('CLOSED');
    });
  });
});
