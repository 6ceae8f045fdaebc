import { dirname, isAbsolute, join } from 'node:path';
import { parse as parseToml, TomlError } from 'smol-toml';
import { explainFile, readTextFile } from '../../files.node.js';
import { suggestion } from '../../suggest.js';
import { parseAddress, parsePeerAddress } from './address.js';
import type { Flags, FlagTables } from './arguments.js';
import { flagsOfBridge, planBridge } from './bridge-plan.js';
import { CommandError, explain, usageError } from './failure.js';
import { Inputs } from './file-flags.js';
import { Listeners } from './listeners.js';
import { checkMetrics, type MetricsValues } from './metrics.js';
import { checkReport, type ReportFlags } from './output.js';
import { listed, ownersOf } from './owners.js';
import type { StationPlan } from './run-station.js';
import { kindOf, type Table, table, text, truth } from './toml-values.js';
import { flagsOfTunnel, planTunnel } from './tunnel-plan.js';

/** The settings of the whole process, by the names of its flags. */
export type ProcessFlags = ReportFlags & MetricsValues;

/** A tunnel or a bridge of a configuration. */
export interface Configured {
  /** The name of its table in the file, for messages. */
  readonly table: string;
  /** The content of its table: services with equal content are the same. */
  readonly args: readonly string[];
  readonly plan: StationPlan;
}

/** The content of a configuration file. */
export interface Configuration {
  readonly path: string;
  readonly flags: ProcessFlags;
  /** By their names in the file. */
  readonly services: ReadonlyMap<string, Configured>;
}

/** A kind of table, and its command. */
interface Kind {
  readonly plan: (args: readonly string[]) => StationPlan;
  readonly flags: Flags;
  /** The members that become the command's positional arguments, in order. */
  readonly addresses: readonly ['listen', 'server' | 'target'];
  /** The member that may be a table of several, by name. */
  readonly named?: 'listen' | 'target';
}

const kinds: Readonly<Record<string, Kind>> = {
  'tunnel-client': {
    plan: (args) => planTunnel(['client', ...args]),
    flags: flagsOfTunnel.client,
    addresses: ['listen', 'server'],
    named: 'listen',
  },
  'tunnel-server': {
    plan: (args) => planTunnel(['server', ...args]),
    flags: flagsOfTunnel.server,
    addresses: ['listen', 'target'],
    named: 'target',
  },
  'bridge-inward': {
    plan: (args) => planBridge(['inward', ...args]),
    flags: flagsOfBridge.inward,
    addresses: ['listen', 'target'],
  },
  'bridge-outward': {
    plan: (args) => planBridge(['outward', ...args]),
    flags: flagsOfBridge.outward,
    addresses: ['listen', 'server'],
  },
};

/** The members of each kind, by the names that they have on the command line. */
const flagsOfKinds: FlagTables = Object.fromEntries(
  Object.entries(kinds).map(([kind, { flags, addresses }]) => {
    const { help: _, target: __, ...options } = flags;
    const members = Object.fromEntries(addresses.map((name) => [name, { type: 'string' } as const]));
    return [kind, { ...options, ...members }];
  }),
);

/** The flags of the whole process, at the top of the file. */
export const processFlags = {
  json: { type: 'boolean' },
  verbose: { type: 'boolean', short: 'v' },
  'log-level': { type: 'string' },
  'log-format': { type: 'string' },
  metrics: { type: 'string' },
  'metrics-public': { type: 'boolean' },
} as const;

/** The flags that name a file: relative ones start from the folder of the configuration. */
const fileFlags: ReadonlySet<string> = new Set([
  'authorized-keys',
  'identity',
  'known-hosts',
  'passphrase-file',
]);

/**
 * Reads a configuration, over whose flags of the process those that are given take precedence. Rejects with the file, the
 * line or the member, and what is wrong with it.
 */
export async function readConfiguration(path: string, given: ProcessFlags = {}): Promise<Configuration> {
  const { text, stats } = await explainFile(
    readTextFile(path),
    'BAD_OPTION',
    'the configuration cannot be read',
  );
  const folder = stats?.isFile() ? dirname(path) : '.';
  const members = Object.entries(parse(path, text));
  const flags = processFlagsIn(path, members);
  const services = new Map<string, Configured>();
  const listeners = new Listeners({ ...flags, ...given }.metrics);
  for (const [kind, value] of members)
    if (Object.hasOwn(kinds, kind)) addServices(services, { path, folder, kind, listeners }, value);
  if (services.size === 0)
    throw usageError(`${path}: it has no service`, 'write a table such as [tunnel-server.NAME]');
  checkInputs(path, services);
  return { path, flags, services };
}

/** A pipe can be the input of one service only. */
function checkInputs(path: string, services: ReadonlyMap<string, Configured>): void {
  const inputs = new Inputs();
  inputs.add('--config', path);
  for (const { table, plan } of services.values())
    within(path, table, () => inputs.addFlags({ ...plan.values }, (flag) => `${table}.${flag}`));
}

