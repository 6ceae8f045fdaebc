import { integer, isText, isUrl, type Rule, show } from '../arguments.js';
import { suiteNames } from '../core/sealed/suites.js';
import { isSessions } from '../sessions/access.js';
import { isKnownHosts } from '../trust/known-hosts-mark.js';
import type { WebStorage } from '../trust/line-store.js';

/** Options that were given, none of them `undefined`. */
export type Given<Options> = { [Name in keyof Options]?: Exclude<Options[Name], undefined> };

/** Text, or a list of texts. */
export function textOrTexts(wanted: string): Rule {
  return { wanted, accepts: isTextOrTexts };
}

/** Names of suites, each once. */
export const suiteList: Rule = {
  wanted: `an array of one or more of ${suiteNames.map(show).join(', ')}, each once, most wanted first`,
  accepts: (value) =>
    Array.isArray(value) &&
    value.length > 0 &&
    new Set(value).size === value.length &&
    value.every((name) => suiteNames.includes(name)),
};

/** A backend, which is an object and not a name. */
export const backendObject: Rule = {
  wanted: 'a backend object',
  accepts: (value) => hasMembers(value, 'rsaPrivateKey', 'aesGcm'),
  hint: (value) => {
    const name = typeof value === 'string' && /^\w+$/.test(value) ? value : 'noble';
    return `a backend object: import { ${name} } from 'secure-sockets/backends/${name}' and give { backend: ${name} }`;
  },
};

/** An identity. */
export const identityObject: Rule = {
  wanted: 'an Identity: await Identity.load(path) or await Identity.generate()',
  accepts: (value) => hasMembers(value, 'fingerprint', 'role', 'spki'),
};

/** Where known hosts are kept, and perhaps a mode; or an object that knows them. */
export const knownHostsOption: Rule = {
  wanted:
    'a file: { path, mode } with mode "strict" or "tofu", or its path or file: URL alone; { load, save }; { storage }; or KnownHosts',
  accepts: isHostsOption,
  hint: (value) =>
    isFingerprint(value) ? `${knownHostsOption.wanted} (a fingerprint is given as serverKey)` : undefined,
};

/** To which lengths records are filled up. */
export const paddingOption: Rule = {
  wanted: "a whole number of bytes from 2 to 16384, or 'padme'",
  accepts: (value) => value === 'padme' || integer(2, 16_384).accepts(value),
};

/** What keeps tickets. */
export const sessionsObject: Rule = {
  wanted: 'an object of class Sessions: { sessions: new Sessions() }',
  accepts: isSessions,
};

/** Text, or a list of one text or more. */
export function isTextOrTexts(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 && value.every(isText) : isText(value);
}

/** Whether a value is an object with members of these names. */
export function hasMembers(value: unknown, ...names: readonly string[]): boolean {
  return typeof value === 'object' && value !== null && names.every((name) => name in value);
}

function isHostsOption(value: unknown): boolean {
  if (isPath(value)) return !isFingerprint(value);
  if (isKnownHosts(value)) return true;
  if (typeof value !== 'object' || value === null) return false;
  const { path, mode = 'strict', load, save, storage, key, ...more } = value as Record<string, unknown>;
  const isFile = isPath(path) && load === undefined && storage === undefined;
  const isStore = typeof load === 'function' && typeof save === 'function' && path === undefined;
  const isStorage = typeof (storage as Partial<WebStorage> | undefined)?.setItem === 'function';
  const isPlace = [isFile, isStore, isStorage].filter(Boolean).length === 1;
  const isRight = isPlace && (mode === 'strict' || mode === 'tofu') && (key === undefined || isStorage);
  return isRight && (isStore || Object.keys(more).length === 0);
}

/** A path, as text or as file: URL. */
export function isPath(value: unknown): boolean {
  return isText(value) || isFileUrl(value);
}

/** A file: URL. */
export function isFileUrl(value: unknown): value is URL {
  return isUrl(value) && value.protocol === 'file:';
}

function isFingerprint(value: unknown): boolean {
  return typeof value === 'string' && /^(SHA256:[A-Za-z0-9+/]{43}|sha256\/\/[^=]{43}=)$/.test(value);
}
