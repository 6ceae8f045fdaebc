import { checkOptions, problemOf, unknownName } from '../arguments.js';
import type { Backend } from '../backend.js';
import { parseFingerprint } from '../core/encodings/fingerprint.js';
import { isLacking } from '../core/sealed/suites.js';
import { badOption, SecureSocketError } from '../errors.js';
import type { PortableIdentity } from '../identity/identity.js';
import type { IdentityRole } from '../identity/roles.js';
import type { ClientOptions, EveryClientOption, EveryServerOption, ProtocolName } from './options.js';
import type { Given } from './rules.js';
import { type ComputedDefault, clientTable, type DefaultedClient, type OptionRow } from './table.js';

/** Options of which these always have a value. */
export type Filled<Options, Defaulted extends keyof Options> = Options & {
  [Name in Defaulted]-?: Exclude<Options[Name], undefined>;
};

/** Options that are checked against each other. */
type Checked = Pick<
  ClientSettings,
  'pingInterval' | 'pingTimeout' | 'highWaterMark' | 'maxSendQueue' | 'suites' | 'backend'
>;

/** A client's options, checked once and filled up. The backend is as it was given. */
export type ClientSettings = Filled<EveryClientOption, DefaultedClient>;

/** Checks a client's options and fills in the defaults. Throws BAD_OPTION. */
export function readClientOptions(options: ClientOptions, defaultBackend: Backend): ClientSettings {
  checkOptions(options, 'SecureClient', badOption);
  if (Object.keys(options).length > 0) return readSome(options, defaultBackend);
  const known = withoutOptions.get(defaultBackend) ?? readSome(options, defaultBackend);
  withoutOptions.set(defaultBackend, known);
  return known;
}

/** By backend: every client that a server accepts is made without options. */
const withoutOptions = new WeakMap<Backend, ClientSettings>();

function readSome(options: ClientOptions, defaultBackend: Backend): ClientSettings {
  const given = readGiven<EveryClientOption>(options, clientTable, 'SecureClient');
  const trust = ['serverKey', 'knownHosts', 'verifyServer'].filter((name) => name in given);
  for (const pin of [given.serverKey ?? []].flat()) parseFingerprint(pin, 'serverKey is ');
  checkRole(given.identity, 'client');
  if (trust.length > 1)
    throw badOption(`${trust.join(' and ')} exclude each other: give one way to trust the server`);
  return fill<ClientSettings>(given, clientTable, given.backend ?? defaultBackend);
}

/** Throws BAD_IDENTITY unless an identity has this role. */
export function checkRole(identity: PortableIdentity | undefined, role: IdentityRole): void {
  if (identity === undefined || identity.role === role) return;
  throw new SecureSocketError(
    'BAD_IDENTITY',
    `the identity ${identity.fingerprint} has the role ${identity.role}; here it takes one of role ${role}`,
  );
}

/** A row for every option that an end has. */
export type Table = Readonly<Record<string, OptionRow<unknown>>>;

/**
 * Reads every option once, lists too, so that a program that changes the object later changes nothing, and checks each by
 * its row.
 */
export function readGiven<Options>(options: object, table: Table, owner: string): Given<Options> {
  checkOptions(options, owner, badOption);
  const given: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    if (!Object.hasOwn(table, name))
      throw badOption(unknownName(`${owner} has no option`, name, Object.keys(table)));
    given[name] = Array.isArray(value) ? [...value] : value;
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

/** What was given, and the defaults of what was not. */
export function fill<Settings extends Checked>(
  given: Given<EveryServerOption>,
  table: Table,
  backend: Backend,
): Settings {
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
  // a copy has a shape, where the original is a dictionary: it is spread for each client
  return { fixed: { ...fixed }, computed };
}

/** What goes for several options at once. */
function checkTogether(settings: Checked): void {
  const { pingInterval, pingTimeout, highWaterMark, maxSendQueue, suites = [], backend } = settings;
  if (pingInterval > 0 && pingInterval + pingTimeout < 20_000) {
    throw badOption(
      'pingInterval and pingTimeout must be at least 20000 milliseconds together: a paused peer is silent for 10000',
    );
  }
  if (maxSendQueue < highWaterMark)
    throw badOption(`maxSendQueue (${maxSendQueue}) must be at least highWaterMark (${highWaterMark})`);
  const lacking = suites.filter((name) => isLacking(name, backend));
  if (lacking.length > 0)
    throw badOption(
      `suites: the backend ${backend.name} has no cipher for ${lacking.join(', ')} here: leave it out, or take another backend`,
    );
}
