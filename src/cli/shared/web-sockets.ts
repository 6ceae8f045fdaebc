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
import type { Acceptance } from './listener.js';
import { isNotInstalled } from './optional.js';

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

/** Accepts WebSockets, with any path, on the connections of a listener. */
export async function acceptWebSockets(server: SecureServer): Promise<Acceptance> {
  const library = await loadLibrary();
  if (library === undefined) throw notInstalled('--websocket');
  const { prepare, settings } = serverAccess(server);
  // nothing is accepted before the key is there
  await prepare();
  const requests = new Requests(settings);
  const upgrades = new library.WebSocketServer({
    ...socketOptions,
    noServer: true,
    clientTracking: false,
    handleProtocols: () => WEB_SOCKET_PROTOCOL,
  });
  requests.http.on('upgrade', (request, socket, head) => {
    requests.leave(socket);
    upgrade(server, upgrades, { request, socket, head });
  });
  return requests;
}

type Limits = Record<'handshakeTimeout' | 'maxPendingHandshakes' | 'maxPendingPerSource', number>;

/**
 * Connections that are not WebSockets yet. The limits on handshakes apply from the TCP connection on: until then, a
 * connection belongs to Node's HTTP server, which the library's own limits do not see, and a client that sends half a
 * request would be held by no one.
 */
class Requests implements Acceptance {
  /** Does not listen: it is given its connections. */
  readonly http: Server;
  readonly #timeout: number;
  readonly #limiter: HandshakeLimiter;
  /** How each of them is counted no more. */
  readonly #open = new Map<Duplex, () => void>();

  constructor({ handshakeTimeout, maxPendingHandshakes, maxPendingPerSource }: Limits) {
    this.#timeout = handshakeTimeout;
    this.#limiter = new HandshakeLimiter(maxPendingHandshakes, maxPendingPerSource);
    this.http = createServer((_, response) => {
      response.writeHead(426, refusalHeaders).end(REFUSAL);
    });
  }

  get pending(): number {
    return this.#open.size;
  }

  /** Closes connections beyond the limit at once. */
  connection(socket: Socket): void {
    const leave = this.#limiter.enter(socket.remoteAddress);
    if (leave === undefined) {
      socket.destroy();
      return;
    }
    // the time-outs of `node:http` are those of a server that listens
    const timer = setTimeout(() => socket.destroy(), this.#timeout);
    this.#open.set(socket, () => {
      clearTimeout(timer);
      leave();
    });
    socket.once('close', () => this.leave(socket));
    this.http.emit('connection', socket);
    // it was accepted paused
    socket.resume();
  }

  /** Once one is a WebSocket, the server counts it. */
  leave(socket: Duplex): void {
    this.#open.get(socket)?.();
    this.#open.delete(socket);
  }

  cut(): void {
    for (const socket of this.#open.keys()) socket.destroy();
  }
}

/** Unix domain sockets as the package `ws` writes them. */
export function formatPlace(at: ListenAddress): string {
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

/** `ws`, if it is installed. */
async function loadLibrary(): Promise<typeof import('ws') | undefined> {
  try {
    return await import('ws');
  } catch (error) {
    if (isNotInstalled(error, 'ws')) return undefined;
    throw error;
  }
}

function notInstalled(what: string): CommandError {
  return usageError(`${what} needs the package ws, which is not installed`, 'npm install ws');
}
