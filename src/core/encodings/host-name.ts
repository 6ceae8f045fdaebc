import { formatIPv6, isIPv4, readIPv6 } from './ip-address.js';

/**
 * The one name of a host, however it is spelled; `undefined` for a text that names none. Two spellings of one address
 * must not have two keys, so:
 *
 * - IPv6 addresses are compressed and lowercase, and those that stand for an IPv4 address are that address;
 * - IPv4 addresses have four decimal numbers (the system reads `127.1` and `0x7f000001` as well);
 * - domain names are lowercase A-labels (RFC 5890) without the dot of the root;
 * - a zone (RFC 4007) is left out. It says through which interface of this machine an address is reached, not whose it
 *   is. Servers with the same link-local address on two links are one name, which may have two keys.
 *
 * `unix:PATH` is taken as it is: paths have no other spelling that could be told without the file system.
 */
export function canonicalHost(text: string): string | undefined {
  // as the system writes addresses: asked with every connection
  if (isIPv4(text)) return text;
  if (text.startsWith('unix:')) return text.length > 'unix:'.length ? text : undefined;
  const host = /^\[(.*)\]$/s.exec(text)?.[1] ?? text;
  if (host.includes(':')) return addressName(host);
  return host === text ? domainName(host) : undefined;
}

function addressName(text: string): string | undefined {
  const [, address = '', zone] = /^([^%]*)(?:%(.*))?$/s.exec(text) ?? [];
  const groups = readIPv6(address);
  if (groups === undefined || (zone !== undefined && !/^[\w.-]+$/.test(zone))) return undefined;
  return formatIPv6(groups).replace(/^::ffff:(?=\d+\.)/, '');
}

/** What separates the parts of an URL, or is decoded there; no name has it. */
const NOT_IN_NAMES = /[\s\p{Cc}#%/:?@\\[\]]/u;

const NAME = /^[\w.-]+$/;

function domainName(text: string): string | undefined {
  if (text === '' || NOT_IN_NAMES.test(text)) return undefined;
  // the host parser of the URL standard is UTS #46 and inet_aton(3), which is what looking a name up does with it
  const host = parseHost(text) ?? (NAME.test(text) ? text.toLowerCase() : undefined);
  // `*.example.org` and `a.org,b.org`, as other programs' files have them, would be names that nothing has
  return host !== undefined && NAME.test(host) ? host.replace(/(?<=[^.])\.$/, '') : undefined;
}

function parseHost(text: string): string | undefined {
  try {
    return new URL(`http://${text}/`).hostname;
  } catch {
    return undefined;
  }
}
