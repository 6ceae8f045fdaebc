import type { Backend } from '../backend.js';
import { decodeSpki } from '../core/encodings/der.js';
import { fingerprintOf, mentionsFingerprint, parseFingerprint } from '../core/encodings/fingerprint.js';
import { checkSealedKey } from '../core/encodings/rsa-key.js';
import { decodeBase64, hidesLine } from '../core/encodings/text.js';
import { badOption, quote, SecureSocketError } from '../errors.js';

/** A key that is let in. */
export interface AuthorizedKey {
  /** `SHA256:` and 43 characters of base64, however it is written in its line. */
  readonly fingerprint: string;
  /** The rest of its line, if there is any. */
  readonly name?: string;
  /** Counted from 1. */
  readonly line: number;
}

/** Keys that are let in, by fingerprint. */
export type KeysByFingerprint = ReadonlyMap<string, AuthorizedKey>;

/** How an error names a line of the option's own list. */
export function placeInList(index: number): string {
  return `authorizedKeys[${index}]`;
}

/** What lines with a key and perhaps a name say: the form of a list and of a file. BAD_OPTION names the line in error. */
export function parseAuthorizedKeys(
  lines: readonly string[],
  place: (index: number) => string,
  backend: Pick<Backend, 'sha256'>,
): KeysByFingerprint {
  const keys = new Map<string, AuthorizedKey>();
  for (const [index, given] of lines.entries()) {
    const line = given.trim();
    if (/[\r\n]/.test(line)) throw badLine(place(index), 'it is more than one line: give an array of lines');
    if (hidesLine(line))
      throw badLine(
        place(index),
        `${quote(line)} has control characters or line separators, which may hide a line`,
      );
    const [key, ...words] = withoutComment(line)
      .split(/\s+/)
      .filter((word) => word !== '');
    if (key === undefined) continue;
    const hint = place === placeInList ? '; a file is given as { path }' : '';
    const fingerprint = fingerprintIn(key, place(index), hint, backend);
    if (keys.has(fingerprint))
      throw badLine(place(index), `the key ${fingerprint} is already on a line before`);
    const entry = { fingerprint, line: index + 1 };
    keys.set(fingerprint, words.length === 0 ? entry : { ...entry, name: nameIn(words, place(index)) });
  }
  return keys;
}

function withoutComment(line: string): string {
  return line.replace(/(^|\s)#.*/, '');
}

function fingerprintIn(key: string, place: string, hint: string, backend: Pick<Backend, 'sha256'>): string {
  try {
    return key.length > LONGEST_FINGERPRINT ? fingerprintOfSpki(key, backend) : parseFingerprint(key);
  } catch (error) {
    if (error instanceof SecureSocketError) throw badLine(place, `${error.message}${hint}`, error);
    throw error;
  }
}

/** 64 hexadecimal digits. Every SPKI is longer. */
const LONGEST_FINGERPRINT = 64;

function fingerprintOfSpki(text: string, backend: Pick<Backend, 'sha256'>): string {
  const spki = decodeBase64(text);
  if (spki === null) throw badOption('a key is neither a fingerprint nor canonical base64');
  checkSealedKey(decodeSpki(spki));
  return fingerprintOf(backend, spki);
}

function nameIn(words: readonly string[], place: string): string {
  const name = words.join(' ');
  if (mentionsFingerprint(name) || LONG_BASE64.test(name))
    throw badLine(place, `a name has no key in it: ${quote(name)}; each key has a line of its own`);
  return name;
}

/** What the SPKI of a key looks like. */
const LONG_BASE64 = /[A-Za-z0-9+/]{200}/;

function badLine(place: string, problem: string, cause?: SecureSocketError): SecureSocketError {
  return badOption(`${place}: ${problem}`, cause);
}
