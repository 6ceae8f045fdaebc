import { type ArgumentRules, callback, isUrl, readArguments } from '../arguments.js';
import { badArgument, kindOf, quote, reasonOf } from '../errors.js';
import { addressRules, type ReadAheadOptions, readAheadRules, readMaxReadAhead } from './read-ahead.js';
import type { Transport } from './transport.js';
import { BunDriver, type BunServerWebSocket, driverOf, type WebSocketLike } from './web-socket-driver.js';
import { WebSocketTransport } from './web-socket-transport.js';

/** The subprotocol (RFC 6455 1.9) of sealed or classic over a WebSocket: docs/protocol.md, "Over a WebSocket". */
export const WEB_SOCKET_PROTOCOL = 'secure-sockets.1';

/** A class of WebSockets. */
export interface WebSocketClass {
  /** Opens an address, and offers subprotocols. The options are those of `ws`; other classes ignore them. */
  new (url: string, protocols: string, options?: Readonly<Record<string, unknown>>): WebSocketLike;
}

/** How to use a WebSocket. */
export interface WebSocketOptions extends ReadAheadOptions {
  /** The peer's address, where the socket does not know it: a server's limits for one source go by it. */
  readonly remoteAddress?: string | undefined;
  /** The peer's port. */
  readonly remotePort?: number | undefined;
  /** The class that opens an address; needed where the platform has none, such as that of `ws` on Node 20. */
  readonly WebSocket?: WebSocketClass | undefined;
}

/** No message of this library is longer than a quarter of it. */
const MAX_PAYLOAD = 1024 * 1024;

const rules: ArgumentRules<WebSocketOptions> = {
  ...readAheadRules,
  ...addressRules,
  WebSocket: callback('of a class of WebSockets'),
};

/**
 * The transport over a WebSocket: of a `ws:` or `wss:` address, which is opened, or of a socket that is connecting or
 * open. The transport owns the socket from then on; nothing may have been read from it or sent with it before.
 *
 * Throws a `TypeError` for what is neither, or where the platform has no WebSocket.
 */
export function webSocket(to: string | URL | WebSocketLike, options: WebSocketOptions = {}): Transport {
  const given = readArguments(options, rules, 'webSocket()');
  const maxReadAhead = readMaxReadAhead(given);
  const isAddress = typeof to === 'string' || isUrl(to);
  const socket = isAddress ? openSocket(String(to), given) : to;
  if (!isSocket(socket))
    throw badArgument(`webSocket() takes a ws: or wss: address or a WebSocket, not ${kindOf(to)}`);
  const transport = new WebSocketTransport(driverOf(socket), {
    ...given,
    maxReadAhead,
    isConnecting: socket.readyState === CONNECTING,
  });
  listen(socket, transport);
  return transport;
}

function listen(socket: WebSocketLike, transport: WebSocketTransport): void {
  socket.addEventListener('open', () => transport.onOpen());
  socket.addEventListener('message', ({ data }) => transport.onMessage(data));
  socket.addEventListener('error', ({ error, message }) => transport.onError(error ?? message));
  socket.addEventListener('close', ({ code = ABNORMAL, reason = '' }) => transport.onClose(code, reason));
  if (socket.readyState > OPEN) queueMicrotask(() => transport.onClose(ABNORMAL, 'it was closed before'));
}

const CONNECTING = 0;
const OPEN = 1;
/** What a WebSocket says that ended without a closing handshake (RFC 6455 7.1.5). */
const ABNORMAL = 1006;

/** By default a `ws` holds messages of 100 MiB, compressed ones too, before anyone has been authenticated. */
const classOptions = { maxPayload: MAX_PAYLOAD, perMessageDeflate: false };

function openSocket(url: string, options: WebSocketOptions): WebSocketLike {
  const Class = options.WebSocket ?? (globalThis as { WebSocket?: WebSocketClass }).WebSocket;
  if (Class === undefined)
    throw badArgument(
      "this platform has no WebSocket: import { WebSocket } from 'ws' and give webSocket(url, { WebSocket })",
    );
  try {
    return new Class(url, WEB_SOCKET_PROTOCOL, classOptions);
  } catch (error) {
    const why = reasonOf(error);
    throw badArgument(`${quote(url)} cannot be opened as a WebSocket: ${why}`);
  }
}

function isSocket(value: unknown): value is WebSocketLike {
  if (typeof value !== 'object' || value === null) return false;
  const { send, close, addEventListener } = value as Partial<WebSocketLike>;
  return [send, close, addEventListener].every((member) => typeof member === 'function');
}

/** The members of `websocket` of `Bun.serve` that these transports need. */
export interface BunWebSocketHandlers {
  /** Beyond it Bun ends the connection. */
  readonly maxPayloadLength: number;
  /** Makes the transport. */
  open(socket: BunServerWebSocket): void;
  /** Hands it what has come. */
  message(socket: BunServerWebSocket, data: string | Uint8Array): void;
  /** Tells it that there is room again. */
  drain(socket: BunServerWebSocket): void;
  /** Tells it that it is closed. */
  close(socket: BunServerWebSocket, code: number, reason: string): void;
}

/** Handlers for `Bun.serve({ websocket })` that make a transport of every WebSocket and give it to `attach`. */
export function bunWebSocket(
  attach: (transport: Transport, socket: BunServerWebSocket) => unknown,
  options: WebSocketOptions = {},
): BunWebSocketHandlers {
  if (typeof attach !== 'function')
    throw badArgument(`bunWebSocket() takes a function (transport, socket) => void, not ${kindOf(attach)}`);
  const given = readArguments(options, rules, 'bunWebSocket()');
  const maxReadAhead = readMaxReadAhead(given);
  const transports = new WeakMap<BunServerWebSocket, { transport: WebSocketTransport; driver: BunDriver }>();
  return {
    maxPayloadLength: MAX_PAYLOAD,
    open(socket) {
      const driver = new BunDriver(socket);
      const { remoteAddress } = socket;
      const transport = new WebSocketTransport(driver, {
        remoteAddress,
        ...given,
        maxReadAhead,
        isConnecting: false,
      });
      transports.set(socket, { transport, driver });
      attach(transport, socket);
    },
    // what is held must be ours: nothing says how long Bun leaves it alone
    message: (socket, data) =>
      transports.get(socket)?.transport.onMessage(typeof data === 'string' ? data : new Uint8Array(data)),
    drain: (socket) => transports.get(socket)?.driver.onDrain(),
    close: (socket, code, reason) => transports.get(socket)?.transport.onClose(code, reason),
  };
}
