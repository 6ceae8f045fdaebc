import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { duplexPair } from 'node:stream';
import { inspect, promisify } from 'node:util';
import {
  type ClientOptions,
  connect,
  fromDuplex,
  Identity,
  listen,
  reconnecting,
  SecureClient,
  SecureServer,
} from 'secure-sockets';
import { afterEach, describe, expect, it } from 'vitest';
import { root } from './helpers/pack.js';
import {
  clientOf,
  identityFor,
  type Pair,
  pair,
  pause,
  portOf,
  protocols,
  rejection,
  startListening,
} from './helpers/sockets.js';

const open: AsyncDisposable[] = [];
function keep<T extends AsyncDisposable>(one: T): T {
  open.push(one);
  return one;
}
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (message: Uint8Array | null): string => new TextDecoder().decode(message ?? undefined);
const pin = `SHA256:${'A'.repeat(43)}`;

describe.each(protocols)('%s', (protocol) => {
  const settle = (protocol === 'classic' ? { settleMs: 0 } : {}) as ClientOptions;

  it('connect() and listen() go from nothing to a connection', async () => {
    const identity = await identityFor(protocol);
    const server = keep(await listen({ host: '127.0.0.1', port: 0, protocol, identity }));
    expect(server).toBeInstanceOf(SecureServer);
    const client = keep(
      await connect(
        { host: '127.0.0.1', port: portOf(server) },
        { protocol, serverKey: server.fingerprint, ...settle, signal: AbortSignal.timeout(5000) },
      ),
    );
    expect(client).toBeInstanceOf(SecureClient);
    await client.send(bytes('hello'));
    expect(text(await (await server.accept()).recv())).toBe('hello');
  });

  it('listen(port) is a port, and the backlog an option', async () => {
    const identity = await identityFor(protocol);
    const probe = await startListening(protocol);
    const port = portOf(probe);
    await probe.close();
    const server = keep(new SecureServer({ protocol, identity, backlog: 7 }));
    await server.listen(port);
    expect(portOf(server)).toBe(port);
    expect((await rejection(new SecureServer({ protocol, identity }).listen(70_000))).code).toBe(
      'BAD_ARGUMENT',
    );
    expect(() => new SecureServer({ backlog: 0 })).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }));
  });

  it('an accepted client has no connect()', async () => {
    const { server, peer } = keep(await pair(protocol));
    const attempt = (peer as SecureClient).connect(server.address);
    expect(await rejection(attempt)).toMatchObject({
      ...{ code: 'ALREADY_CONNECTED', message: expect.stringContaining('a server has accepted this client') },
    });
    await peer.send(bytes('still there'));
  });

  it('connect() after close() or destroy() is an error', async () => {
    const server = keep(await startListening(protocol));
    for (const act of ['close', 'destroy'] as const) {
      const client = clientOf(server, { protocol });
      await client[act]();
      expect((await rejection(client.connect(server.address))).code).toBe('CLOSED');
      const used = clientOf(server, { protocol });
      await used.connect(server.address);
      await used[act]();
      expect((await rejection(used.connect(server.address))).code).toBe('ALREADY_CONNECTED');
      await (await server.accept()).close();
    }
  });

  it('a client that could not connect may try again', async () => {
    const server = keep(await startListening(protocol));
    const client = clientOf(server, { protocol });
    const aborted = await rejection(client.connect(server.address, { signal: AbortSignal.abort() }));
    expect(aborted.name).toBe('AbortError');
    await client.connect(server.address);
    client.destroy();
  });

  describe('closed', () => {
    it('tells an end in order, with the code', async () => {
      const { client, peer } = keep(await pair(protocol));
      const code = protocol === 'sealed' ? 17_000 : 0;
      const ends = [client.closed, peer.closed];
      await peer.close({ code });
      const [mine, theirs] = await Promise.all(ends);
      expect(mine).toEqual({ error: undefined, closeCode: code });
      expect(theirs).toEqual({ error: undefined, closeCode: 0 });
      expect(await client.closed).toBe(mine);
    });

    it('tells a program that only sends of a cut, asked before or after', async () => {
      const { client, peer } = keep(await pair(protocol));
      peer.destroy();
      const end = await client.closed;
      // classic does not tell a cut between messages from an end
      if (protocol === 'sealed') expect(end).toEqual({ error: expect.any(Error), closeCode: undefined });
      expect(await client.closed).toBe(end);
      const late = await peer.closed;
      expect(late.error).toMatchObject({ code: 'CLOSED' });
    });

    it('tells what destroy() was given', async () => {
      const { client } = keep(await pair(protocol));
      const reason = new Error('enough');
      client.destroy(reason);
      expect((await client.closed).error).toBe(reason);
    });

    it('waits for a connection yet to be made, or for the client to be given up', async () => {
      const server = keep(await startListening(protocol));
      const client = clientOf(server, { protocol });
      const { closed } = client;
      expect(await Promise.race([closed, pause(20).then(() => 'pending')])).toBe('pending');
      await client.connect(server.address);
      await (await server.accept()).close();
      expect(await closed).toEqual({ error: undefined, closeCode: 0 });
      const unused = clientOf(server, { protocol });
      const before = unused.closed;
      await unused.close();
      expect(await before).toEqual({ error: undefined, closeCode: undefined });
      const reason = new Error('never mind');
      const dropped = clientOf(server, { protocol });
      const { closed: given } = dropped;
      dropped.destroy(reason);
      expect((await given).error).toBe(reason);
      const asked = clientOf(server, { protocol });
      asked.destroy();
      expect(await asked.closed).toMatchObject({ closeCode: undefined });
    });
  });

  describe('signal of send()', () => {
    const options = { client: { highWaterMark: 100_000, maxSendQueue: 20_000_000 } };

    it('sends nothing once aborted', async () => {
      const { client, peer } = keep(await pair(protocol));
      const reason = new Error('too late');
      const sent = client.send(bytes('not this'), { signal: AbortSignal.abort(reason) });
      expect(await rejection(sent)).toBe(reason);
      await client.send(bytes('this'), { signal: new AbortController().signal });
      expect(text(await peer.recv())).toBe('this');
    });

    it('takes back a message that waits, and no other', async () => {
      const { client, peer } = keep(await pair(protocol, options));
      const blocked = client.send(new Uint8Array(8_000_000));
      const controller = new AbortController();
      const first = client.send(bytes('first'));
      const second = client.send(bytes('second'), { signal: controller.signal });
      const third = client.send(bytes('third'));
      controller.abort();
      expect((await rejection(second)).name).toBe('AbortError');
      const received: string[] = [];
      for (let i = 0; i < 3; i++) received.push(text(await peer.recv()).slice(0, 6));
      expect(received.slice(1)).toEqual(['first', 'third']);
      await Promise.all([blocked, first, third]);
      await client.end();
      expect(await peer.recv()).toBeNull();
    });

    it('gives the room back that the message took', async () => {
      const { client } = keep(
        await pair(protocol, { client: { highWaterMark: 100_000, maxSendQueue: 12_000_000 } }),
      );
      void client.send(new Uint8Array(8_000_000));
      for (let i = 0; i < 20; i++) {
        const controller = new AbortController();
        const sent = client.send(new Uint8Array(3_000_000), { signal: controller.signal });
        controller.abort();
        expect((await rejection(sent)).name).toBe('AbortError');
      }
    });

    it('ends the wait for room too, and the message arrives', async () => {
      const { client, peer } = keep(await pair(protocol, options));
      const controller = new AbortController();
      const sent = client.send(new Uint8Array(300_000), { signal: controller.signal });
      await pause(1);
      controller.abort();
      await sent.catch((error) => expect(error.name).toBe('AbortError'));
      expect((await peer.recv())?.length).toBe(300_000);
    });

    it('leaves no listener behind', async () => {
      const { client, peer } = keep(await pair(protocol));
      const controller = new AbortController();
      let count = 0;
      const { signal } = controller;
      const [add, remove] = [signal.addEventListener, signal.removeEventListener];
      signal.addEventListener = (...args: unknown[]) => {
        count++;
        add.apply(signal, args as never);
      };
      signal.removeEventListener = (...args: unknown[]) => {
        count--;
        remove.apply(signal, args as never);
      };
      for (let i = 0; i < 10; i++) {
        await client.send(bytes('x'), { signal });
        await peer.recv({ signal });
      }
      await client.close({ signal });
      expect(count).toBe(0);
    });
  });

  describe('close()', () => {
    it('says that the peer has received everything and ended in order', async () => {
      const { client, peer } = keep(await pair(protocol));
      const messages = Array.from({ length: 20 }, () => new Uint8Array(100_000));
      for (const message of messages) await client.send(message);
      const closed = client.close();
      for (const _ of messages) expect((await peer.recv())?.length).toBe(100_000);
      expect(await closed).toEqual({ error: undefined, closeCode: 0 });
      expect(await client.close()).toBe(await client.closed);
    });

    it('says that the last messages may be lost, when the peer does not take them', async () => {
      const { client } = keep(await pair(protocol, { client: { closeTimeout: 300 } }));
      // more than the peer and the system hold for a program that does not read
      for (let i = 0; i < 20; i++) void client.send(new Uint8Array(2_000_000)).catch(() => {});
      expect((await client.close()).error).toMatchObject({ code: 'TRUNCATED' });
    });

    it('of a client that has no connection has nothing to say', async () => {
      expect(await new SecureClient().close()).toEqual({ error: undefined, closeCode: undefined });
    });
  });

  describe('signal of close()', () => {
    it('ends the wait for a peer that does not end', async () => {
      const { client, peer } = keep(
        await pair(protocol, { server: { allowHalfOpen: true }, client: { closeTimeout: 20_000 } }),
      );
      const begun = performance.now();
      const reason = new Error('waited enough');
      const controller = new AbortController();
      setTimeout(() => controller.abort(reason), 50);
      expect(await rejection(client.close({ signal: controller.signal }))).toBe(reason);
      expect(performance.now() - begun).toBeLessThan(5000);
      expect((await client.closed).error).toBe(reason);
      peer.destroy();
    });

    it('destroys at once if it is aborted already', async () => {
      const { client } = keep(await pair(protocol, { server: { allowHalfOpen: true } }));
      const reason = new Error('no time');
      expect(await rejection(client.close({ signal: AbortSignal.abort(reason) }))).toBe(reason);
      await client.closed;
    });
  });

  it('server.clients has those who are connected', async () => {
    const server = keep(await startListening(protocol));
    expect(server.clients.size).toBe(0);
    const clients = [clientOf(server, { protocol }), clientOf(server, { protocol })];
    for (const client of clients) await client.connect(server.address);
    const peer = await server.accept();
    await expect.poll(() => server.clients.size).toBe(2);
    expect(server.clients.has(peer)).toBe(true);
    for (const one of server.clients) await one.send(bytes('to all'));
    for (const client of clients) expect(text(await client.recv())).toBe('to all');
    clients[0]?.destroy();
    await expect.poll(() => server.clients.size).toBe(1);
    await server.close({ timeout: 100 });
    expect(server.clients.size).toBe(0);
  });

  it('the iterator of a client is iterable', async () => {
    const { client, peer } = keep(await pair(protocol));
    await client.send(bytes('one'));
    await client.send(bytes('two'));
    await client.end();
    const iterator = peer[Symbol.asyncIterator]();
    expect(text((await iterator.next()).value)).toBe('one');
    const rest: string[] = [];
    for await (const message of iterator) rest.push(text(message));
    expect(rest).toEqual(['two']);
  });

  it('shows itself to console.log, and no secret', async () => {
    const { server, client, peer } = keep(await pair(protocol));
    const shown = inspect(client);
    expect(shown).toMatch(/^SecureClient \{/);
    for (const part of [
      'open',
      protocol,
      '127.0.0.1',
      String(portOf(server)),
      server.fingerprint,
      'bytesRead',
    ])
      expect(shown).toContain(part);
    expect(inspect(server)).toMatch(/^SecureServer \{[\s\S]*open[\s\S]*SHA256:[\s\S]*\}$/);
    expect(inspect(server)).toContain(String(portOf(server)));
    expect(inspect({ deep: { deeper: { deepest: client } } })).toContain('[SecureClient]');
    expect(inspect(clientOf(server, { protocol }))).toContain("'not connected'");
    await Promise.all([client.close(), peer.close()]);
    expect(inspect(client)).toContain("'closed'");
    await server.close();
    expect(inspect(server)).toContain("'closed'");
    expect(inspect(new SecureServer({ protocol }))).toContain("'not listening'");
  });

  describe('every method refuses what it does not know, before it begins anything', () => {
    let ends: Pair;
    const controller = new AbortController();
    const wrong: [name: string, call: () => Promise<unknown>, said: string][] = [
      [
        'close() of a server',
        () => ends.server.close({ timeout: 'soon' } as never),
        'timeout of close() must be',
      ],
      ['close() of a server', () => ends.server.close({ timeout: -1 }), 'timeout of close() must be'],
      ['close() of a client', () => ends.client.close({ timeout: 0 }), 'timeout of close() must be'],
      [
        'close() of a client',
        () => ends.client.close({ timeout: 'long' } as never),
        'timeout of close() must be',
      ],
      ['close() of a server', () => ends.server.close({ timeout: Number.NaN }), 'timeout of close() must be'],
      ['close() of a server', () => ends.server.close({ drain: 2 ** 31 }), 'drain of close() must be'],
      ['close() of a server', () => ends.server.close({ wait: 1 } as never), 'no option "wait"'],
      ['close() of a server', () => ends.server.close(5 as never), 'an object of options'],
      [
        'accept()',
        () => ends.server.accept({ signal: controller } as never),
        'the signal of this controller',
      ],
      ['accept()', () => ends.server.accept({ timeout: 1 } as never), 'no option "timeout"'],
      ['accept()', () => ends.server.accept(null as never), 'an object of options'],
      ['attach()', () => ends.server.attach({} as never), 'a Transport'],
      ['attach()', () => ends.server.attach({ start: () => {} } as never), 'a method write()'],
      ['listen()', () => new SecureServer().listen({ port: 1, hostname: 'a' } as never), 'did you mean host'],
      ['listen()', () => new SecureServer().listen({ port: 1, path: 'a' } as never), 'not both'],
      ['listen()', () => new SecureServer().listen({ port: 1, unlink: true } as never), 'for a path'],
      ['listen()', () => listen({ port: 0, hots: 'x' } as never), 'no option "hots"'],
      ['listen()', () => listen(null as never), 'an object of options'],
      ['listen()', () => listen({} as never), 'port must be'],
      ['connect()', () => newClient().connect({ port: 1 }, { signal: controller } as never), 'AbortSignal'],
      ['connect()', () => newClient().connect({ port: 1 }, { signal: {} } as never), 'an AbortSignal'],
      ['connect()', () => newClient().connect({ port: 1 }, { timeout: 5 } as never), 'no option "timeout"'],
      ['connect()', () => newClient().connect({ port: 1 }, null as never), 'an object of options'],
      [
        'connect()',
        () => newClient().connect({ port: 1 }, { host: 5 } as never),
        'host of connect() must be',
      ],
      [
        'connect()',
        () => newClient().connect({ port: 1 }, { port: 1.5 } as never),
        'port of connect() must be',
      ],
      ['connect()', () => newClient().connect({ start: () => {} } as never), 'a method write()'],
      ['connect()', () => connect({ port: 1 }, { servrKey: pin } as never), 'no option "servrKey"'],
      ['connect()', () => connect({ port: 1 }, null as never), 'an object of options'],
      ['send()', () => ends.client.send('text' as never), 'a Uint8Array'],
      ['send()', () => ends.client.send(bytes('x'), { signal: controller } as never), 'AbortSignal'],
      ['send()', () => ends.client.send(bytes('x'), { sginal: 1 } as never), 'no option "sginal"'],
      ['recv()', () => ends.client.recv({ signal: 'x' } as never), 'an AbortSignal'],
      ['recv()', () => ends.client.recv({ timeout: 5 } as never), 'no option "timeout"'],
      ['end()', () => ends.client.end({ code: 7 }), 'close code'],
      ['end()', () => ends.client.end({ signal: controller.signal } as never), 'no option "signal"'],
      ['close()', () => ends.client.close({ code: 7 }), 'close code'],
      ['close()', () => ends.client.close({ wait: 'soon' } as never), 'no option "wait"'],
      ['close()', () => ends.client.close({ signal: controller } as never), 'AbortSignal'],
      ['reconnecting()', () => once({ initialDelay: 'x' }), 'initialDelay of reconnecting() must be'],
      ['reconnecting()', () => once({ delay: 5 }), 'no option "delay"'],
      ['reconnecting()', () => once({ signal: controller }), 'AbortSignal'],
      ['reconnecting()', () => once({ onError: 5 }), 'onError of reconnecting() must be'],
    ];
    const newClient = (): SecureClient => new SecureClient({ protocol, serverKey: pin });
    const once = async (options: object): Promise<unknown> => {
      for await (const _ of reconnecting({ port: 1 }, { protocol }, options)) break;
      return 'accepted';
    };

    it.each(wrong.map(([name, call, text], index) => [`${name} ${index}`, call, text] as const))(
      '%s',
      async (_, call, expected) => {
        ends = keep(await pair(protocol));
        const error = await rejection(Promise.resolve().then(call));
        expect(['BAD_ARGUMENT', 'BAD_OPTION']).toContain(error.code);
        expect(error.message).toContain(expected);
        await ends.client.send(bytes('still there'));
        expect(text(await ends.peer.recv())).toBe('still there');
      },
    );

    it('and returns a promise even then', async () => {
      ends = keep(await pair(protocol));
      for (const [, call] of wrong) {
        const result = call();
        expect(result).toBeInstanceOf(Promise);
        await result.catch(() => {});
      }
    });
  });
});

