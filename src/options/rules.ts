import { suiteNames } from '../core/sealed/suites.js';
import { SecureSocketError } from '../errors.js';
import { Sessions } from '../sessions/sessions.js';
import { PortableAuthorizedKeys } from '../trust/authorized-keys.js';
import { PortableKnownHosts } from '../trust/known-hosts.js';
import type { WebStorage } from '../trust/line-store.js';

/** An option's rule: what is wrong with a value, and where the option belongs. */
export interface Rule {
  /** What the value should have been, or `undefined` if it is right. */
  readonly validate: (value: unknown) => string | undefined;
  readonly only?: 'sealed' | 'classic';
}

/** Options that were given, none of them `undefined`. */
export type Given<Options> = { [Name in keyof Options]?: Exclude<Options[Name], undefined> };

/** Reads every option once; whoever changes the object later changes nothing. */
export function check<T extends object>(
  options: object,
  rules: Record<string, Rule>,
  owner: string,
): Given<T> {
  if (typeof options !== 'object' || options === null)
    throw badOption(`${owner} takes an object of options, not ${show(options)}`);
  const given: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
    if (rule === undefined) throw badOption(unknownOption(name, Object.keys(rules), owner));
    const wanted = rule.validate(value);
    if (wanted !== undefined) throw badOption(`${name} must be ${wanted}, not ${show(value)}`);
    given[name] = value;
  }
  const protocol = given.protocol ?? 'sealed';
  for (const name of Object.keys(given)) {
    const only = rules[name]?.only;
    if (only !== undefined && only !== protocol)
      throw badOption(`${name} belongs to the ${only} protocol; this one is ${String(protocol)}`);
  }
  if (protocol === 'classic' && (given.maxMessage as number) > 999_999_967) {
    throw badOption('maxMessage must be at most 999999967 bytes in classic, whose lengths have nine digits');
  }
  const { pingInterval = 30_000, pingTimeout = 20_000 } = given as {
    pingInterval?: number;
    pingTimeout?: number;
  };
  if (pingInterval > 0 && pingInterval + pingTimeout < 20_000) {
    throw badOption(
      'pingInterval and pingTimeout must be at least 20000 milliseconds together: a paused peer gives a sign every 10000',
    );
  }
  const { highWaterMark = 2 ** 20, maxSendQueue = 2 ** 26 } = given as {
    highWaterMark?: number;
    maxSendQueue?: number;
  };
  if (maxSendQueue < highWaterMark) {
    throw badOption(`maxSendQueue (${maxSendQueue}) must be at least highWaterMark (${highWaterMark})`);
  }
  return given as Given<T>;
}

function unknownOption(name: string, known: readonly string[], owner: string): string {
  const near = known.find((other) => other.toLowerCase() === name.toLowerCase());
  const hint = near === undefined ? `it knows ${known.join(', ')}` : `did you mean ${near}?`;
  return `${owner} has no option "${name}": ${hint}`;
}

/** A whole number within bounds. */
export function integer(min: number, max: number, unit?: string): Rule['validate'] {
  const what = unit === undefined ? 'a whole number' : `a whole number of ${unit}`;
  return (value) =>
    Number.isInteger(value) && (value as number) >= min && (value as number) <= max
      ? undefined
      : `${what} from ${min} to ${max}`;
}

/** One of a few values. */
export function oneOf(...values: readonly (string | number)[]): Rule['validate'] {
  return (value) => (values.includes(value as never) ? undefined : `one of ${values.map(show).join(', ')}`);
}

/** Text that says something. */
export function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? undefined : 'text';
}

/** True or false. */
export function boolean(value: unknown): string | undefined {
  return typeof value === 'boolean' ? undefined : 'true or false';
}

/** A function. */
export function callback(signature: string): Rule['validate'] {
  return (value) => (typeof value === 'function' ? undefined : `a function ${signature}`);
}

/** Text, or a list of texts. */
export function textOrTexts(what: string): Rule['validate'] {
  return (value) => {
    const texts = Array.isArray(value) ? value : [value];
    return texts.length > 0 && texts.every((text) => typeof text === 'string' && text !== '')
      ? undefined
      : what;
  };
}

/** The size of an RSA key. */
export function modulusLength(value: unknown): string | undefined {
  const isRight = integer(512, 4096, 'bits')(value) === undefined && (value as number) % 8 === 0;
  return isRight ? undefined : 'a multiple of 8 from 512 to 4096 bits';
}

/** Names of suites, each once. */
export function suiteList(value: unknown): string | undefined {
  const isRight =
    Array.isArray(value) &&
    value.length > 0 &&
    new Set(value).size === value.length &&
    value.every((name) => suiteNames.includes(name));
  return isRight
    ? undefined
    : `an array of one or more of ${suiteNames.map(show).join(', ')}, each once, most wanted first`;
}

