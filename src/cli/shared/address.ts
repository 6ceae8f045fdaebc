import { isIP } from 'node:net';
import { quote } from '../../errors.js';
import type { TcpAddress, UnixAddress } from '../../index.js';
import { problemOfUnixPath } from '../../transports/unix-path.node.js';
import { type CommandError, usageError } from './failure.js';
import { type InheritedAddress, inheritedAddress } from './inherited.js';

/** Where to connect to or to listen at. */
export type Address = TcpAddress | UnixAddress;

/** The address of a WebSocket server. */
export interface WebSocketAddress {
  readonly url: URL;
}

/** Where to connect to with sealed or classic. */
export type PeerAddress = Address | WebSocketAddress;

/** Where to listen at. */
export type ListenAddress = Address | InheritedAddress;

/**
 * Reads `HOST:PORT`, `[IPV6]:PORT`, `:PORT`, `unix:PATH` or an absolute path; to listen, also port 0, for any free port,
 * and `fd:NAME`, for a socket that the process was started with.
 */
export function parseAddress(text: string, use: 'connect'): Address;
export function parseAddress(text: string, use: 'connect' | 'listen'): ListenAddress;
export function parseAddress(text: string, use: 'connect' | 'listen'): ListenAddress {
  if (use === 'listen' && text.startsWith('fd:')) return inheritedAddress(text);
  const path = pathIn(text);
  if (path !== undefined) return { path: checkPath(path) };
  if (isWebSocketUrl(text)) throw noWebSocketHere(text, use);
  const match = /^(?:\[([^\]]+)\]|([^:[\]\s]*)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65535 || (port === 0 && use === 'connect')) {
    throw usageError(`not an address: ${quote(text)}`, ...hintsOnForm(text, use));
  }
  return host === '' ? { port } : { port, host };
}

/** Reads a `ws:` or `wss:` URL, or what `parseAddress` reads. */
export function parsePeerAddress(text: string): PeerAddress {
  return isWebSocketUrl(text) ? { url: parseWebSocketUrl(text) } : parseAddress(text, 'connect');
}

/** Whether a text has the form of an address to connect to. */
export function isAddress(text: string): boolean {
  if (isWebSocketUrl(text)) return true;
  return pathIn(text) !== undefined || /^(\[[^\]]+\]|[^:[\]\s/\\]*):\d{1,5}$/.test(text);
}

/** An address as it is read, without the query of a URL, which may contain a secret. */
export function formatAddress(address: ListenAddress | PeerAddress): string {
  if ('url' in address) return formatUrl(address.url);
  if ('fd' in address) return `fd:${address.fd}`;
  if ('path' in address) return `unix:${address.path}`;
  return formatHostPort(address.host ?? '', address.port);
}

/** Whether an address can be reached from this machine only, as far as that can be told. */
export function isLocal(address: ListenAddress): boolean {
  if ('fd' in address) return false;
  if ('path' in address || address.host === 'localhost') return true;
  const { host } = address;
  if (host === undefined || isIP(host) === 0) return false;
  return /^127\./.test(host) || /^(0*:)*:?0*1$/.test(host) || /^::ffff:127\./i.test(host);
}

/** The address of a peer, for messages. */
export function formatPeer(peer: {
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
}): string {
  if (peer.remoteAddress === undefined) return 'a local client';
  return formatHostPort(peer.remoteAddress, peer.remotePort ?? 0);
}

/** The host and port by which an address is known. */
export function nameOf(address: PeerAddress): { readonly host: string; readonly port: number } {
  if ('url' in address) {
    const { hostname, port, protocol } = address.url;
    return { host: hostname, port: Number(port) || (protocol === 'ws:' ? 80 : 443) };
  }
  return 'path' in address
    ? { host: `unix:${address.path}`, port: 0 }
    : { host: address.host ?? 'localhost', port: address.port };
}

/** What is missing or too much in a text that is no address, where that can be told, and the forms there are. */
function hintsOnForm(text: string, use: 'connect' | 'listen'): string[] {
  const hint = mistakeIn(text, use);
  const forms = 'write HOST:PORT, [IPV6]:PORT, :PORT, unix:PATH or /PATH';
  return hint === undefined ? [forms] : [hint, forms];
}

function mistakeIn(text: string, use: 'connect' | 'listen'): string | undefined {
  const port = /:(\d+)$/.exec(text)?.[1];
  if (/^https?:\/\//i.test(text)) return 'this is the address of a web page';
  if (/^[^[\]]*:[^[\]]*:[^[\]]*$/.test(text))
    return 'an IPv6 address is written in brackets, as in [::1]:9000';
  if (/^\d+$/.test(text) || /^(\[[^\]]+\]|[^:\s]+):?$/.test(text)) return missingPort(text);
  if (/:[^:\d]+$/.test(text)) return 'the port is a number, not the name of a service';
  if (Number(port) > 65535) return `ports are numbers up to 65535, which ${port} is not`;
  if (Number(port) === 0 && use === 'connect') return 'port 0 is for listening, and means any free one';
  return undefined;
}

function missingPort(text: string): string {
  if (/^\d+$/.test(text) && Number(text) <= 65535) return `a port alone is written :${text}`;
  return `the port is missing: ${text.replace(/:$/, '')}:PORT`;
}

function isWebSocketUrl(text: string): boolean {
  return /^wss?:\/\//i.test(text);
}

function parseWebSocketUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.port === '0')
    throw usageError(
      `not the address of a WebSocket server: ${quote(text)}`,
      'write ws://HOST:PORT/PATH or wss://HOST/PATH',
    );
  if (url.href.includes('#'))
    throw usageError(`the address of a WebSocket server has no "#": ${formatUrl(url)}`);
  if (url.username !== '' || url.password !== '')
    throw usageError(
      `the address of a WebSocket server has no name and password: ${formatUrl(url)}`,
      'leave out what is before the "@": --identity says who connects',
    );
  return url;
}

function formatUrl({ protocol, host, pathname }: URL): string {
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`;
}

function noWebSocketHere(text: string, use: 'connect' | 'listen'): CommandError {
  return use === 'listen'
    ? usageError(`not an address to listen at: ${text}`, 'for WebSockets give --websocket, and HOST:PORT')
    : usageError(`${text} is the address of a WebSocket server, where one of a TCP server is needed`);
}

function formatHostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function pathIn(text: string): string | undefined {
  const path = text.startsWith('unix:') ? text.slice(5) : text;
  const isPath = text.startsWith('unix:') || text.startsWith('/') || text.startsWith('\\\\.\\pipe\\');
  return isPath && path !== '' ? path : undefined;
}

function checkPath(path: string): string {
  const problem = problemOfUnixPath(path);
  if (problem === undefined) return path;
  throw usageError(problem, 'name it from the folder that it is in: cd FOLDER, then unix:NAME');
}
