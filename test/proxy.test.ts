import { createHash, randomBytes } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { BlockList, type Socket } from 'node:net';
import {
  type ClientOptions,
  fromDuplex,
  type LimitDiagnostics,
  type SecureClient,
  type SecureServer,
  type ServerOptions,
} from 'secure-sockets';
import { afterEach, describe, expect, it } from 'vitest';
import { node } from '../backends/node.js';
import type { Backend } from '../src/backend.js';
import { behindProxy as readHeaderOf } from '../src/server/proxy-protocol.js';
import type { Transport, TransportEvents } from '../src/transports/transport.js';
import { clientOf, pause, protocols, rawConnection, rejection, startListening } from './helpers/sockets.js';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
});

const proxies = new BlockList();
proxies.addSubnet('127.0.0.0', 8, 'ipv4');

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'));
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

const line = (address: string, port = 50_000): Uint8Array =>
  bytes(`PROXY ${address.includes(':') ? 'TCP6' : 'TCP4'} ${address} ${address} ${port} 443\r\n`);
const binary = (content: string): Uint8Array => hex(`0d0a0d0a000d0a515549540a ${content}`);

interface Report {
  readonly code: string | undefined;
  readonly message: string;
  readonly from: string;
}

/** A server behind a proxy, and what it reports. */
async function behindProxy(
  protocol: 'sealed' | 'classic',
  options: ServerOptions = {},
): Promise<{ server: SecureServer; reports: Report[] }> {
  const reports: Report[] = [];
  const server = await startListening(protocol, {
    trustedProxies: proxies,
    onHandshakeError: (error: Error & { code?: string }, from) =>
      reports.push({
        code: error.code,
        message: error.message,
        from: `${from.remoteAddress} ${from.remotePort}`,
      }),
    ...options,
  });
  open.push({ [Symbol.asyncDispose]: () => server.close({ timeout: 100 }) });
  return { server, reports };
}

/** A raw connection that is destroyed with the test. */
async function proxyTo(server: SecureServer): Promise<Socket> {
  const socket = await rawConnection(server);
  open.push({ [Symbol.asyncDispose]: async () => void socket.destroy() });
  return socket;
}