function parse(path: string, text: string): Table {
  try {
    return parseToml(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [reason = ''] = error.message.replace(/^Invalid TOML document: /, '').split('\n');
    throw usageError(`${path}:${error.line}:${error.column}: ${reason}`);
  }
}

function processFlagsIn(path: string, members: readonly (readonly [string, unknown])[]): ProcessFlags {
  const flags: Record<string, unknown> = {};
  for (const [name, value] of members)
    if (!Object.hasOwn(kinds, name))
      within(path, name, () => void Object.assign(flags, processFlag(name, value)));
  within(path, 'log-level', () => checkReport(flags));
  within(path, 'metrics', () => void checkMetrics(flags));
  return flags;
}

function processFlag(name: string, value: unknown): Record<string, unknown> {
  const flag = flagOf(processFlags, name);
  if (flag !== undefined) return { [name]: flag.type === 'boolean' ? truth(value) : text(value) };
  const owners = ownersOf(`--${name}`, '', flagsOfKinds);
  if (owners.length > 0) throw usageError(`it belongs to ${listed(owners)}: write it in such a table`);
  throw unknown(name, [...Object.keys(kinds), ...Object.keys(processFlags)]);
}

/** Checks own members only: a file may use names such as `constructor`. */
function flagOf(flags: Flags, name: string): Flags[string] | undefined {
  return Object.hasOwn(flags, name) ? flags[name] : undefined;
}

interface Origin {
  readonly path: string;
  readonly folder: string;
  readonly kind: string;
  readonly listeners: Listeners;
}

function addServices(services: Map<string, Configured>, origin: Origin, value: unknown): void {
  const { path, kind } = origin;
  const tables = within(path, kind, () => table(value, `write [${kind}.NAME]`));
  for (const [name, members] of Object.entries(tables)) {
    const place = `${kind}.${name}`;
    within(path, place, () => checkName(name, services));
    services.set(
      name,
      service(
        origin,
        place,
        within(path, place, () => table(members)),
      ),
    );
  }
}

function checkName(name: string, services: ReadonlyMap<string, unknown>): void {
  if (services.has(name)) throw usageError('another service has that name');
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(name))
    throw usageError('a name has 1 to 63 letters, digits, dots, hyphens and underscores');
}

function service(origin: Origin, place: string, members: Table): Configured {
  const { path, kind, listeners } = origin;
  const { plan, ...rest } = kinds[kind] as Kind;
  const args: string[] = [];
  const positionals = new Map<string, string>();
  for (const [name, value] of Object.entries(members)) {
    within(path, `${place}.${name}`, () => {
      const check = addressCheck(name, rest, (address) =>
        listeners.add(parseAddress(address, 'listen'), place),
      );
      if (check === undefined) args.push(...optionArguments(name, value, rest, origin));
      else if (typeof value === 'string') positionals.set(name, check(value));
      else args.push(...targetArguments(name, value, check, rest));
    });
  }
  for (const name of rest.addresses)
    if (!(name in members)) throw usageError(`${path}: ${place}: ${name} is missing`);
  const inOrder = rest.addresses.flatMap((name) => positionals.get(name) ?? []);
  const all = [...args.sort(), '--', ...inOrder];
  return { table: place, args: [kind, ...all], plan: within(path, place, () => plan(all)) };
}

type Fields = Omit<Kind, 'plan'>;

type Check = (address: string) => string;

/**
 * What checks an address of this member; `undefined` for a member that takes none. The plan checks whether it may be that
 * of a WebSocket server.
 */
function addressCheck(
  name: string,
  { addresses }: Fields,
  listen: (address: string) => void,
): Check | undefined {
  if (name !== addresses[0] && name !== addresses[1]) return undefined;
  return (address) => {
    if (name === addresses[0]) listen(address);
    else parsePeerAddress(address);
    return address;
  };
}

function targetArguments(name: string, value: unknown, check: Check, { named }: Fields): string[] {
  if (named !== name) throw usageError(`it is an address, not ${kindOf(value)}`);
  return Object.entries(table(value)).map(
    ([target, address]) => `--target=${target}=${check(text(address))}`,
  );
}

/** An option as command-line arguments. */
function optionArguments(
  name: string,
  value: unknown,
  { flags, addresses }: Fields,
  { folder, kind }: Origin,
): string[] {
  const { help: _, target: __, ...options } = flags;
  const isOfProcess = Object.hasOwn(processFlags, name);
  const flag = isOfProcess ? undefined : flagOf(options, name);
  if (flag === undefined) {
    if (isOfProcess) throw usageError('it belongs to the whole process: write it above all tables');
    const owners = ownersOf(`--${name}`, kind, flagsOfKinds);
    if (owners.length > 0) throw usageError(`it belongs to ${listed(owners)}, not to ${kind}`);
    throw unknown(name, [...addresses, ...Object.keys(options).filter((one) => !(one in processFlags))]);
  }
  if (flag.type === 'boolean') return truth(value) ? [`--${name}`] : [];
  const values = flag.multiple && Array.isArray(value) ? value : [value];
  return values.map((one) => `--${name}=${fileFlags.has(name) ? fileName(text(one), folder) : text(one)}`);
}

function fileName(path: string, folder: string): string {
  return path === '' || isAbsolute(path) ? path : join(folder, path);
}

function unknown(name: string, names: readonly string[]): CommandError {
  const near = suggestion(name, names);
  return usageError(`there is no such option${near === undefined ? '' : `: did you mean ${near}?`}`);
}

/** Adds the place in the file to an error. An option that the error names by its flag is named as a member. */
function within<Result>(path: string, place: string, act: () => Result): Result {
  try {
    return act();
  } catch (error) {
    throw withPlace(path, place, error);
  }
}

function memberOf(place: string, flag: string): string {
  if (Object.hasOwn(processFlags, flag)) return flag;
  return place.endsWith(`.${flag}`) ? place : `${place}.${flag}`;
}

/** An error with the file and the member that it concerns. */
export function withPlace(path: string, place: string, error: unknown): CommandError {
  const { message, hints, exitCode } = explain(error);
  const [, flag, rest = message] = /^--([a-z-]+) (.*)/s.exec(message) ?? [];
  const member = flag === undefined ? place : memberOf(place, flag);
  const useful = hints.filter((hint) => !hint.endsWith('--help'));
  return new CommandError(exitCode, `${path}: ${member}: ${rest}`, useful, error);
}
