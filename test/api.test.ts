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
  listen,
  reconnecting,
  SecureClient,
  SecureServer,
} from 'secure-sockets';
import { describe, expect, it } from 'vitest';
import { bytes, pin, text } from './helpers/api-values.js';
import { keep } from './helpers/kept.js';
import { root } from './helpers/pack.js';
import {
  clientOf,
  identityFor,
  pair,
  portOf,
  protocols,
  rejection,
  startListening,
} from './helpers/sockets.js';

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
      const peer = await server.accept();
      await used[act]();
      expect((await rejection(used.connect(server.address))).code).toBe('ALREADY_CONNECTED');
      await (act === 'close' ? peer.close() : peer.destroy());
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

it('listen() takes a port alone, as the method does', async () => {
  const free = keep(await listen(0));
  expect(portOf(free)).toBeGreaterThan(0);
  const taken = await rejection(listen(portOf(free)));
  expect(taken).toMatchObject({ code: 'EADDRINUSE' });
});
