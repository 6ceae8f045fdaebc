import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, Identity, SecureServer, webSocket } from 'secure-sockets';
import { afterAll, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { freePort } from '../scripts/lib/free-port.mjs';
import { kill, root } from './helpers/pack.js';
import { pause } from './helpers/sockets.js';

// Debian keeps it where only the administrator's PATH leads.
const program = ['nginx', '/usr/sbin/nginx'].find((name) => spawnSync(name, ['-v']).status === 0);
const folder = mkdtempSync(join(tmpdir(), 'secure-sockets-nginx-'));
let nginx: ChildProcess | undefined;
afterAll(async () => {
  if (nginx !== undefined) await kill(nginx);
  rmSync(folder, { recursive: true });
});

if (program === undefined) {
  test.skipIf(!process.env.REQUIRE_PROGRAMS)(
    'a WebSocket behind nginx is NOT TESTED: there is no nginx (apt-get install nginx)',
    () => expect.fail('REQUIRE_PROGRAMS is set, and there is no nginx (apt-get install nginx)'),
  );
}

test.runIf(program !== undefined)('a WebSocket passes through nginx as the recipe sets it up', async () => {
  const identity = await Identity.generate({ modulusLength: 2048 });
  const server = new SecureServer({ identity });
  const http = createServer();
  new WebSocketServer({ server: http, path: '/secure' }).on('connection', (socket, request) => {
    const remoteAddress = String(request.headers['x-real-ip']);
    server.attach(webSocket(socket, { remoteAddress })).catch(expect.fail);
  });
  await once(http.listen(0, '127.0.0.1'), 'listening');
  const port = await freePort();
  await start(configuration(port, (http.address() as AddressInfo).port), port);

  const transport = webSocket(`ws://127.0.0.1:${port}/secure`, { WebSocket });
  const client = await connect(transport, { serverKey: identity.fingerprint });
  const peer = await server.accept();
  expect(peer.remoteAddress).toBe('127.0.0.1');
  const large = new Uint8Array(3_000_000).fill(7);
  await Promise.all([client.send(large), peer.send(large)]);
  for (const end of [peer, client]) expect(await end.recv()).toEqual(large);
  expect(await Promise.all([client.close(), peer.close()])).toMatchObject([
    { error: undefined },
    { error: undefined },
  ]);

  await server.close();
  http.close();
});

/** The recipe's lines, and around them the least that nginx needs to run as anyone, anywhere. */
function configuration(port: number, behind: number): string {
  const recipes = readFileSync(join(root, 'docs/recipes.md'), 'utf8');
  const location = /^```nginx\n([\s\S]*?)^```$/m
    .exec(recipes)?.[1]
    ?.replace('127.0.0.1:9000', `127.0.0.1:${behind}`);
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder};`,
  );
  return `daemon off; master_process off; pid ${folder}/pid; error_log stderr;
events {}
http { access_log off; ${places.join(' ')}
server { listen 127.0.0.1:${port};
${location} } }`;
}

async function start(text: string, port: number): Promise<void> {
  const path = join(folder, 'nginx.conf');
  writeFileSync(path, text);
  const child = spawn(program as string, ['-e', 'stderr', '-c', path], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  nginx = child;
  let said = '';
  child.stderr.on('data', (data) => {
    said += data;
  });
  while (!(await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined))) {
    if (child.exitCode !== null) throw new Error(`nginx ended: ${said}`);
    await pause(20);
  }
}
