import { type Flags, type FlagTables, UnknownOption } from './arguments.js';
import { usageError } from './failure.js';

/** The error of an option that a command does not have: if others have it, it says which. */
export function withOwners(error: unknown, tables: FlagTables): unknown {
  if (!(error instanceof UnknownOption)) return error;
  const { command, option, hints } = error;
  const owners = ownersOf(option, command, tables);
  if (owners.length === 0) return error;
  const isOfOtherSide = owners.some((one) => wordOf(one) === wordOf(command));
  const named = isOfOtherSide ? owners : joinSides(owners, tables);
  const message = `${option} is an option of ${listed([...new Set(named.map(withoutConfig))])}, not of ${command}`;
  return command.endsWith(' --config')
    ? usageError(message, 'write it in the table of a service in FILE')
    : usageError(message, ...hints);
}

/** Which commands have an option: other sides of the same one, if any of them does. */
export function ownersOf(option: string, command: string, tables: FlagTables): string[] {
  const owners = Object.keys(tables).filter((one) => hasOption(tables[one] ?? {}, option));
  const siblings = owners.filter((one) => wordOf(one) === wordOf(command));
  return siblings.length > 0 ? siblings : owners;
}

/** A command of which every side has it is named alone. */
function joinSides(owners: readonly string[], tables: FlagTables): string[] {
  const names = owners.map((one) => {
    const sides = Object.keys(tables).filter((other) => wordOf(other) === wordOf(one));
    return sides.every((side) => owners.includes(side) || side.endsWith('--config')) ? wordOf(one) : one;
  });
  return [...new Set(names)];
}

/** With `--config` a command has options of its own, but the option that was given is one of its name alone. */
function withoutConfig(command: string): string {
  return command.replace(/ --config$/, '');
}

/** `tunnel client` of the command line, `tunnel-client` of a configuration. */
function wordOf(command: string): string {
  return command.split(/[ -](?=client$|server$|inward$|outward$|-)/)[0] ?? command;
}

function hasOption(flags: Flags, option: string): boolean {
  if (option.startsWith('--')) return Object.hasOwn(flags, option.slice(2));
  return Object.values(flags).some(({ short }) => `-${short}` === option);
}

/** One, two and three. */
export function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}
