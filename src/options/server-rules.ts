import { integer, type Rule } from '../arguments.js';
import { isBytes } from '../core/bytes.js';
import { PortableAuthorizedKeys } from '../trust/authorized-keys.js';
import { hasMembers, isFileUrl, isPath, isTextOrTexts } from './rules.js';

/** The size of an RSA key. */
export function modulusLength(min: number): Rule {
  const { accepts } = integer(min, 4096);
  return {
    wanted: `a multiple of 8 from ${min} to 4096 bits`,
    accepts: (value) => accepts(value) && (value as number) % 8 === 0,
  };
}

/** What has the `check` of a `BlockList`. */
export const blockList: Rule = {
  wanted: 'a BlockList of node:net, or an object with its check',
  accepts: (value) => hasMembers(value, 'check') && typeof (value as { check: unknown }).check === 'function',
};

/** Fingerprints as text, or a file of them; or an object that knows them. */
export const authorizedKeysOption: Rule = {
  wanted:
    'one or more fingerprints such as "SHA256:…", a file of them: { path } or a file: URL, or AuthorizedKeys',
  accepts: isAuthorizedKeys,
};

/** Keys for tickets, which no error text shows. */
export const ticketKeysOption: Rule = {
  wanted: 'an array of one or more keys of 32 random bytes, each a Uint8Array',
  accepts: (value) =>
    Array.isArray(value) && value.length > 0 && value.every((one) => isBytes(one) && one.length === 32),
};

function isAuthorizedKeys(value: unknown): boolean {
  if (isTextOrTexts(value) || isFileUrl(value) || value instanceof PortableAuthorizedKeys) return true;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const { path, ...more } = value as Record<string, unknown>;
  return isPath(path) && Object.keys(more).length === 0;
}
