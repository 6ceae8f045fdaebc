import { SecureSocketError } from '../errors.js';

/** What a PROXY header says: where the connection comes from, unless the proxy speaks for itself. */
export interface ProxyHeader {
  /** Bytes the header takes. */
  readonly length: number;
  /** Absent where the proxy does not know (v1 UNKNOWN) or connects on its own behalf (v2 LOCAL). */
  readonly source?: { readonly address: string; readonly port: number };
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
const CR = 0x0d;
const LF = 0x0a;

function readText(bytes: Uint8Array): ProxyHeader | 'incomplete' {
  const end = bytes.subarray(0, V1_LONGEST).indexOf(LF);
  if (end < 0) {
    if (bytes.length >= V1_LONGEST) throw bad('the PROXY line is longer than 107 bytes');
    return 'incomplete';
  }
  if (bytes[end - 1] !== CR) throw bad('the PROXY line does not end in CR LF');
  const [, protocol, source = '', , port = ''] = String.fromCharCode(...bytes.subarray(0, end - 1)).split(
    ' ',
  );
  const length = end + 1;
  if (protocol === 'UNKNOWN') return { length };
  const isAddress =
    protocol === 'TCP4' ? /^\d{1,3}(\.\d{1,3}){3}$/ : protocol === 'TCP6' ? /^[0-9a-f:.]{2,45}$/i : undefined;
  if (!isAddress?.test(source) || !/^\d{1,5}$/.test(port) || Number(port) > 65535) {
    throw bad('the PROXY line names no TCP4 or TCP6 source');
  }
  return { length, source: { address: source, port: Number(port) } };
}

function readBinary(bytes: Uint8Array): ProxyHeader | 'incomplete' {
  if (bytes.length < 16) return 'incomplete';
  const command = bytes[12] as number;
  const family = bytes[13] as number;
  const length = 16 + readU16(bytes, 14);
  if (command !== 0x20 && command !== 0x21)
    throw bad(`the PROXY command 0x${command.toString(16)} is not known`);
  if (length > MAX_PROXY_HEADER) throw bad(`the PROXY header has ${length} bytes`);
  if (bytes.length < length) return 'incomplete';
  if (command === 0x20) return { length };
  if (family === 0x11 && length >= 28) {
    return { length, source: { address: [...bytes.subarray(16, 20)].join('.'), port: readU16(bytes, 24) } };
  }
  if (family === 0x21 && length >= 52) {
    const groups = Array.from({ length: 8 }, (_, i) => readU16(bytes, 16 + 2 * i).toString(16));
    return { length, source: { address: groups.join(':'), port: readU16(bytes, 48) } };
  }
  return { length };
}

function readU16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

function bad(why: string): SecureSocketError {
  return new SecureSocketError('PROTOCOL', `a proxy was expected: ${why}`);
}
