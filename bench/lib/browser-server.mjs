// The server of bench/browser.mjs: the page, and the other end of its connections, sealed or not.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Identity, SecureServer, webSocket } from 'secure-sockets';
import { WebSocketServer } from 'ws';
import { thirdPartyVersion } from './third-party.mjs';

/** What the raw WebSocket may have queued before the server waits. */
const HIGH_WATER = 2 ** 20;

const html =
  '<!doctype html><link rel=icon href=data:,><script type=module>import * as work from "/page.js"; globalThis.work = work</script>';

export async function startServer() {
  const scripts = new Map([['/page.js', await bundle('browser-page.mjs')]]);
  const libp2p = await serveLibp2p();
  if (libp2p) scripts.set('/libp2p.js', libp2p.script);
  const web = createServer((request, response) => {
    // an isolated page has the finer clock
    response.setHeader('cross-origin-opener-policy', 'same-origin');
    response.setHeader('cross-origin-embedder-policy', 'require-corp');
    const script = scripts.get(request.url);
    response.setHeader('content-type', script ? 'text/javascript' : 'text/html');
    response.end(script ?? html);
  }).listen(0, '127.0.0.1');
  await once(web, 'listening');
  const identity = await Identity.generate({ modulusLength: 2048 });
  const server = new SecureServer({ identity });
  acceptSockets(web, server);
  acceptClients(server);
  const { port } = web.address();
  return {
    origin: `http://127.0.0.1:${port}/`,
    url: `ws://127.0.0.1:${port}/`,
    server,
    web,
    identity,
    libp2p,
  };
}

export async function stopServer({ server, web, libp2p }) {
  await libp2p?.close();
  await server.close({ timeout: 500 });
  web.closeAllConnections();
  web.close();
}

/** With the esbuild that builds the package: tsup's. */
async function bundle(file) {
  const esbuild = createRequire(createRequire(import.meta.url).resolve('tsup'))('esbuild');
  const entry = fileURLToPath(new URL(file, import.meta.url));
  const options = { bundle: true, format: 'esm', platform: 'browser', write: false, logLevel: 'error' };
  // the package as it is built: this project's tsconfig.json has its sources
  const { outputFiles } = await esbuild.build({ ...options, entryPoints: [entry], tsconfigRaw: {} });
  return outputFiles[0].text;
}

/** The other library, if it is installed. */
async function serveLibp2p() {
  if (thirdPartyVersion('@libp2p/websockets') === undefined) {
    console.error('SKIPPED: @libp2p/websockets is not installed');
    return;
  }
  const { servePages } = await import('../third-party/libp2p-websockets.mjs');
  const script = await bundle('../third-party/libp2p-page.mjs');
  return { script, ...(await servePages((connection) => serve(connection).catch(report))) };
}

function acceptSockets(web, server) {
  const sockets = new WebSocketServer({ server: web });
  sockets.on('connection', (socket, { url }) => {
    if (url === '/raw') serve(rawConnection(socket)).catch(report);
    else server.attach(webSocket(socket)).catch(report);
  });
}

async function acceptClients(server) {
  for await (const client of server) serve(client).catch(report);
}

function report(error) {
  console.error(error);
  process.exitCode = 1;
}

function rawConnection(socket) {
  const sent = (message) => new Promise((resolve) => socket.send(message, resolve));
  return {
    async send(message) {
      if (socket.bufferedAmount > HIGH_WATER) await sent(message);
      else socket.send(message);
    },
    async *[Symbol.asyncIterator]() {
      const messages = [];
      let wake = () => {};
      socket.on('message', (message) => wake(messages.push(message)));
      socket.on('close', () => wake(messages.push(null)));
      while (true) {
        if (messages.length === 0) await new Promise((resolve) => (wake = resolve));
        const message = messages.shift();
        if (message === null) return;
        yield message;
      }
    },
  };
}

/** The first message is the order. */
async function serve(connection) {
  let order;
  let received = 0;
  for await (const message of connection) {
    if (order === undefined) {
      order = JSON.parse(new TextDecoder().decode(message));
      if (order.work === 'download') await sendAll(connection, order);
      continue;
    }
    received += message.length;
    if (order.work === 'echo') await connection.send(message);
    else if (received === order.bytes) await connection.send(new TextEncoder().encode(String(received)));
  }
}

async function sendAll(connection, { size, count }) {
  for (let index = 0; index < count; index++) await connection.send(new Uint8Array(size).fill(index % 256));
}
