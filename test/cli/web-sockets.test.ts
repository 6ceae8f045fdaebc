import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { createServer as createTlsServer } from 'node:tls';
import { SecureClient, webSocket } from 'secure-sockets';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { type Credentials, makeCredentials } from '../../bench/lib/credentials.mjs';
import { freePort } from '../../scripts/lib/free-port.mjs';
import { portOf, type Running, run } from './command.js';
import { hangUp } from './configured.js';
import { addressOf, begin, plainClient, plainServer, usePlace } from './place.js';

const place = usePlace();
const serverKeys = ['--websocket', '--identity', 'server.pem', '--authorized-keys', 'keys'];

/** Sends so much through a plain connection to an echo, and gives what comes back until it ends. */
async function echoThrough(socket: Socket, bytes: Uint8Array): Promise<string> {
  const hash = createHash('sha256');
  socket.on('data', (piece: Buffer) => hash.update(piece));
  socket.end(bytes);
  await once(socket, 'end');
  return hash.digest('hex');
}

test.each([
  ['a carrier', []],
  ['a connection for each', ['--carriers', '0']],
])('a tunnel over WebSockets, with %s', { timeout: 60_000 }, async (_, more) => {
  const echo = await plainServer((socket) => void socket.pipe(socket));
  const server = begin('tunnel', 'server', ...serverKeys, ...more, '127.0.0.1:0', addressOf(echo));
  const url = `ws://127.0.0.1:${await portOf(server)}/`;
  const pin = ['--identity', 'client.pem', '--server-key', place.serverKey];
  const client = begin('tunnel', 'client', ...pin, ...more, '127.0.0.1:0', url);
  const port = await portOf(client);
  const bytes = randomBytes(5_000_000);
  const expected = createHash('sha256').update(bytes).digest('hex');
  const all = [bytes, bytes, bytes].map((one) => echoThrough(plainClient(port), one));
  expect(await Promise.all(all)).toEqual([expected, expected, expected]);
  expect(await client.stop()).toMatchObject({ code: 0 });
  expect(await server.stop()).toMatchObject({ code: 0 });
});

test('a configuration with both ends of a tunnel, and a bridge, over WebSockets', {
  timeout: 60_000,
}, async () => {
  const echo = await plainServer((socket) => void socket.pipe(socket));
  const path = join(place.folder, 'server.toml');
  const keys =
    'identity = "server.pem"\nauthorized-keys = "keys"\nwebsocket = true\nlisten = "127.0.0.1:0"\n';
  writeFileSync(
    path,
    `[tunnel-server.a]\n${keys}target = "${addressOf(echo)}"\n[bridge-inward.b]\n${keys}target = "127.0.0.1:1"\n`,
  );
  const server = begin('tunnel', '--config', 'server.toml', '--json');
  const { 1: tunnel = '' } = await server.until(
    /"service":"a".*"address":"(ws:[^"]*)"|"address":"(ws:[^"]*)".*"service":"a"/,
  );
  await server.until(/"address":"ws:[^\n]*\n.*"address":"ws:/s);
  const pin = `identity = "client.pem"\nserver-key = "${place.serverKey}"\nlisten = "127.0.0.1:0"\n`;
  writeFileSync(join(place.folder, 'client.toml'), `[tunnel-client.a]\n${pin}server = "${tunnel}"\n`);
  const client = begin('tunnel', '--config', 'client.toml');
  expect(await echoThrough(plainClient(await portOf(client)), Buffer.from('through'))).toBe(
    createHash('sha256').update('through').digest('hex'),
  );
});

test('files go over a WebSocket, whole and checked', { timeout: 60_000 }, async () => {
  mkdirSync(join(place.folder, 'box'));
  const bytes = randomBytes(3_000_001);
  writeFileSync(join(place.folder, 'file'), bytes);
  const receiver = begin('receive', ...serverKeys, '-o', 'box', '127.0.0.1:0');
  const to = `ws://127.0.0.1:${await portOf(receiver)}/files`;
  const pin = ['--identity', 'client.pem', '--server-key', place.serverKey];
  expect(await run(place.folder, 'send', ...pin, 'file', to)).toMatchObject({ code: 0 });
  expect(await receiver.ended).toMatchObject({ code: 0 });
  expect(readFileSync(join(place.folder, 'box/file')).equals(bytes)).toBe(true);
});