describe.each(protocols)('%s behind a proxy', (protocol) => {
  const clientFor = (server: SecureServer, options: ClientOptions = {}): SecureClient =>
    clientOf(server, { protocol, ...options });

  /** A client that comes by a proxy which says this header. */
  async function connectBy(server: SecureServer, header: Uint8Array): Promise<[SecureClient, SecureClient]> {
    const socket = await proxyTo(server);
    socket.write(header);
    const client = clientFor(server);
    const accepted = server.accept();
    await client.connect(fromDuplex(socket));
    return [client, await accepted];
  }

  it.each([
    ['version 1 over IPv4', line('192.0.2.33'), '192.0.2.33', 50_000],
    ['version 1 over IPv6', line('2001:DB8:0::a', 1), '2001:db8::a', 1],
    [
      'version 2 over IPv4, with extensions',
      binary('21 11 0013 c0000221 c6336402 c350 01bb 030004deadbeef'),
      '192.0.2.33',
      50_000,
    ],
    [
      'version 2 over IPv6',
      binary(`21 21 0024 20010db800000000000000000000000a ${'00'.repeat(16)} c350 01bb`),
      '2001:db8::a',
      50_000,
    ],
  ])('a client has the address that %s says', async (_, header, address, port) => {
    const { server, reports } = await behindProxy(protocol);
    const [client, peer] = await connectBy(server, header);
    expect([peer.remoteAddress, peer.remotePort]).toEqual([address, port]);
    expect(peer.localAddress).toBe('127.0.0.1');
    const large = randomBytes(3_000_000);
    const sending = [client.send(large), client.send(bytes('and back')), peer.send(large)];
    expect(sha256((await peer.recv()) as Uint8Array)).toBe(sha256(large));
    expect(sha256((await client.recv()) as Uint8Array)).toBe(sha256(large));
    expect(Buffer.from((await peer.recv()) as Uint8Array).toString()).toBe('and back');
    await Promise.all(sending);
    await client.close();
    expect(await peer.recv()).toBeNull();
    expect(reports).toEqual([]);
  });

  it.each([
    ['version 1 UNKNOWN', bytes('PROXY UNKNOWN\r\n')],
    ['version 2 LOCAL', binary('20 00 0000')],
    ['version 2 of a Unix domain socket', binary(`21 31 00d8 ${'2f'.repeat(216)}`)],
  ])('with %s it has the address of the proxy', async (_, header) => {
    const { server } = await behindProxy(protocol);
    const [client, peer] = await connectBy(server, header);
    expect([peer.remoteAddress, peer.remotePort]).toEqual([client.localAddress, client.localPort]);
  });

  it('takes a header byte by byte', async () => {
    const { server } = await behindProxy(protocol);
    for (const header of [line('192.0.2.33'), binary('21 11 000c c0000221 c6336402 c350 01bb')]) {
      const socket = await proxyTo(server);
      socket.setNoDelay(true);
      for (const byte of header) {
        socket.write(Uint8Array.of(byte));
        await pause(1);
      }
      const client = clientFor(server);
      const accepted = server.accept();
      await client.connect(fromDuplex(socket));
      expect((await accepted).remoteAddress).toBe('192.0.2.33');
    }
  });

  it('goes on where the header ends, in the middle of a segment or of the handshake', async () => {
    const { server } = await behindProxy(protocol);
    const header = line('192.0.2.33');
    for (const early of [0, 1, header.length - 1]) {
      const socket = await proxyTo(server);
      socket.write(header.subarray(0, early));
      await pause(10);
      socket.cork();
      socket.write(header.subarray(early));
      const client = clientFor(server);
      const accepted = server.accept();
      const connecting = client.connect(fromDuplex(socket));
      // sealed clients speak first: header and first flight leave together
      if (protocol === 'sealed')
        await expect.poll(() => socket.writableLength).toBeGreaterThan(header.length - early);
      socket.uncork();
      await connecting;
      const peer = await accepted;
      await client.send(bytes('hello'));
      expect(Buffer.from((await peer.recv()) as Uint8Array).toString()).toBe('hello');
    }
  });

  it('makes a sender wait while its messages are not read', async () => {
    const limits = { maxMessage: 100_000, ...(protocol === 'sealed' ? { maxRecord: 16384 } : {}) };
    const { server } = await behindProxy(protocol, limits);
    const socket = await proxyTo(server);
    socket.write(line('192.0.2.33'));
    const client = clientFor(server, { highWaterMark: 100_000, maxMessage: 100_000 });
    const accepted = server.accept();
    await client.connect(fromDuplex(socket));
    const peer = await accepted;
    let sent = 0;
    const flood = (async () => {
      for (; sent < 2000; sent++) await client.send(new Uint8Array(10_000));
    })();
    let before = -1;
    while (sent !== before) {
      before = sent;
      await pause(150);
    }
    expect(sent).toBeLessThan(1900);
    for (let i = 0; i < 2000; i++) expect((await peer.recv())?.length).toBe(10_000);
    await flood;
  });

  it('takes no more than a little of what comes before the handshake is done', async () => {
    const never: Backend = {
      ...node,
      rsaPrivateKey: (numbers) => ({
        ...node.rsaPrivateKey(numbers),
        decryptRaw: () => new Promise(() => {}),
        decryptOaep: () => new Promise(() => {}),
      }),
    };
    const { server } = await behindProxy(protocol, { backend: never });
    const socket = await proxyTo(server);
    // more than waits for a turn, and what makes a classic server compute
    socket.write(Buffer.concat([line('192.0.2.33'), randomBytes(256).fill(0, 0, 1), Buffer.alloc(20_000)]));
    const flood = Buffer.alloc(2 ** 20);
    for (let i = 0; i < 32 && !socket.destroyed; i++) socket.write(flood);
    await pause(300);
    expect(server.stats.bytesRead).toBeLessThan(2 ** 20);
  });

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
      const { server, reports } = await behindProxy(protocol, { handshakeTimeout: 2000 });
      const socket = await proxyTo(server);
      const begun = performance.now();
      await pause(1500);
      socket.write(line('192.0.2.33', 1234));
      await once(socket.resume(), 'close');
      expect(performance.now() - begun).toBeLessThan(3400);
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
      const [, peer] = await connectBy(server, line('192.0.2.2'));
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
      const [, peer] = await connectBy(server, line('192.0.2.67'));
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

it('a transport that reports more before it is taken over loses nothing and is paused meanwhile', async () => {
  const calls: string[] = [];
  let reporting: TransportEvents | undefined;
  const call =
    (name: string) =>
    (...args: unknown[]): void =>
      void calls.push([name, ...args].join(' ').trimEnd());
  const inner: Transport = {
    start: (events) => {
      reporting = events;
    },
    write: (chunks) => call('write')(chunks.length),
    pending: 7,
    pause: call('pause'),
    resume: call('resume'),
    end: call('end'),
    destroy: call('destroy'),
    ref: call('ref'),
    unref: call('unref'),
    remoteAddress: '127.0.0.1',
    localAddress: '127.0.0.2',
    localPort: 443,
  };
  const waiting = readHeaderOf(inner, 1000, new AbortController().signal);
  const memory = new Uint8Array(64);
  for (const piece of [Uint8Array.of(...line('192.0.2.33'), 1, 2), Uint8Array.of(3), Uint8Array.of(4)]) {
    // as a transport does that reads into one buffer
    memory.set(piece);
    reporting?.data(memory.subarray(0, piece.length));
    memory.fill(0);
  }
  reporting?.end();
  const behind = await waiting;
  expect(calls.splice(0)).toEqual(['pause']);
  const seen: unknown[] = [];
  behind.start({
    data: (bytes) => seen.push(...bytes),
    end: () => seen.push('end'),
    written: () => seen.push('written'),
    close: () => seen.push('close'),
  });
  reporting?.written();
  reporting?.close();
  expect(seen).toEqual([1, 2, 3, 4, 'end', 'written', 'close']);
  behind.write([new Uint8Array(1)]);
  for (const act of ['pause', 'resume', 'end', 'destroy', 'ref', 'unref'] as const) behind[act]?.();
  expect(calls).toEqual(['resume', 'write 1', 'pause', 'resume', 'end', 'destroy', 'ref', 'unref']);
  const { pending, unsent, remoteAddress, localAddress, localPort } = behind;
  expect([pending, unsent, remoteAddress, localAddress, localPort]).toEqual([
    7,
    7,
    '192.0.2.33',
    '127.0.0.2',
    443,
  ]);
});
