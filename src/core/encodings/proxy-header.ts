import { SecureSocketError } from '../../errors.js';
import { formatIPv6, isIPv4, readIPv6 } from './ip-address.js';

/** What a PROXY header says: where the connection comes from, unless the proxy speaks for itself. */
export interface ProxyHeader {
  /** Bytes the header takes. */
  readonly length: number;
  /** Absent where the proxy does not know (v1 UNKNOWN) or connects on its own behalf (v2 LOCAL). */
  readonly source?: ProxySource;
}

/** The real peer, its address written as the system writes addresses. */
export interface ProxySource {
  readonly address: string;
  readonly port: number;
}

/** The longest header taken: v1 is at most 107 bytes, and v2 has room for extensions, of which we need none. */
const MAX_PROXY_HEADER = 2048;

/**
 * Reads a PROXY protocol header, version 1 or 2, as HAProxy and others put it before a connection's own bytes
 * (the specification is doc/proxy-protocol.txt of HAProxy). Throws PROTOCOL as soon as it cannot become one.
 */
export function readProxyHeader(bytes: Uint8Array): ProxyHeader | 'incomplete' {
  const isText = bytes[0] === V1_START[0];
  const start = isText ? V1_START : V2_START;
  for (let i = 0; i < Math.min(bytes.length, start.length); i++) {
    if (bytes[i] !== start[i]) throw bad('the connection does not begin with a PROXY header');
  }
  return isText ? readText(bytes) : readBinary(bytes);
}

const V1_START = Uint8Array.from('PROXY ', (char) => char.charCodeAt(0));
const V2_START = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a);
const V1_LONGEST = 107;
const [LOCAL, PROXY] = [0x20, 0x21];
const [TCP_OVER_IPV4, TCP_OVER_IPV6] = [0x11, 0x21];
const CR = 0x0d;
const LF = 0x0a;

function readText(bytes: Uint8Array): ProxyHeader | 'incomplete' {
  const end = bytes.subarray(0, V1_LONGEST).indexOf(LF);
  if (end < 0) {
    if (bytes.length >= V1_LONGEST) throw bad('the PROXY line is longer than 107 bytes');
    return 'incomplete';
  }
  if (bytes[end - 1] !== CR) throw bad('the PROXY line does not end in CR LF');
  const fields = String.fromCharCode(...bytes.subarray(0, end - 1)).split(' ');
  const length = end + 1;
  if (fields[1] === 'UNKNOWN') return { length };
  const source = readFields(fields);
  if (source === undefined) throw bad('the PROXY line is not two addresses and two ports of TCP4 or TCP6');
  return { length, source };
}

function readFields(fields: readonly string[]): ProxySource | undefined {
  const [, protocol, source = '', destination = '', port = '', destinationPort = ''] = fields;
  const read = protocol === 'TCP4' ? readV4 : protocol === 'TCP6' ? readV6 : undefined;
  const address = read?.(source);
  const isRight = read?.(destination) !== undefined && isPort(port) && isPort(destinationPort);
  if (fields.length !== 6 || address === undefined || !isRight) return undefined;
  return { address, port: Number(port) };
}

function readV4(text: string): string | undefined {
  return isIPv4(text) ? text : undefined;
}

function readV6(text: string): string | undefined {
  const groups = readIPv6(text);
  return groups && formatIPv6(groups);
}

function isPort(text: string): boolean {
  return /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65535;
}

function readBinary(bytes: Uint8Array): ProxyHeader | 'incomplete' {
  if (bytes.length < 16) return 'incomplete';
  const command = bytes[12] as number;
  const family = bytes[13] as number;
  const length = 16 + readU16(bytes, 14);
  if (command !== LOCAL && command !== PROXY)
    throw bad(`the PROXY command 0x${command.toString(16)} is not known`);
  if (length > MAX_PROXY_HEADER)
    throw bad(`the PROXY header has ${length} bytes, more than ${MAX_PROXY_HEADER}`);
  if (bytes.length < length) return 'incomplete';
  if (command === LOCAL) return { length };
  const source = readSource(bytes.subarray(16, length), family);
  return source ? { length, source } : { length };
}

/** Addresses of other kinds than TCP, unknown ones among them, are as good as none. */
function readSource(addresses: Uint8Array, family: number): ProxySource | undefined {
  if (family !== TCP_OVER_IPV4 && family !== TCP_OVER_IPV6) return undefined;
  const needed = family === TCP_OVER_IPV4 ? 12 : 36;
  if (addresses.length < needed)
    throw bad(`the PROXY header has ${addresses.length} bytes of addresses, which take ${needed}`);
  if (family === TCP_OVER_IPV4)
    return { address: addresses.subarray(0, 4).join('.'), port: readU16(addresses, 8) };
  const groups = Array.from({ length: 8 }, (_, i) => readU16(addresses, 2 * i));
  return { address: formatIPv6(groups), port: readU16(addresses, 32) };
}

function readU16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

function bad(why: string): SecureSocketError {
  return new SecureSocketError('PROTOCOL', `a proxy was expected: ${why}`);
}