/** A backend, which is an object and not a name. */
export function backendObject(value: unknown): string | undefined {
  const isBackend =
    typeof value === 'object' && value !== null && 'rsaPrivateKey' in value && 'aesGcm' in value;
  if (isBackend) return undefined;
  const name = typeof value === 'string' && /^\w+$/.test(value) ? value : 'noble';
  return `a backend object: import { ${name} } from 'secure-sockets/backends/${name}' and give { backend: ${name} }`;
}

/** An identity. */
export function identityObject(value: unknown): string | undefined {
  const isIdentity = typeof value === 'object' && value !== null && 'fingerprint' in value && 'role' in value;
  return isIdentity ? undefined : 'an Identity: await Identity.load(path) or await Identity.generate()';
}

/** What has the `check` of a `BlockList`. */
export function blockList(value: unknown): string | undefined {
  const isList =
    typeof value === 'object' && value !== null && 'check' in value && typeof value.check === 'function';
  return isList ? undefined : 'a BlockList of node:net';
}

/** Where known hosts are kept, and perhaps a mode; or an object that knows them. */
export function knownHostsOption(value: unknown): string | undefined {
  const wanted =
    'a file: { path, mode } with mode "strict" or "tofu", or its path or file: URL alone; { load, save }; { storage }; or KnownHosts';
  if (isPath(value))
    return isFingerprint(value) ? `${wanted} (a fingerprint is given as serverKey)` : undefined;
  if (value instanceof PortableKnownHosts) return undefined;
  if (typeof value !== 'object' || value === null) return wanted;
  const { path, mode = 'strict', load, save, storage, key, ...more } = value as Record<string, unknown>;
  const isFile = isPath(path) && load === undefined && storage === undefined;
  const isStore = typeof load === 'function' && typeof save === 'function' && path === undefined;
  const isStorage = typeof (storage as Partial<WebStorage> | undefined)?.setItem === 'function';
  const isPlace = [isFile, isStore, isStorage].filter(Boolean).length === 1;
  const isRight = isPlace && (mode === 'strict' || mode === 'tofu') && (key === undefined || isStorage);
  return isRight && (isStore || Object.keys(more).length === 0) ? undefined : wanted;
}

/** Fingerprints as text, or a file of them; or an object that knows them. */
export function authorizedKeysOption(value: unknown): string | undefined {
  const wanted =
    'one or more fingerprints such as "SHA256:…", a file of them: { path } or a file: URL, or AuthorizedKeys';
  if (textOrTexts(wanted)(value) === undefined || isFileUrl(value)) return undefined;
  if (value instanceof PortableAuthorizedKeys) return undefined;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return wanted;
  const { path, ...more } = value as Record<string, unknown>;
  return isPath(path) && Object.keys(more).length === 0 ? undefined : wanted;
}

function isPath(value: unknown): boolean {
  return (typeof value === 'string' && value !== '') || isFileUrl(value);
}

/** By what it is, not by whose class: a test runner may have another realm's. */
function isFileUrl(value: unknown): value is URL {
  return Object.prototype.toString.call(value) === '[object URL]' && (value as URL).protocol === 'file:';
}

function isFingerprint(value: unknown): boolean {
  return typeof value === 'string' && /^(SHA256:[A-Za-z0-9+/]{43}|sha256\/\/[^=]{43}=)$/.test(value);
}

/** To which lengths records are filled up. */
export function paddingOption(value: unknown): string | undefined {
  const isRight = value === 'padme' || integer(2, 16_384, 'bytes')(value) === undefined;
  return isRight ? undefined : "a whole number of bytes from 2 to 16384, or 'padme'";
}

/** What keeps tickets. */
export function sessionsObject(value: unknown): string | undefined {
  return value instanceof Sessions ? undefined : 'an object of class Sessions: { sessions: new Sessions() }';
}

/** Keys for tickets, which no error text shows. */
export function ticketKeysOption(value: unknown): string | undefined {
  const isKey = (one: unknown): boolean => one instanceof Uint8Array && one.length === 32;
  return Array.isArray(value) && value.length > 0 && value.every(isKey)
    ? undefined
    : 'an array of one or more keys of 32 random bytes, each a Uint8Array';
}

/** The error of every wrong option. */
export function badOption(text: string): SecureSocketError {
  return new SecureSocketError('BAD_OPTION', text);
}

/** A value as an error text shows it: short, and no object's content. */
export function show(value: unknown): string {
  if (typeof value === 'string')
    return value.length > 40 ? `a string of ${value.length} characters` : JSON.stringify(value);
  if (Array.isArray(value)) return showArray(value);
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

function showArray(values: readonly unknown[]): string {
  if (values.length === 0) return 'an empty array';
  const shown = values.slice(0, 3).map((one) => (Array.isArray(one) ? 'an array' : show(one)));
  return `an array of ${[...shown, ...(values.length > 3 ? ['more'] : [])].join(', ')}`;
}