test('a program of the library talks to it, and sees the end', { timeout: 60_000 }, async () => {
  const listener = begin('listen', '--websocket', '--identity', 'server.pem', '127.0.0.1:0');
  const client = new SecureClient({ serverKey: place.serverKey });
  const url = `ws://127.0.0.1:${await portOf(listener)}`;
  await client.connect(webSocket(url, { WebSocket }));
  await client.send(new TextEncoder().encode('from a page'));
  await client.end();
  listener.child.stdin?.end('to the page');
  expect(await text(client)).toBe('to the page');
  expect(await listener.ended).toMatchObject({ code: 0, stdout: 'from a page' });
});

test('a Unix domain socket carries WebSockets, and is removed', { timeout: 60_000 }, async () => {
  const listener = begin('listen', '--websocket', '--identity', 'server.pem', 'unix:socket');
  await listener.until(/listening at ws\+unix:socket/);
  const socket = new WebSocket(`ws+unix:${join(place.folder, 'socket')}:/path`, 'secure-sockets.1');
  const client = new SecureClient({ serverKey: place.serverKey });
  await client.connect(webSocket(socket));
  await client.close();
  listener.child.stdin?.end();
  expect(await listener.ended).toMatchObject({ code: 0 });
  expect(existsSync(join(place.folder, 'socket'))).toBe(false);
});

test('a web server in front terminates TLS, and its certificate is verified', {
  timeout: 60_000,
}, async () => {
  const { port, running } = await startListening();
  const { tls } = (await makeCredentials())[2048] as Credentials;
  const front = createTlsServer(tls, (outer) => {
    const inner = connect(port, '127.0.0.1');
    for (const [from, to] of [[outer, inner] as const, [inner, outer] as const])
      from.on('error', () => to.destroy()).pipe(to);
  });
  front.listen(0, 'localhost');
  await once(front, 'listening');
  place.undo.push(() => front.close());
  const url = `wss://localhost:${(front.address() as AddressInfo).port}/`;
  writeFileSync(join(place.folder, 'authority.pem'), tls.cert);
  const args = ['connect', '--identity', 'client.pem', '--server-key', place.serverKey, url];
  const { code, stderr } = await run(place.folder, ...args);
  expect([code, stderr]).toEqual([1, expect.stringContaining('self-signed certificate')]);
  const trusting = begin({ env: { NODE_EXTRA_CA_CERTS: 'authority.pem' } }, ...args);
  trusting.child.stdin?.end('through TLS');
  expect(await trusting.ended).toMatchObject({ code: 0, stderr: '' });
  expect(await running.stop()).toMatchObject({ code: 0, stdout: 'through TLS' });
});

async function startListening(...more: string[]): Promise<{ running: Running; port: number }> {
  const running = begin('listen', '-k', ...more, ...serverKeys, '127.0.0.1:0');
  return { running, port: await portOf(running) };
}

function get(port: number, headers: Record<string, string>): Promise<{ status?: number; body: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({ port, host: '127.0.0.1', headers, agent: false });
    asked.once('response', (answer) => {
      text(answer).then((body) => resolve({ status: answer.statusCode ?? 0, body }), reject);
    });
    asked.once('error', reject).end();
  });
}

test('requests that are for something else are told so', { timeout: 60_000 }, async () => {
  const { port, running } = await startListening();
  const body = 'here is a WebSocket of the subprotocol secure-sockets.1, and nothing else\n';
  expect(await get(port, {})).toEqual({ status: 426, body });
  const upgrade = {
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version': '13',
  };
  expect(await get(port, upgrade)).toEqual({ status: 400, body });
  expect(await get(port, { ...upgrade, 'Sec-WebSocket-Protocol': 'chat, other' })).toEqual({
    status: 400,
    body,
  });
  const wrong = { 'Sec-WebSocket-Protocol': 'secure-sockets.1', 'Sec-WebSocket-Version': '7' };
  expect(await get(port, { ...upgrade, ...wrong })).toMatchObject({ status: 400 });
  expect(await running.stop()).toMatchObject({ code: 0 });
});