describe('a role', () => {
  it('that does not fit is noticed at construction', async () => {
    const server = await Identity.generate({ modulusLength: 2048 });
    const client = await Identity.generate({ role: 'client', modulusLength: 2048 });
    const wrong: [() => unknown, string][] = [
      [() => new SecureServer({ identity: client }), 'role client; here it takes one of role server'],
      [() => new SecureClient({ serverKey: pin, identity: server }), 'takes one of role client'],
      [() => new SecureServer({ protocol: 'classic', identity: server }), 'takes one of role classic-server'],
    ];
    for (const [make, text] of wrong) {
      expect(make).toThrow(
        expect.objectContaining({ code: 'BAD_IDENTITY', message: expect.stringContaining(text) }),
      );
    }
  });
});

describe('reconnecting()', () => {
  it('waits whole milliseconds', async () => {
    const delays: number[] = [];
    const controller = new AbortController();
    const attempts = async (): Promise<void> => {
      const clients = reconnecting(
        { host: '127.0.0.1', port: 1 },
        { serverKey: pin },
        {
          initialDelay: 3,
          signal: controller.signal,
          onError: (_, delay) => {
            delays.push(delay);
            if (delays.length === 6) controller.abort();
          },
        },
      );
      for await (const client of clients) client.destroy();
    };
    await attempts().catch(() => {});
    expect(delays).toHaveLength(6);
    for (const delay of delays) expect(Number.isInteger(delay) && delay >= 1).toBe(true);
  });
});

