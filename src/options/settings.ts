import { checkOptions, problemOf } from '../arguments.js';
import type { Backend } from '../backend.js';
import { parseFingerprint } from '../core/encodings/fingerprint.js';
import { SecureSocketError } from '../errors.js';
import type { PortableIdentity } from '../identity/identity.js';
import type { IdentityRole } from '../identity/roles.js';
import { parseAuthorizedKeys, placeInList } from '../trust/authorized-lines.js';
import { guardBackend } from './guarded-backend.js';
import type {
  ClientOptions,
  EveryClientOption,
  EveryServerOption,
  ProtocolName,
  ServerOptions,
} from './options.js';
import { badOption, type Given } from './rules.js';
import {
  type ComputedDefault,
  clientTable,
  type DefaultedClient,
  type DefaultedServer,
  hasVerifier,
  type OptionRow,
  serverTable,
} from './table.js';

type Filled<Options, Defaulted extends keyof Options> = Options & {
  [Name in Defaulted]-?: Exclude<Options[Name], undefined>;
};

type Defaulted = Pick<ClientSettings, 'pingInterval' | 'pingTimeout' | 'highWaterMark' | 'maxSendQueue'>;

/** A client's options, checked once and filled up. */
export type ClientSettings = Filled<EveryClientOption, DefaultedClient>;

/** A server's options, checked once and filled up. */
export type ServerSettings = Filled<EveryServerOption, DefaultedServer>;

/** Checks a client's options and fills in the defaults. Throws BAD_OPTION. */
export function readClientOptions(options: ClientOptions, defaultBackend: Backend): ClientSettings {
  const given = readGiven<EveryClientOption>(options, clientTable, 'SecureClient');
  const trust = ['serverKey', 'knownHosts', 'verifyServer'].filter((name) => name in given);
  for (const pin of [given.serverKey ?? []].flat()) parseFingerprint(pin);
  checkRole(given.identity, 'client');
  if (trust.length > 1)
    throw badOption(`${trust.join(' and ')} exclude each other: give one way to trust the server`);
  return fill<ClientSettings>(given, clientTable, defaultBackend);
}

/** Checks a server's options and fills in the defaults. Throws BAD_OPTION. */
export function readServerOptions(options: ServerOptions, defaultBackend: Backend): ServerSettings {
  const given = readGiven<EveryServerOption>(options, serverTable, 'SecureServer');
  if (given.identity && given.modulusLength !== undefined) {
    throw badOption(
      'modulusLength is the size of a key to be made; an identity already has one: give one of the two',
    );
  }
  checkRole(given.identity, given.protocol === 'classic' ? 'classic-server' : 'server');
  checkClientAuth(given);
  const settings = fill<ServerSettings>(given, serverTable, defaultBackend);
  const { authorizedKeys, backend } = settings;
  if (typeof authorizedKeys === 'string' || Array.isArray(authorizedKeys))
    parseAuthorizedKeys([authorizedKeys].flat(), placeInList, backend);
  return settings;
}

/** Throws BAD_IDENTITY unless an identity has this role. */
export function checkRole(identity: PortableIdentity | undefined, role: IdentityRole): void {
  if (identity === undefined || identity.role === role) return;
  throw new SecureSocketError(
    'BAD_IDENTITY',
    `the identity ${identity.fingerprint} has the role ${identity.role}; here it takes one of role ${role}`,
  );
}

type Table = Readonly<Record<string, OptionRow<unknown>>>;

/** Reads every option once, so that a program that changes the object later changes nothing, and checks each by its row. */
function readGiven<Options>(options: object, table: Table, owner: string): Given<Options> {
  checkOptions(options, owner, badOption);
  const given: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    if (!Object.hasOwn(table, name)) throw badOption(unknownOption(name, Object.keys(table), owner));
    given[name] = value;
  }
  const { protocol = 'sealed' } = given;
  checkOption('protocol', protocol, table.protocol as OptionRow<unknown>, 'sealed');
  for (const [name, value] of Object.entries(given))
    checkOption(name, value, table[name] as OptionRow<unknown>, protocol as ProtocolName);
  return given as Given<Options>;
}

