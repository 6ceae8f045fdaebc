import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex, duplexPair } from 'node:stream';
import {
  type AddressList,
  AuthorizedKeys,
  type Backend,
  fromDuplex,
  Identity,
  IdentityStore,
  reconnecting,
  SecureClient,
  SecureServer,
  type ServerOptions,
  type TextStore,
  type Transport,
  type TransportEvents,
} from 'secure-sockets';
import { node } from 'secure-sockets/backends/node';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { clientOf, identityFor, pair, pause, portOf, rejection, startListening } from '../helpers/sockets.js';

// What the application hands in may throw, reject, return nonsense or never settle: that is the end of one connection at
// most, and never of the process or of another connection.

const open: (() => unknown)[] = [];
const unhandled: unknown[] = [];
const hear = (reason: unknown): void => void unhandled.push(reason);
beforeEach(() => {
  unhandled.length = 0;
  process.on('unhandledRejection', hear).on('uncaughtException', hear);
});
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
  await pause(20);
  process.off('unhandledRejection', hear).off('uncaughtException', hear);
  expect(unhandled).toEqual([]);
});

function fails(): never {
  throw new Error('mine');
}

/** What a function may do instead of what it should. */
const misdeeds: [string, () => unknown][] = [
  [
    'throws',
    () => {
      throw new Error('mine');
    },
  ],
  [
    'throws nothing',
    () => {
      throw undefined;
    },
  ],
  [
    'throws what cannot be shown',
    () => {
      throw Object.create(null);
    },
  ],
  ['rejects', () => Promise.reject(new Error('mine'))],
  ['returns nonsense', () => ({ nonsense: 5 })],
  ['returns what throws when awaited', () => Object.defineProperty({}, 'then', { get: fails })],
  ['never settles', () => new Promise(() => {})],
  [
    'throws a symbol',
    () => {
      throw Symbol('mine');
    },
  ],
  ['rejects with nothing', () => Promise.reject()],
  ['returns a symbol', () => Symbol('mine')],
  ['returns a thenable that never settles', () => Object.defineProperty({}, 'then', { value: () => {} })],
  ['returns a thenable that throws', () => Object.defineProperty({}, 'then', { value: fails })],
  [
    'returns what throws whatever is asked of it',
    () => new Proxy({}, { get: fails, has: fails, getPrototypeOf: fails }),
  ],
  ['returns a function', () => fails],
];

async function serverWith(options: ServerOptions): Promise<SecureServer> {
  const server = await startListening('sealed', options);
  open.push(() => server.close({ timeout: 100 }));
  return server;
}

/** A connection to a server works. */
async function works(server: SecureServer): Promise<void> {
  const client = clientOf(server);
  await client.connect(server.address);
  let peer = await server.accept();
  while (peer.remotePort !== client.localPort) peer = await server.accept();
  await client.send(Uint8Array.of(7));
  expect(await peer.recv()).toEqual(Uint8Array.of(7));
  client.destroy();
}

async function knock(server: SecureServer): Promise<void> {
  const socket = createConnection({ host: '127.0.0.1', port: portOf(server) });
  socket.on('error', () => {}).resume();
  socket.write('GET / HTTP/1.1\r\n\r\n'.repeat(100));
  await once(socket, 'close');
}

describe('callbacks', () => {
  it.each(misdeeds)('onHandshakeError %s', async (_, misdeed) => {
    const server = await serverWith({ onHandshakeError: misdeed as never });
    await knock(server);
    await works(server);
  });

  it.each(misdeeds)('keylog %s', async (_, misdeed) => {
    for (const protocol of ['sealed', 'classic'] as const) {
      const server = await startListening(protocol, { keylog: misdeed as never });
      open.push(() => server.close({ timeout: 100 }));
      const client = clientOf(server, { protocol, keylog: misdeed as never });
      await client.connect(server.address);
      await client.send(Uint8Array.of(1));
      expect(await (await server.accept()).recv()).toEqual(Uint8Array.of(1));
      client.destroy();
    }
  });

  it.each(misdeeds)('verifyServer %s', async (_, misdeed) => {
    const server = await serverWith({});
    const options = { verifyServer: misdeed as never, handshakeTimeout: 300 };
    const error = await rejection(new SecureClient(options).connect(server.address));
    expect(['UNTRUSTED_SERVER', 'HANDSHAKE_TIMEOUT']).toContain(error.code);
    await works(server);
  });

  it.each(misdeeds)('verifyClient %s', async (_, misdeed) => {
    const server = await serverWith({
      verifyClient: misdeed as never,
      clientAuth: 'optional',
      handshakeTimeout: 300,
    });
    const identity = await Identity.generate({ role: 'client', modulusLength: 2048 });
    const client = clientOf(server, { identity });
    await client.connect(server.address).catch(() => {});
    await client.recv().catch(() => {});
    expect(server.stats.open).toBe(0);
    client.destroy();
    await works(server);
  });

  it.each(misdeeds)('onError of reconnecting() %s', async (_, misdeed) => {
    const server = await serverWith({});
    const port = portOf(server);
    await server.close();
    const options = { initialDelay: 20, onError: misdeed as never };
    const clients = reconnecting({ host: '127.0.0.1', port }, { verifyServer: () => true }, options);
    const next = clients.next();
    await pause(30);
    const again = new SecureServer({ identity: await identityFor('sealed') });
    open.push(() => again.close({ timeout: 100 }));
    await again.listen({ host: '127.0.0.1', port });
    expect((await next).value).toBeInstanceOf(SecureClient);
    await clients.return(undefined as never);
  });
});