test('a client that asks for nothing is cut within the time of a handshake', {
  timeout: 60_000,
}, async () => {
  const { port } = await startListening('--timeout', '1');
  const silent = connect(port, '127.0.0.1');
  const slow = connect(port, '127.0.0.1', () => slow.write('GET / HTTP/1.1\r\n'));
  for (const socket of [silent, slow]) socket.on('error', () => {}).resume();
  await Promise.all([once(silent, 'close'), once(slow, 'close')]);
});

test('beyond the room for handshakes a connection is closed at once', { timeout: 60_000 }, async () => {
  const { port } = await startListening('--timeout', '60');
  const sockets = Array.from({ length: 600 }, () =>
    connect(port, '127.0.0.1')
      .on('error', () => {})
      .resume(),
  );
  place.undo.push(() => {
    for (const socket of sockets) socket.destroy();
  });
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  const open = (): number => sockets.filter((socket) => !socket.destroyed).length;
  await expect.poll(open, { timeout: 30_000 }).toBeLessThanOrEqual(256);
  expect(open()).toBeGreaterThan(16);
});

test('a stop frees the address, ends those that ask for nothing and lets a client finish', {
  timeout: 60_000,
}, async () => {
  const { running, port } = await startListening();
  const silent = connect(port, '127.0.0.1')
    .on('error', () => {})
    .resume();
  await once(silent, 'connect');
  const pin = ['--identity', 'client.pem', '--server-key', place.serverKey];
  const client = begin('connect', '-v', ...pin, `ws://127.0.0.1:${port}`);
  await client.until(/connected to ws:/);
  const stopped = running.stop();
  await once(silent, 'close');
  client.child.stdin?.end('last words');
  expect(await stopped).toMatchObject({ code: 0, stdout: 'last words' });
  expect(await client.ended).toMatchObject({ code: 4 });
});

test('a configuration that is changed drops no WebSocket that is just being opened', {
  timeout: 60_000,
}, async () => {
  const path = join(place.folder, 'changed.toml');
  const at = await freePort();
  const change = (limit: number): void =>
    writeFileSync(
      path,
      `[bridge-inward.b]\nidentity = "server.pem"\nany-client = true\nwebsocket = true\nlisten = "127.0.0.1:${at}"\ntarget = "127.0.0.1:1"\nmax-connections = ${limit}\n`,
    );
  change(100);
  const server = begin('bridge', '--config', path);
  await server.until(/listening at ws:/);
  const url = `ws://127.0.0.1:${at}/`;
  const half = connect(at, '127.0.0.1', () => half.write(`GET / HTTP/1.1\r\nHost: a\r\n${upgradeLines}`));
  await once(half, 'connect');
  await openAndClose(url);
  const outcomes: string[] = [];
  const state = { isOver: false };
  const opening = Array.from({ length: 3 }, async () => {
    while (!state.isOver)
      outcomes.push(
        await openAndClose(url).then(
          () => 'opened',
          (error: Error) => error.message,
        ),
      );
  });
  for (let limit = 101; limit < 105; limit++) {
    change(limit);
    await hangUp(server);
    const seen = outcomes.length;
    await expect.poll(() => outcomes.length, { timeout: 15_000 }).toBeGreaterThan(seen + 5);
  }
  state.isOver = true;
  await Promise.all(opening);
  expect(outcomes.filter((outcome) => outcome !== 'opened')).toEqual([]);
  half.write('\r\n');
  expect(String((await once(half, 'data'))[0])).toMatch(/^HTTP\/1\.1 101 /);
  half.destroy();
  expect(server.errors()).not.toContain('b: warning');
  expect(await server.stop()).toMatchObject({ code: 0 });
});

const upgradeLines =
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: secure-sockets.1\r\n';

async function openAndClose(url: string): Promise<void> {
  const client = new SecureClient({ serverKey: place.serverKey });
  await client.connect(webSocket(url, { WebSocket }));
  client.destroy();
}
