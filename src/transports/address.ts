import { badArgument, kindOf } from '../errors.js';
import type { TcpAddress, UnixAddress } from './tcp.node.js';

/** An address as it was meant, its own copy. `minPort` is 0 where a free one may be asked for. */
export function readAddress(address: TcpAddress | UnixAddress, minPort: 0 | 1): TcpAddress | UnixAddress {
  checkAddressKind(address);
  if ('pipe' in address) throw badArgument('a stream is no address: wrap it in fromDuplex()');
  const { port, host, path, unlink, ...others } = address as Partial<TcpAddress & UnixAddress>;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw badArgument(unknownMember(unknown, minPort));
  if (path !== undefined) {
    if (port !== undefined || host !== undefined)
      throw badArgument('an address is { port, host } or { path }, not both');
    if (typeof path !== 'string' || path === '') throw badArgument(`path must be text, not ${show(path)}`);
    return unlink === undefined ? { path } : { path, unlink: readUnlink(unlink, minPort) };
  }
  if (port === undefined || !Number.isInteger(port) || port < minPort || port > 65535) {
    const hint = typeof port === 'string' ? ' (convert it: Number(port))' : '';
    throw badArgument(`port must be a whole number from ${minPort} to 65535, not ${show(port)}${hint}`);
  }
  if (unlink !== undefined) throw badArgument('unlink is for a path: { path, unlink: true }');
  if (host !== undefined && (typeof host !== 'string' || host === ''))
    throw badArgument(`host must be text, not ${show(host)}`);
  if (host !== undefined && MORE_THAN_A_HOST.test(host))
    throw badArgument(
      `host is a name or an address alone, without brackets, scheme or port, not ${show(host)}`,
    );
  return host === undefined ? { port } : { port, host };
}

/** Refuses what is no object of an address, such as a host and a port of their own, or a pair of them. */
export function checkAddressKind(address: unknown): void {
  if (typeof address === 'object' && address !== null && !Array.isArray(address)) return;
  throw badArgument(`an address is { port, host } or { path }, not ${show(address)}`);
}

/** Brackets and slashes of an URL, or a port after what is no IPv6 address. */
const MORE_THAN_A_HOST = /[[\]/]|^[^:]*:\d*$/;

function unknownMember(name: string, minPort: 0 | 1): string {
  const isHost = name === 'hostname' || name === 'address';
  const options =
    minPort === 1 ? 'options are an argument of their own' : 'options are those of new SecureServer()';
  return `an address is { port, host } or { path }, and has no "${name}": ${isHost ? 'did you mean host?' : options}`;
}

function readUnlink(unlink: unknown, minPort: 0 | 1): boolean {
  if (minPort === 1) throw badArgument('unlink is for a server: a client removes nothing');
  if (typeof unlink !== 'boolean') throw badArgument(`unlink must be true or false, not ${show(unlink)}`);
  return unlink;
}

function show(value: unknown): string {
  if (typeof value === 'string') return `"${value}"`;
  return typeof value === 'number' ? String(value) : kindOf(value);
}
