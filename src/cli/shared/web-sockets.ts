import { createServer, type IncomingMessage, type Server, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { WebSocketServer } from 'ws';
import type { SecureServer, Transport } from '../../index.js';
import { HandshakeLimiter } from '../../server/handshake-limiter.js';
import { serverAccess } from '../../server/server.js';
import { WEB_SOCKET_PROTOCOL, webSocket } from '../../transports/web-socket.js';
import { formatAddress, type ListenAddress } from './address.js';
import { type CommandError, usageError } from './failure.js';
import { listenPlain } from './listening.js';

/**
 * Four times the longest message that this library sends. No compression: encrypted data does not get shorter.
 */
const socketOptions = { maxPayload: 2 ** 20, perMessageDeflate: false } as const;

/**
 * Starts opening a WebSocket: by `ws`, which reports why one could not be opened and can stop reading, or else by the
 * platform, from Node 22 on.
 */
export async function dialWebSocket(url: URL): Promise<Transport> {
  const library = await loadLibrary();
  if (library !== undefined) {
    const socket = new library.WebSocket(url, WEB_SOCKET_PROTOCOL, socketOptions);
    return webSocket(socket, { remoteAddress: url.hostname });
  }
  if ('WebSocket' in globalThis) return webSocket(url);
  throw notInstalled('a ws: or wss: address, on Node before 22,');
}

/** Starts accepting WebSockets, with any path. Resolves to the address, with the real port. */
export async function listenForWebSockets(server: SecureServer, address: ListenAddress): Promise<string> {
  const library = await loadLibrary();
  if (library === undefined) throw notInstalled('--websocket');
  const { prepare, listens, settings, throwIfClosed, report } = serverAccess(server);
  await prepare();
  const http = createHttpServer(settings);
  const upgrades = new library.WebSocketServer({
    ...socketOptions,
    noServer: true,
    clientTracking: false,
    handleProtocols: () => WEB_SOCKET_PROTOCOL,
  });
  http.on('upgrade', (request, socket, head) => upgrade(server, upgrades, { request, socket, head }));
  const at = await listenPlain(http, address);
  const stop = (): Promise<void> => stopListening(http);
  listens(stop, () => at);
  throwIfClosed();
  // an error such as a lack of file descriptors: the server goes on listening
  http.on('error', (error) => report(error, { remoteAddress: undefined, remotePort: undefined }));
  return formatPlace(at);
}

type Limits = Record<'handshakeTimeout' | 'maxPendingHandshakes' | 'maxPendingPerSource', number>;

/**
 * The limits on handshakes apply from the TCP connection on. Until it is a WebSocket, a connection belongs to Node's
 * HTTP server, which the library's own limits do not see: a client that sends half a request would be held by no one.
 */
function createHttpServer(limits: Limits): Server {
  const { handshakeTimeout, maxPendingHandshakes, maxPendingPerSource } = limits;
  const timeouts = {
    headersTimeout: handshakeTimeout,
    requestTimeout: handshakeTimeout,
    connectionsCheckingInterval: Math.min(handshakeTimeout, 1000),
  };
  const http = createServer({ ...timeouts, noDelay: true }, (_, response) => {
    response.writeHead(426, refusalHeaders).end(REFUSAL);
  });
  boundRequests(http, new HandshakeLimiter(maxPendingHandshakes, maxPendingPerSource));
  return http;
}

/** Unix domain sockets as the package `ws` writes them. */
function formatPlace(at: ListenAddress): string {
  return 'port' in at ? `ws://${formatAddress(at)}` : `ws+${formatAddress(at)}`;
}

interface Upgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

function upgrade(server: SecureServer, upgrades: WebSocketServer, { request, socket, head }: Upgrade): void {
  if (!offersProtocol(request)) {
    refuse(socket);
    return;
  }
  const { remoteAddress, remotePort } = request.socket;
  upgrades.handleUpgrade(request, socket, head, (accepted) => {
    const transport = webSocket(accepted, { remoteAddress, remotePort });
    // rejects only if the server is closed, and then destroys the transport
    server.attach(transport).catch(() => {});
  });
}

function offersProtocol({ headers }: IncomingMessage): boolean {
  const offered = headers['sec-websocket-protocol'] ?? '';
  return offered.split(',').some((one) => one.trim() === WEB_SOCKET_PROTOCOL);
}

const REFUSAL = `here is a WebSocket of the subprotocol ${WEB_SOCKET_PROTOCOL}, and nothing else\n`;
const refusalHeaders = {
  Connection: 'close',
  'Content-Type': 'text/plain',
  'Content-Length': String(REFUSAL.length),
  Upgrade: 'websocket',
};

/** Written by hand: Node gives no response object for an upgrade request. */
function refuse(socket: Duplex): void {
  const { Upgrade: _, ...headers } = refusalHeaders;
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.on('error', () => {});
  socket.once('finish', () => socket.destroy());
  socket.end(`HTTP/1.1 400 ${STATUS_CODES[400]}\r\n${lines.join('')}\r\n${REFUSAL}`);
}

/** Closes connections beyond the limit at once. Once one is a WebSocket, the server counts it. */
function boundRequests(http: Server, limiter: HandshakeLimiter): void {
  const leaves = new WeakMap<Duplex, () => void>();
  http.on('connection', (socket: Socket) => {
    const leave = limiter.enter(socket.remoteAddress);
    if (leave === undefined) {
      socket.destroy();
      return;
    }
    leaves.set(socket, leave);
    socket.once('close', leave);
  });
  http.on('upgrade', (_, socket) => leaves.get(socket)?.());
}

/** Open WebSockets stay; connections that are not WebSockets yet are cut. */
function stopListening(http: Server): Promise<void> {
  return new Promise((resolve) => {
    http.close(() => resolve());
    http.closeAllConnections();
  });
}

/** `ws`, if it is installed. */
async function loadLibrary(): Promise<typeof import('ws') | undefined> {
  try {
    return await import('ws');
  } catch (error) {
    const isMissing =
      error instanceof Error &&
      'code' in error &&
      error.code === 'ERR_MODULE_NOT_FOUND' &&
      error.message.includes("'ws'");
    if (isMissing) return undefined;
    throw error;
  }
}

function notInstalled(what: string): CommandError {
  return usageError(`${what} needs the package ws, which is not installed`, 'npm install ws');
}
