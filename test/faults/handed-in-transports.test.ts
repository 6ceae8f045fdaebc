import { Duplex, duplexPair } from 'node:stream';
import { fromDuplex, SecureClient, SecureServer, type Transport, type TransportEvents } from 'secure-sockets';
import { describe, expect, it } from 'vitest';
import { guardTransport } from '../../src/transports/guarded.js';
import { identityFor, rejection } from '../helpers/sockets.js';
import { open, serverWith, works } from './handed-in.js';

describe('transports', () => {
  const methods = ['start', 'write', 'pause', 'resume', 'end', 'destroy', 'ref', 'unref'] as const;
  const getters = ['pending', 'unsent', 'remoteAddress', 'remotePort', 'localAddress', 'localPort'] as const;

  /** Both ends of a connection over transports of which the client's, or the server's, is changed. */
  async function over(change: (transport: Transport) => Transport, side: 'client' | 'server'): Promise<void> {
    const other = await serverWith({});
    const server = new SecureServer({
      identity: await identityFor('sealed'),
      handshakeTimeout: 400,
      closeTimeout: 200,
    });
    open.push(() => server.close({ timeout: 100 }));
    const [near, far] = duplexPair();
    const [mine, theirs] = [fromDuplex(near), fromDuplex(far)];
    const fingerprint = (await identityFor('sealed')).fingerprint;
    const client = new SecureClient({ serverKey: fingerprint, handshakeTimeout: 400, closeTimeout: 200 });
    const accepting = server.accept({ signal: AbortSignal.timeout(800) }).catch(() => undefined);
    const attaching = server.attach(side === 'server' ? change(theirs) : theirs).catch(() => {});
    const connecting = client.connect(side === 'client' ? change(mine) : mine).catch(() => {});
    await Promise.all([attaching, connecting]);
    const peer = await accepting;
    for (const end of [client, peer]) {
      end?.ref();
      end?.unref();
      await end?.send(new Uint8Array(200_000), { signal: AbortSignal.timeout(300) }).catch(() => {});
    }
    await client.recv({ signal: AbortSignal.timeout(100) }).catch(() => {});
    await Promise.all([client, peer].map((end) => end?.close().catch(() => {})));
    for (const end of [client, peer]) end?.destroy();
    await server.close({ timeout: 300 });
    await works(other);
  }

  const change = (transport: Transport, member: string, value: PropertyDescriptor): Transport =>
    Object.defineProperty(
      new Proxy({} as Transport, {
        get: (_, name) => {
          if (name === member) return value.get ? value.get.call(transport) : value.value;
          const found = transport[name as keyof Transport];
          return typeof found === 'function' ? (found as () => unknown).bind(transport) : found;
        },
        has: (_, name) => name in transport,
      }),
      'changed',
      { value: true, configurable: true },
    );

  for (const side of ['client', 'server'] as const) {
    it.each(methods)(`the ${side}'s throws in %s()`, async (name) => {
      const value = (): never => {
        throw new Error('mine');
      };
      await over((transport) => change(transport, name, { value }), side);
    });

    it.each(getters)(`the ${side}'s throws in %s`, async (name) => {
      const get = (): never => {
        throw new Error('mine');
      };
      await over((transport) => change(transport, name, { get }), side);
    });

    it.each(getters)(`the ${side}'s has nonsense in %s`, async (name) => {
      for (const nonsense of [Number.NaN, -1, {}, 'x', null])
        await over((transport) => change(transport, name, { get: () => nonsense }), side);
    });

    const reports: [string, (events: TransportEvents) => void][] = [
      ['text for bytes', (events) => events.data('text' as never)],
      ['nothing for bytes', (events) => events.data(undefined as never)],
      ['a list for bytes', (events) => events.data([1, 2, 3] as never)],
      ['an error that is none', (events) => events.close('broken' as never)],
      [
        'its end twice, and more after it',
        (events) => {
          events.close();
          events.close(new Error('again'));
          events.data(Uint8Array.of(1));
          events.end();
          events.written();
        },
      ],
    ];
    it.each(reports)(`the ${side}'s reports %s`, async (_, report) => {
      await over((transport) => {
        const start = (events: TransportEvents): void => {
          transport.start(events);
          setTimeout(() => report(events), 5);
        };
        return change(transport, 'start', { value: start });
      }, side);
    });

    it(`the ${side}'s never reports its end`, async () => {
      await over((transport) => change(transport, 'destroy', { value: () => {} }), side);
    });
  }
});

it('what a transport reports in shared memory is copied before it is looked at', () => {
  let events: TransportEvents | undefined;
  const nothing = (): void => {};
  const transport: Transport = {
    start: (given) => {
      events = given;
    },
    ...{ write: nothing, pause: nothing, resume: nothing, end: nothing, destroy: nothing, pending: 0 },
  };
  const reported: Uint8Array[] = [];
  const data = (bytes: Uint8Array): void => void reported.push(bytes);
  guardTransport(transport, 'connect()').start({ data, end: nothing, written: nothing, close: nothing });
  const shared = new Uint8Array(new SharedArrayBuffer(10)).fill(1);
  const own = new Uint8Array(10).fill(1);
  const buffer = Buffer.from(shared.buffer, 2, 3);
  for (const bytes of [own.subarray(2, 5), shared.subarray(2, 5), buffer]) events?.data(bytes);
  shared.fill(2);
  expect(reported.map((bytes) => [...bytes])).toEqual(new Array(3).fill([1, 1, 1]));
  expect(reported[0]?.buffer).toBe(own.buffer);
});

describe('Duplexes', () => {
  const streams: [string, () => Duplex][] = [
    ['gives text', () => new Duplex({ read() {}, write: (_, __, done) => done(), encoding: 'utf8' })],
    ['gives objects', () => new Duplex({ objectMode: true, read() {}, write: (_, __, done) => done() })],
    ['fails at once', () => new Duplex({ read() {}, write: (_, __, done) => done(new Error('mine')) })],
    [
      'throws in read',
      () =>
        new Duplex({
          read() {
            throw new Error('mine');
          },
          write: (_, __, done) => done(),
        }),
    ],
    [
      'throws in write',
      () =>
        new Duplex({
          read() {},
          write() {
            throw new Error('mine');
          },
        }),
    ],
    ['never takes a write', () => new Duplex({ read() {}, write() {} })],
    ['fails with nothing', () => new Duplex({ read() {}, write: (_, __, done) => done(null) }).destroy()],
  ];

  it.each(streams)('one that %s ends its own connection', async (_, make) => {
    const stream = make();
    const options = { verifyServer: () => true, handshakeTimeout: 300, closeTimeout: 100 };
    const connecting = rejection(new SecureClient(options).connect(fromDuplex(stream)));
    setTimeout(() => {
      if (stream.readableObjectMode) stream.push({ an: 'object' });
      else if (stream.readableEncoding) stream.push('text');
    }, 10);
    expect(await connecting).toBeInstanceOf(Error);
    expect(stream.destroyed).toBe(true);
    const server = await serverWith({});
    await server.attach(fromDuplex(make()));
    await works(server);
  });

  it('what is none is refused', () => {
    for (const wrong of [undefined, null, 5, 'stream', {}, { pipe: () => {} }])
      expect(() => fromDuplex(wrong as never)).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
  });
});