describe('authorised keys', () => {
  it.each(misdeeds)('onError %s, and the last good list stays in use', async (_, misdeed) => {
    const identity = await Identity.generate({ role: 'client', modulusLength: 2048 });
    const folder = mkdtempSync(join(tmpdir(), 'secure-sockets-keys-'));
    open.push(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'keys');
    writeFileSync(path, `${identity.fingerprint} me\n`);
    const keys = new AuthorizedKeys({ path }, { onError: misdeed as never });
    const told: string[] = [];
    keys.watch(misdeed as never);
    const unwatch = keys.watch(() => told.push('changed'));
    expect(await keys.check(identity.fingerprint)).not.toBeNull();
    writeFileSync(path, 'no key');
    expect(await keys.check(identity.fingerprint)).not.toBeNull();
    writeFileSync(path, '');
    expect(await keys.check(identity.fingerprint)).toBeNull();
    expect(told).toEqual(['changed', 'changed']);
    unwatch();
  });
});

describe('lists', () => {
  const answers: [string, () => unknown][] = [
    ...misdeeds,
    ['says 0', () => 0],
    ['says nothing', () => undefined],
  ];

  it.each(answers)('a blockList.check that %s keeps all clients out, and does no more', async (_, check) => {
    const codes: unknown[] = [];
    const server = await serverWith({
      blockList: { check } as AddressList,
      onHandshakeError: (error) => codes.push((error as { code?: string }).code),
    });
    await rejection(clientOf(server).connect(server.address));
    expect(codes).toEqual(['BUSY']);
    const [near, far] = duplexPair();
    await server.attach(fromDuplex(far));
    const client = clientOf(server);
    await client.connect(fromDuplex(near));
    expect(server.stats.open).toBe(1);
    client.destroy();
  });

  it.each(answers)('a trustedProxies.check that %s treats no address as a proxy', async (_, check) => {
    const server = await serverWith({ trustedProxies: { check } as AddressList });
    await works(server);
  });
});

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

describe('backends', () => {
  const methods = Object.keys(node).filter((name) => typeof node[name as keyof Backend] === 'function');
  const nonsense: [string, () => unknown][] = [
    ...misdeeds,
    ['gives nothing', () => undefined],
    ['gives a number', () => 5],
    ['gives empty bytes', () => new Uint8Array(0)],
  ];

  it.each(methods)('%s may do anything', async (name) => {
    const standing = await pair('sealed');
    open.push(() => standing[Symbol.asyncDispose]());
    for (const [, misdeed] of nonsense) {
      const backend = { ...node, [name]: misdeed } as Backend;
      const server = await serverWith({ handshakeTimeout: 200 });
      const client = clientOf(server, { backend, handshakeTimeout: 200, closeTimeout: 100 });
      await client.connect(server.address).catch(() => {});
      await client.send(new Uint8Array(10)).catch(() => {});
      client.destroy();
      await works(server);
      const identity = await identityFor('sealed');
      const own = new SecureServer({ backend, identity, handshakeTimeout: 200, closeTimeout: 100 });
      const listens = await Promise.race([
        own.listen({ host: '127.0.0.1', port: 0 }).then(
          () => true,
          () => false,
        ),
        pause(300).then(() => false),
      ]);
      if (listens) {
        const guest = clientOf(own, { handshakeTimeout: 300, closeTimeout: 100 });
        await guest.connect(own.address).catch(() => {});
        await guest.send(new Uint8Array(10)).catch(() => {});
        await guest.recv({ signal: AbortSignal.timeout(20) }).catch(() => {});
        guest.destroy();
      }
      await own.close({ timeout: 100 });
    }
    await standing.client.send(Uint8Array.of(1));
    expect(await standing.peer.recv()).toEqual(Uint8Array.of(1));
  });
});

