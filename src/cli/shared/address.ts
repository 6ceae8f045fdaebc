import { isIP } from 'node:net';
import type { TcpAddress, UnixAddress } from '../../index.js';
import { usageError } from './failure.js';
import { type InheritedAddress, inheritedAddress } from './inherited.js';

/** Where to connect to or to listen at. */
export type Address = TcpAddress | UnixAddress;

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
  const match = /^(?:\[([^\]]+)\]|([^:[\]\s]*)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65535 || (port === 0 && use === 'connect')) {
    throw usageError(
      `not an address: ${JSON.stringify(text)}`,
      'write HOST:PORT, [IPV6]:PORT, :PORT, unix:PATH or /PATH',
    );
  }
  return host === '' ? { port } : { port, host };
}

/** Whether a text has the form of an address. */
export function isAddress(text: string): boolean {
  return pathIn(text) !== undefined || /^(\[[^\]]+\]|[^:[\]\s/\\]*):\d{1,5}$/.test(text);
}

/** An address as `parseAddress` reads it. */
export function formatAddress(address: ListenAddress): string {
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
export function nameOf(address: Address): { readonly host: string; readonly port: number } {
  return 'path' in address
    ? { host: `unix:${address.path}`, port: 0 }
    : { host: address.host ?? 'localhost', port: address.port };
}

function formatHostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function pathIn(text: string): string | undefined {
  const path = text.startsWith('unix:') ? text.slice(5) : text;
  const isPath = text.startsWith('unix:') || text.startsWith('/') || text.startsWith('\\\\.\\pipe\\');
  return isPath && path !== '' ? path : undefined;
}

/** The system silently truncates longer paths, so that two of them could name the same socket. */
const MAX_PATH = process.platform === 'darwin' ? 103 : 107;

function checkPath(path: string): string {
  const length = Buffer.byteLength(path);
  if (process.platform === 'win32' || length <= MAX_PATH) return path;
  throw usageError(
    `the path of a Unix domain socket has ${MAX_PATH} bytes at most, not ${length}: ${path}`,
    'name it from the folder that it is in: cd FOLDER, then unix:NAME',
  );
}