describe('ref() and unref()', () => {
  const run = promisify(execFile);
  const prologue = `
    import { Identity, SecureClient, SecureServer } from 'secure-sockets';
    const identity = Identity.fromPem(process.env.KEY);
    const server = new SecureServer({ identity });
    const client = () => new SecureClient({ serverKey: server.fingerprint });
    process.on('exit', (code) => console.log('exit', code));`;
  const scripts: [string, string][] = [
    ['a server before it listens', 'server.unref(); await server.listen({ host: "127.0.0.1", port: 0 });'],
    ['a server that listens', 'await server.listen({ host: "127.0.0.1", port: 0 }); server.unref();'],
    [
      'both ends of an open connection',
      `await server.listen({ host: "127.0.0.1", port: 0 });
       const one = client(); await one.connect(server.address);
       const peer = await server.accept();
       server.unref(); one.unref(); peer.unref();`,
    ],
    [
      'a client before it connects',
      `await server.listen({ host: "127.0.0.1", port: 0 });
       const one = client().unref(); await one.connect(server.address);
       (await server.accept()).unref(); server.unref();`,
    ],
  ];

  it.each(scripts)('let the process end: %s', async (_, script) => {
    const identity = await identityFor('sealed');
    const env = { ...process.env, KEY: identity.toPem() };
    const args = ['--input-type=module', '--eval', prologue + script];
    const { stdout } = await run(process.execPath, args, { cwd: root, env, timeout: 15_000 });
    expect(stdout).toBe('exit 0\n');
  });

  it('ref() takes unref() back', async () => {
    const identity = await identityFor('sealed');
    const env = { ...process.env, KEY: identity.toPem() };
    const script = `server.unref().ref(); await server.listen({ host: '127.0.0.1', port: 0 }); server.unref(); server.ref();
      const one = client().unref().ref(); await one.connect(server.address); one.unref(); one.ref();
      server.unref(); (await server.accept()).unref();
      setTimeout(() => { console.log('alive'); one.destroy(); }, 300).unref();`;
    const args = ['--input-type=module', '--eval', prologue + script];
    const { stdout } = await run(process.execPath, args, { cwd: root, env, timeout: 15_000 });
    expect(stdout).toBe('alive\nexit 0\n');
  });
});

describe('a Unix domain socket', () => {
  it('is listened at and connected to in one call each', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'api-'));
    const identity = await identityFor('sealed');
    const server = keep(await listen({ path: join(folder, 's'), identity }));
    const client = keep(await connect({ path: join(folder, 's') }, { serverKey: server.fingerprint }));
    await client.send(bytes('x'));
    expect(text(await (await server.accept()).recv())).toBe('x');
    rmSync(folder, { recursive: true });
  });
});

describe('connect() over a transport', () => {
  it('takes the name it leads to', async () => {
    const server = keep(new SecureServer({ identity: await identityFor('sealed') }));
    const [near, far] = duplexPair();
    const attached = server.attach(fromDuplex(far));
    const options = { host: 'example.com', port: 1, verifyServer: () => true };
    const client = keep(await connect(fromDuplex(near), options));
    await attached;
    expect(client.peer?.fingerprint).toBe(server.fingerprint);
  });
});
