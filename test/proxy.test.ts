import { randomBytes } from 'node:crypto';
import { type ClientOptions, fromDuplex, type SecureClient, type SecureServer } from 'secure-sockets';
import { describe, expect, it } from 'vitest';
import { node } from '../backends/node.js';
import type { Backend } from '../src/backend.js';
import { behindProxy as readHeaderOf } from '../src/server/proxy-protocol.js';
import type { Transport, TransportEvents } from '../src/transports/transport.js';
import { behindProxy, binary, bytes, connectBy, line, proxyTo } from './helpers/proxied-server.js';
import { clientOf, pause, protocols } from './helpers/sockets.js';
import { sha256 } from './helpers/texts.js';

describe.each(protocols)('%s behind a proxy', (protocol) => {
  const clientFor = (server: SecureServer, options: ClientOptions = {}): SecureClient =>
    clientOf(server, { protocol, ...options });

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
    const [client, peer] = await connectBy(protocol, server, header);
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
    const [client, peer] = await connectBy(protocol, server, header);
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
