// npm run demo:web -- [PORT]: serves the page at 127.0.0.1, and a room in which browsers and terminals talk to each
// other over WebSockets. Whatever one sends, the server decrypts and encrypts again for each of the others.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { Identity, SecureServer, WEB_SOCKET_PROTOCOL, webSocket } from 'secure-sockets';
import { WebSocketServer } from 'ws';
import { buildPage } from './build.mjs';

const types = { '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript', '.txt': 'text/plain' };
const policy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:";
const headers = { 'Content-Security-Policy': policy, 'X-Content-Type-Options': 'nosniff' };

const folder = mkdtempSync(join(tmpdir(), 'secure-sockets-page-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(0));
await buildPage(folder);

const identity = await Identity.generate();
const room = new SecureServer({ identity, clientAuth: 'optional', verifyClient: () => true });
const members = new Map();
const http = createServer(answer);
const sockets = new WebSocketServer({
  server: http,
  path: '/room',
  maxPayload: 2 ** 20,
  handleProtocols: () => WEB_SOCKET_PROTOCOL,
});
sockets.on('connection', (socket, { socket: { remoteAddress, remotePort } }) => {
  room.attach(webSocket(socket, { remoteAddress, remotePort })).catch(console.error);
});
http.listen(Number(process.argv[2] ?? 0), '127.0.0.1', announce);
for await (const client of room) serve(client).catch((error) => leave(client, error.message));

function announce() {
  const at = `127.0.0.1:${http.address().port}`;
  console.log(`secure-sockets: open http://${at}/ in one or two browsers.

The room's key, to compare with what the page shows:
  ${identity.fingerprint}

To talk from a terminal:
  node dist/cli.js connect --server-key ${identity.fingerprint} ws://${at}/room

Stop it with Ctrl+C.`);
}

function answer({ url, method }, response) {
  const { pathname } = new URL(url, 'http://localhost');
  const name = pathname === '/' ? 'index.html' : pathname.slice(1);
  const isFile = /^[\w.-]+$/.test(name) && extname(name) in types;
  if (method !== 'GET' || !isFile || !existsSync(join(folder, name)))
    return void response.writeHead(404, headers).end();
  const text = readFileSync(join(folder, name), 'utf8');
  response.writeHead(200, { ...headers, 'Content-Type': `${types[extname(name)]}; charset=utf-8` });
  // tells the page that there is a room
  response.end(name === 'index.html' ? text.replace('<html', '<html data-room="room"') : text);
}

async function serve(client) {
  const name = client.peer === null ? 'someone without a key' : client.peer.fingerprint.slice(0, 15);
  members.set(client, name);
  tell(client, `${name} has come`);
  for await (const message of client) tell(client, `${name}: ${new TextDecoder().decode(message).trimEnd()}`);
  leave(client);
  await client.close();
}

function leave(client, why) {
  const name = members.get(client);
  if (members.delete(client)) tell(client, `${name} has gone${why ? `: ${why}` : ''}`);
}

// A member that does not read loses its connection rather than hold up the others.
function tell(from, text) {
  const message = new TextEncoder().encode(`${text}\n`);
  for (const member of members.keys())
    if (member !== from) member.send(message).catch(() => leave(member, 'it did not read'));
}
