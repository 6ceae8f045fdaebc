import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { Identity, SecureClient, Sessions } from 'secure-sockets';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { portOf, type Running } from './command.js';
import { begin, plainClient, plainServer, tunnelClient, tunnelServer, usePlace } from './place.js';

// SIGHUP: keys and lists are read again, and nothing that is open is dropped.

const place = usePlace();
let others: { server: string; client: string };

beforeAll(async () => {
  const server = await Identity.generate({ modulusLength: 2048 });
  const client = await Identity.generate({ role: 'client', modulusLength: 2048 });
  await server.save(path('other-server.pem'));
  await client.save(path('other-client.pem'));
  others = { server: server.fingerprint, client: client.fingerprint };
});

beforeEach(() => {
  for (const name of ['server.pem', 'client.pem']) copyFileSync(path(name), path(`live-${name}`));
  copyFileSync(path('keys'), path('live-keys'));
});

describe('a tunnel server', () => {
  const server = (...more: string[]): Promise<Running> =>
    tunnelServerOf(['--identity', 'live-server.pem', '--authorized-keys', 'live-keys', ...more]);

  test.each([
    ['with carriers', []],
    ['with a sealed connection each', ['--carriers', '0']],
  ])('takes another key, and what is open goes on, %s', async (_, flags) => {
    const running = await server(...flags);
    const client = await tunnelClient(await portOf(running), ['--identity', 'client.pem', ...flags]);
    const held = plainClient(client.port);
    expect(await echo(held)).toBe('hello');
    replace('live-server.pem', 'other-server.pem');
    await hangUp(running);
    expect(await echo(held)).toBe('hello');
    const pinned = await tunnelClient(await portOf(running), ['--identity', 'client.pem'], others.server);
    expect(await echo(plainClient(pinned.port))).toBe('hello');
    await expect(fingerprintOf(running)).resolves.toBe(others.server);
  });

  test('keeps its ticket keys with the same key, and lets in no ticket of a client that was removed', async () => {
    const running = await server('--keep-revoked');
    const sessions = new Sessions();
    const identity = await Identity.load(path('client.pem'), { role: 'client' });
    const hasResumed = async (): Promise<boolean> => {
      const client = new SecureClient({ serverKey: place.serverKey, identity, sessions });
      await client.connect({ port: await portOf(running), host: '127.0.0.1' });
      await client.send(new TextEncoder().encode('hello'));
      await client.recv();
      await client.close();
      return client.resumed;
    };
    expect(await hasResumed()).toBe(false);
    await hangUp(running);
    expect(await hasResumed()).toBe(true);
    writeFileSync(path('live-keys'), `${others.client} another\n`);
    await hangUp(running);
    await expect(hasResumed()).rejects.toMatchObject({ code: 'UNAUTHORIZED_CLIENT' });
  });

  test('keeps what it has when a file is broken, and says which, where and why', async () => {
    const running = await server();
    const client = await tunnelClient(await portOf(running));
    const held = plainClient(client.port);
    expect(await echo(held)).toBe('hello');
    replace('live-server.pem', 'other-server.pem');
    writeFileSync(path('live-keys'), `${others.client} one\nnonsense\n`);
    running.child.kill('SIGHUP');
    await running.until(/warning: nothing has changed: live-keys:2: not a fingerprint: "nonsense"/);
    expect(await fingerprintOf(running)).toBe(place.serverKey);
    copyFileSync(path('keys'), path('live-keys'));
    writeFileSync(path('live-server.pem'), 'no key');
    running.child.kill('SIGHUP');
    await running.until(/warning: nothing has changed: live-server\.pem: /);
    rmSync(path('live-server.pem'));
    running.child.kill('SIGHUP');
    await running.until(
      /warning: nothing has changed: the key file cannot be read: ENOENT.*live-server\.pem/,
    );
    expect(await echo(held)).toBe('hello');
    expect(await echo(plainClient(client.port))).toBe('hello');
  });
});

test('a tunnel client takes another key for connections to come', async () => {
  writeFileSync(path('live-keys'), `${readFileSync(path('keys'), 'utf8')}${others.client} other\n`);
  const running = await tunnelServerOf(['--identity', 'server.pem', '--authorized-keys', 'live-keys']);
  const { running: client, port } = await tunnelClient(await portOf(running), [
    '--identity',
    'live-client.pem',
  ]);
  const held = plainClient(port);
  expect(await echo(held)).toBe('hello');
  replace('live-client.pem', 'other-client.pem');
  await hangUp(client);
  expect(await echo(plainClient(port))).toBe('hello');
  await running.until(new RegExp(`connected: .*other ${others.client.replace(/[+/]/g, '\\$&')}`));
  expect(await echo(held)).toBe('hello');
});

test('a key that came through a pipe stays, and SIGHUP that comes before it listens is minded then', async () => {
  execFileSync('mkfifo', [path('pipe')]);
  const running = begin('listen', '-k', '--log-format', 'json', '--identity', 'pipe', '127.0.0.1:0');
  const pipe = await open(path('pipe'), 'w');
  running.child.kill('SIGHUP');
  await pipe.writeFile(readFileSync(path('server.pem')));
  await pipe.close();
  const { index } = await running.until(/"level":"info","event":"listening"/);
  const after = await running.until(/"level":"info","event":"reloaded"/);
  expect(after.index).toBeGreaterThan(index);
  expect(await fingerprintOf(running)).toBe(place.serverKey);
});

test.each([
  ['listen', ['-k']],
  ['receive', ['-k']],
])('%s -k reads again', async (name, flags) => {
  const keys = ['--identity', 'live-server.pem', '--authorized-keys', 'live-keys'];
  const running = begin(name, ...flags, ...keys, '127.0.0.1:0');
  await portOf(running);
  replace('live-server.pem', 'other-server.pem');
  await hangUp(running);
  expect(await fingerprintOf(running)).toBe(others.server);
});

async function tunnelServerOf(flags: readonly string[]): Promise<Running> {
  const target = await plainServer((socket) => socket.pipe(socket));
  return tunnelServer(target, 0, flags, []);
}

async function hangUp(running: Running): Promise<void> {
  const before = running.errors().split('read the files again').length;
  running.child.kill('SIGHUP');
  await running.until(new RegExp(`(read the files again[^]*){${before}}`));
}

async function echo(socket: ReturnType<typeof plainClient>): Promise<string> {
  socket.write('hello');
  const [data] = await once(socket, 'data');
  return String(data);
}

/** The key that it shows now. */
async function fingerprintOf(running: Running): Promise<string> {
  const asking = begin('fingerprint', `127.0.0.1:${await portOf(running)}`);
  let text = '';
  asking.child.stdout?.on('data', (chunk) => {
    text += String(chunk);
  });
  await asking.ended;
  return text.trim();
}

function path(name: string): string {
  return join(place.folder, name);
}

function replace(name: string, by: string): void {
  copyFileSync(path(by), path(`${name}.new`));
  renameSync(path(`${name}.new`), path(name));
}
