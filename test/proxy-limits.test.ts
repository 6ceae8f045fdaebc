import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { BlockList, type Socket } from 'node:net';
import {
  type ClientOptions,
  fromDuplex,
  type LimitDiagnostics,
  type SecureClient,
  type SecureServer,
} from 'secure-sockets';
import { describe, expect, it } from 'vitest';
import { open } from './helpers/kept.js';
import { behindProxy, binary, bytes, connectBy, line, proxyTo } from './helpers/proxied-server.js';
import { clientOf, pause, protocols, rejection } from './helpers/sockets.js';

describe.each(protocols)('%s behind a proxy', (protocol) => {
  const clientFor = (server: SecureServer, options: ClientOptions = {}): SecureClient =>
    clientOf(server, { protocol, ...options });

  describe('reports and drops', () => {
    it.each([
      ['what is no header', bytes('GET / HTTP/1.1\r\n'), 'does not begin with a PROXY header'],
      ['a header with a wrong address', line('192.0.2.256'), 'is not two addresses'],
      ['a header that is too long', binary('21 11 ffff'), '65551 bytes'],
      ['a line without an end', bytes(`PROXY UNKNOWN ${'x'.repeat(200)}`), 'longer than 107'],
    ])('%s, with the address of the proxy', async (_, start, message) => {
      const { server, reports } = await behindProxy(protocol);
      const socket = await proxyTo(server);
      const { localPort } = socket;
      socket.write(start);
      await once(socket.resume(), 'close');
      expect(reports).toEqual([
        {
          code: 'PROTOCOL',
          message: expect.stringContaining(message),
          from: `127.0.0.1 ${localPort}`,
        },
      ]);
      expect(server.stats).toMatchObject({
        pending: 0,
        open: 0,
        handshakesCompleted: 0,
        rejected: { PROTOCOL: 1 },
      });
    });

    it('a header that does not come, or not whole', async () => {
      const { server, reports } = await behindProxy(protocol, { handshakeTimeout: 200 });
      const [silent, begun] = [await proxyTo(server), await proxyTo(server)];
      begun.write(line('192.0.2.33').subarray(0, 20));
      await Promise.all([once(silent.resume(), 'close'), once(begun.resume(), 'close')]);
      expect(reports.map(({ code, from }) => `${code} ${from.split(' ')[0]}`)).toEqual([
        'HANDSHAKE_TIMEOUT 127.0.0.1',
        'HANDSHAKE_TIMEOUT 127.0.0.1',
      ]);
      expect(server.stats).toMatchObject({ pending: 0, open: 0 });
    });

    it('a proxy that ends or resets before its header is whole', async () => {
      const { server, reports } = await behindProxy(protocol);
      const ending = await proxyTo(server);
      ending.end(line('192.0.2.33').subarray(0, 20));
      await once(ending.resume(), 'close');
      const resetting = await proxyTo(server);
      await expect.poll(() => server.stats.pending).toBe(1);
      resetting.resetAndDestroy();
      await expect
        .poll(() => reports.map(({ code }) => code))
        .toEqual(['HANDSHAKE_FAILED', 'HANDSHAKE_FAILED']);
      expect(server.stats).toMatchObject({ pending: 0, open: 0 });
    });

    it('a handshake that fails behind it, with the real address', async () => {
      const { server, reports } = await behindProxy(protocol);
      const socket = await proxyTo(server);
      socket.write(line('192.0.2.33', 1234));
      await expect.poll(() => server.stats.pending).toBe(1);
      await pause(20);
      socket.resetAndDestroy();
      await expect.poll(() => reports.length).toBe(1);
      expect(reports[0]?.from).toBe('192.0.2.33 1234');
    });

    it('header and handshake that take too long together', async () => {
      const { server, reports } = await behindProxy(protocol, { handshakeTimeout: 3000 });
      const socket = await proxyTo(server);
      const begun = performance.now();
      await pause(1500);
      socket.write(line('192.0.2.33', 1234));
      await once(socket.resume(), 'close');
      expect(performance.now() - begun).toBeLessThan(4400);
      expect(reports).toMatchObject([{ code: 'HANDSHAKE_TIMEOUT', from: '192.0.2.33 1234' }]);
    });
  });

  describe('limits', () => {
    it('count the real source, and not the proxy', async () => {
      const limits: string[] = [];
      const listener = (facts: unknown): void => {
        const { limit, remoteAddress } = facts as LimitDiagnostics;
        limits.push(`${limit} ${remoteAddress}`);
      };
      subscribe('secure-sockets:limit', listener);
      open.push({ [Symbol.asyncDispose]: async () => void unsubscribe('secure-sockets:limit', listener) });
      const { server, reports } = await behindProxy(protocol, { maxPendingPerSource: 2 });
      const attack = async (address: string): Promise<Socket> => {
        const socket = await proxyTo(server);
        socket.write(line(address));
        return socket;
      };
      for (const address of ['192.0.2.1', '192.0.2.1', '2001:db8::1', '2001:db8::2']) await attack(address);
      await expect.poll(() => server.stats.pending).toBe(4);
      for (const address of ['192.0.2.1', '2001:db8::3', '::ffff:192.0.2.1']) {
        await once((await attack(address)).resume(), 'close');
      }
      expect(reports).toMatchObject([
        { code: 'BUSY', from: '192.0.2.1 50000', message: expect.stringContaining('maxPendingPerSource') },
        { code: 'BUSY', from: '2001:db8::3 50000' },
        { code: 'BUSY', from: '::ffff:192.0.2.1 50000' },
      ]);
      expect(limits).toEqual([
        'maxPendingPerSource 192.0.2.1',
        'maxPendingPerSource 2001:db8::3',
        'maxPendingPerSource ::ffff:192.0.2.1',
      ]);
      const [, peer] = await connectBy(protocol, server, line('192.0.2.2'));
      expect(peer.remoteAddress).toBe('192.0.2.2');
    });

    it('refuse clients whose real address is on the block list, and never mistake the proxy for one', async () => {
      const blockList = new BlockList();
      blockList.addAddress('192.0.2.66');
      blockList.addAddress('127.0.0.1');
      const { server, reports } = await behindProxy(protocol, { blockList });
      const socket = await proxyTo(server);
      socket.write(line('192.0.2.66'));
      await once(socket.resume(), 'close');
      expect(reports).toMatchObject([{ code: 'BUSY', from: '192.0.2.66 50000' }]);
      const [, peer] = await connectBy(protocol, server, line('192.0.2.67'));
      expect(peer.remoteAddress).toBe('192.0.2.67');
    });

    it('count a connection before its header too', async () => {
      const { server, reports } = await behindProxy(protocol, { maxConnections: 2 });
      await proxyTo(server);
      await proxyTo(server);
      await expect.poll(() => server.stats.pending).toBe(2);
      expect(server.stats.open).toBe(0);
      await once((await proxyTo(server)).resume(), 'close');
      expect(reports).toMatchObject([{ code: 'BUSY', message: expect.stringContaining('maxConnections') }]);
    });
  });

  it('does not wait for headers when it closes, and accepts no more clients', async () => {
    const { server, reports } = await behindProxy(protocol);
    const socket = await proxyTo(server);
    await expect.poll(() => server.stats.pending).toBe(1);
    const gone = once(socket.resume(), 'close');
    const begun = performance.now();
    await server.close();
    await gone;
    expect(performance.now() - begun).toBeLessThan(5000);
    expect(reports).toEqual([]);
    expect(server.stats).toMatchObject({ pending: 0, open: 0, handshakesCompleted: 0 });
  });

  it('takes no header from an address that is no proxy', async () => {
    const others = new BlockList();
    others.addAddress('192.0.2.1');
    const { server, reports } = await behindProxy(protocol, {
      trustedProxies: others,
      handshakeTimeout: 2000,
    });
    const socket = await proxyTo(server);
    socket.write(line('192.0.2.33'));
    socket.write(new Uint8Array(2000));
    if (protocol === 'sealed') {
      await once(socket.resume(), 'close');
      expect(reports).toMatchObject([{ code: 'NOT_SEALED', from: expect.stringContaining('127.0.0.1') }]);
      expect(server.stats.handshakesCompleted).toBe(0);
    } else {
      // classic takes anything for a session key, so that nothing can be learnt from it; no message comes of it
      const peer = await server.accept();
      expect(peer.remoteAddress).toBe('127.0.0.1');
      expect((await rejection(peer.recv())).code).toBe('BAD_FRAME');
    }
    // and without a header it serves as ever
    const client = clientFor(server);
    const accepted = server.accept();
    await client.connect(fromDuplex(await proxyTo(server)));
    expect((await accepted).remoteAddress).toBe('127.0.0.1');
  });
});