describe('what backends make', () => {
  type Made = Record<string, (...given: never[]) => unknown>;
  const factories = {
    aesGcm: ['seal', 'open', 'wipe'],
    x25519: ['agree', 'wipe'],
    mlKem768: ['keyPair', 'encapsulate'],
    rsaPublicKey: ['encryptOaep', 'verifyPss'],
    rsaPrivateKey: ['decryptOaep', 'signPss'],
  } as const;
  const cases = Object.entries(factories).flatMap(([factory, names]) =>
    names.map((name) => [factory, name] as const),
  );
  const nonsense: [string, () => unknown][] = [...misdeeds, ['gives nothing', () => undefined]];

  /** An object whose method does what it should not. */
  const spoil = (made: Made, name: string, misdeed: () => unknown): Made =>
    new Proxy(made, {
      get: (target, member) => {
        if (member === name) return misdeed;
        const found = Reflect.get(target, member, target);
        return typeof found === 'function' ? found.bind(target) : found;
      },
    });

  it.each(cases)('%s: %s may do anything', async (factory, name) => {
    const identity = await Identity.generate({ role: 'client', modulusLength: 2048 });
    for (const [, misdeed] of nonsense) {
      const make = node[factory as keyof Backend] as (...given: unknown[]) => Made | Promise<Made>;
      const making = (...given: unknown[]): unknown => {
        const made = make(...given);
        return made instanceof Promise
          ? made.then((one) => spoil(one, name, misdeed))
          : spoil(made, name, misdeed);
      };
      const backend = { ...node, [factory]: making } as Backend;
      const server = await serverWith({
        verifyClient: () => true,
        clientAuth: 'optional',
        suites: ['X25519MLKEM768', 'X25519'],
        handshakeTimeout: 300,
      });
      const client = clientOf(server, { backend, identity, handshakeTimeout: 300, closeTimeout: 100 });
      await client.connect(server.address).catch(() => {});
      await client.send(new Uint8Array(10)).catch(() => {});
      client.destroy();
      await works(server);
      const own = new SecureServer({
        backend,
        identity: await identityFor('sealed'),
        handshakeTimeout: 300,
        closeTimeout: 100,
      });
      open.push(() => own.close({ timeout: 100 }));
      await own.listen({ host: '127.0.0.1', port: 0 });
      const guest = clientOf(own, { handshakeTimeout: 300, closeTimeout: 100 });
      await guest.connect(own.address).catch(() => {});
      await guest.send(new Uint8Array(10)).catch(() => {});
      guest.destroy();
    }
  });

  it('is named where it is wrong', async () => {
    const server = await serverWith({});
    const backend: Backend = { ...node, name: 'mine', sha256: () => new Uint8Array(31) };
    expect(await rejection(clientOf(server, { backend }).connect(server.address))).toMatchObject({
      code: 'BAD_OPTION',
      message: 'sha256() of the backend mine must give a Uint8Array of 32 bytes, and gave 31 bytes',
    });
  });
});

describe('what never settles does not hold listen() up', () => {
  const never = (): Promise<never> => new Promise(() => {});
  const start = (options: ServerOptions): { server: SecureServer; listens: Promise<Error> } => {
    const server = new SecureServer({ handshakeTimeout: 200, ...options } as ServerOptions);
    return { server, listens: rejection(server.listen({ host: '127.0.0.1', port: 0 })) };
  };

  it('decrypt of a key', async () => {
    const { spki } = await identityFor('sealed');
    const identity = Identity.fromDecrypter({ spki, decrypt: never });
    const { server, listens } = start({ identity });
    expect(await listens).toMatchObject({
      code: 'BAD_IDENTITY',
      message: "decrypt() of the server's key gave no answer within 200 ms",
    });
    await server.close();
  });

  it('mlKem768 of a backend', async () => {
    const backend: Backend = { ...node, name: 'mine', mlKem768: never };
    const suites = ['X25519MLKEM768'] as const;
    const { listens } = start({ backend, suites, identity: await identityFor('sealed') });
    expect(await listens).toMatchObject({
      code: 'BAD_OPTION',
      message: 'mlKem768() of the backend mine gave no answer within 200 ms',
    });
  });

  it('generateRsaKey of a backend, which takes its time, once the server is closed', async () => {
    const { server, listens } = start({ backend: { ...node, generateRsaKey: never } });
    await pause(300);
    await server.close();
    expect(await listens).toMatchObject({ code: 'CLOSED' });
  });

  it('authorised keys in a FIFO', async () => {
    const path = fifo();
    const { listens } = start({ authorizedKeys: { path }, identity: await identityFor('sealed') });
    expect(await listens).toMatchObject({ code: 'BAD_OPTION' });
  });
});