function checkOption(name: string, value: unknown, row: OptionRow<unknown>, protocol: ProtocolName): void {
  if (row.only !== undefined && row.only !== protocol)
    throw badOption(`${name} belongs to the ${row.only} protocol; this one is ${protocol}`);
  const problem = problemOf((protocol === 'classic' && row.classic?.rule) || row.rule, value);
  const where = row.classic ? ` in ${protocol}` : '';
  if (problem !== undefined)
    throw badOption(`${name} must be ${problem.wanted}${where}, not ${problem.given}`);
}

function unknownOption(name: string, known: readonly string[], owner: string): string {
  const near = known.find((other) => other.toLowerCase() === name.toLowerCase());
  const hint = near === undefined ? `it knows ${known.join(', ')}` : `did you mean ${near}?`;
  return `${owner} has no option "${name}": ${hint}`;
}

/** What was given, and the defaults of what was not. */
function fill<Settings extends ClientSettings | ServerSettings>(
  given: Given<EveryServerOption>,
  table: Table,
  defaultBackend: Backend,
): Settings {
  const { backend: own = defaultBackend } = given;
  const backend = own === defaultBackend ? own : guardBackend(own);
  const { fixed, computed } = defaultsOf(table, given.protocol === 'classic');
  const settings: Record<string, unknown> = { ...fixed, ...given, backend };
  for (const [name, compute] of computed) if (!(name in settings)) settings[name] = compute(given, backend);
  checkTogether(settings as Settings);
  return settings as Settings;
}

/** The defaults of a table: those that are values, and how the others follow. */
interface Defaults {
  readonly fixed: Readonly<Record<string, unknown>>;
  readonly computed: readonly [string, ComputedDefault<unknown>][];
}

const sealedDefaults = new Map<Table, Defaults>();
const classicDefaults = new Map<Table, Defaults>();

/** Worked out once: the accepted end of every connection has settings too. */
function defaultsOf(table: Table, isClassic: boolean): Defaults {
  const known = isClassic ? classicDefaults : sealedDefaults;
  const found = known.get(table) ?? workOutDefaults(table, isClassic);
  known.set(table, found);
  return found;
}

function workOutDefaults(table: Table, isClassic: boolean): Defaults {
  const fixed: Record<string, unknown> = {};
  const computed: [string, ComputedDefault<unknown>][] = [];
  for (const [name, row] of Object.entries(table)) {
    const value = (isClassic ? row.classic?.default : undefined) ?? row.default;
    if (typeof value === 'function') computed.push([name, value as ComputedDefault<unknown>]);
    else if (value !== undefined) fixed[name] = value;
  }
  return { fixed, computed };
}

/** What goes for several options at once. */
function checkTogether({ pingInterval, pingTimeout, highWaterMark, maxSendQueue }: Defaulted): void {
  if (pingInterval > 0 && pingInterval + pingTimeout < 20_000) {
    throw badOption(
      'pingInterval and pingTimeout must be at least 20000 milliseconds together: a paused peer gives a sign every 10000',
    );
  }
  if (maxSendQueue < highWaterMark)
    throw badOption(`maxSendQueue (${maxSendQueue}) must be at least highWaterMark (${highWaterMark})`);
}

function checkClientAuth(given: Given<EveryServerOption>): void {
  const { clientAuth, authorizedKeys, verifyClient } = given;
  if (authorizedKeys !== undefined && verifyClient !== undefined) {
    throw badOption('authorizedKeys and verifyClient exclude each other: give one way to let clients in');
  }
  if (clientAuth === 'none' && hasVerifier(given)) {
    throw badOption(
      "clientAuth: 'none' asks no client who it is, so authorizedKeys and verifyClient have no use: leave one out",
    );
  }
  if (clientAuth !== undefined && clientAuth !== 'none' && !hasVerifier(given)) {
    throw badOption(
      `clientAuth: '${clientAuth}' needs authorizedKeys or verifyClient to decide which clients are admitted`,
    );
  }
  if (given.disconnectRevoked && authorizedKeys === undefined)
    throw badOption('disconnectRevoked goes with authorizedKeys, which are not given');
}