describe('known hosts', () => {
  const stores: [string, (misdeed: () => unknown) => TextStore][] = [
    ['load', (misdeed) => ({ load: misdeed as never, save: () => {} })],
    ['save', (misdeed) => ({ load: () => '', save: misdeed as never })],
  ];

  describe.each(stores)('%s of a store', (_, store) => {
    it.each(misdeeds)('%s', async (__, misdeed) => {
      const server = await serverWith({});
      const options = { knownHosts: { ...store(misdeed), mode: 'tofu' as const }, handshakeTimeout: 300 };
      const client = new SecureClient(options);
      const error = await client.connect(server.address).catch((thrown: unknown) => thrown);
      if (error !== undefined)
        expect(['BAD_OPTION', 'HANDSHAKE_TIMEOUT']).toContain((error as { code?: string }).code);
      client.destroy();
      await works(server);
    });
  });

  it('that load() gives as something else than text are named so', async () => {
    const server = await serverWith({});
    for (const wrong of [5, {}, ['a'], new Uint8Array(3)]) {
      const knownHosts = { load: () => wrong as never, save: () => {} };
      expect(await rejection(new SecureClient({ knownHosts }).connect(server.address))).toMatchObject({
        code: 'BAD_OPTION',
        message: expect.stringContaining('load() of knownHosts must give text, and gave'),
      });
    }
  });

  it('in a FIFO without a writer take no thread from other work', async () => {
    const server = await serverWith({});
    const path = fifo();
    const connecting = Array.from({ length: 8 }, () =>
      rejection(new SecureClient({ knownHosts: { path }, handshakeTimeout: 1000 }).connect(server.address)),
    );
    await pause(50);
    const begun = performance.now();
    await readFile(import.meta.filename);
    expect(performance.now() - begun).toBeLessThan(800);
    for (const error of await Promise.all(connecting)) expect(error.code).toBe('HANDSHAKE_TIMEOUT');
  });
});

describe('IndexedDB', () => {
  const never = {};
  const answering = (result: unknown): object => {
    const request = { result, onsuccess: null as (() => void) | null };
    queueMicrotask(() => request.onsuccess?.());
    return request;
  };
  const opening = (inStore: Record<string, () => unknown>): { open: () => object } => ({
    open: () => answering({ transaction: () => ({ objectStore: () => inStore }), close: () => {} }),
  });
  afterEach(() => void vi.useRealTimers());

  it.each<[string, object]>([
    ['does not open', { open: () => never }],
    ['does not look for what is asked for', opening({ get: () => never })],
    ['throws', { open: fails }],
    ['throws when it is asked', opening({ get: fails })],
    ['has nonsense', opening({ get: () => answering(5) })],
    ['has nothing where something is', opening({ get: () => answering(null) })],
    ['has an identity without its key', opening({ get: () => answering({ role: 'client' }) })],
  ])('that %s gives an error', async (_, indexedDB) => {
    vi.useFakeTimers();
    const loading = rejection(new IdentityStore({ indexedDB }).load('me'));
    await vi.advanceTimersByTimeAsync(10_000);
    const { code, message } = await loading;
    expect(code ?? message).toMatch(/^(BAD_OPTION|BAD_IDENTITY|BAD_ARGUMENT|mine)$/);
    expect(vi.getTimerCount()).toBe(0);
  });
});

/** A named FIFO without a writer. */
function fifo(): string {
  const folder = mkdtempSync(join(tmpdir(), 'secure-sockets-fifo-'));
  open.push(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'fifo');
  execFileSync('mkfifo', [path]);
  return path;
}

describe('a key that is kept elsewhere', () => {
  it('and never answers keeps no other client waiting for longer than a handshake may take', async () => {
    const key = await identityFor('sealed');
    let isHanging = false;
    const slow: Backend = {
      ...node,
      rsaPrivateKey: (numbers) => {
        const real = node.rsaPrivateKey(numbers);
        const decryptOaep: typeof real.decryptOaep = (...args) =>
          isHanging ? new Promise(() => {}) : real.decryptOaep(...args);
        return new Proxy(real, {
          get: (target, name) => (name === 'decryptOaep' ? decryptOaep : Reflect.get(target, name)),
        });
      },
    };
    const server = await serverWith({ backend: slow, identity: key, handshakeTimeout: 300 });
    isHanging = true;
    const hanging = Array.from({ length: 4 }, () => rejection(clientOf(server).connect(server.address)));
    await Promise.all(hanging);
    isHanging = false;
    await expect
      .poll(() =>
        works(server).then(
          () => 'works',
          (error) => error.code,
        ),
      )
      .toBe('works');
  });
});
