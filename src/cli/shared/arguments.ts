import { parseArgs } from 'node:util';
import { quote } from '../../errors.js';
import { suggestion } from '../../suggest.js';
import { CommandError, exitCodes, usageError } from './failure.js';
import { checkFiles } from './file-flags.js';

/** The type of a flag's value, as parseArgs of `node:util` takes it. */
export type Flags = Readonly<
  Record<
    string,
    { readonly type: 'string' | 'boolean'; readonly short?: string; readonly multiple?: boolean }
  >
>;

/** The flags given, by name, and the other arguments. */
export type Arguments<T extends Flags> = ReturnType<
  typeof parseArgs<{ readonly options: T; readonly allowPositionals: true }>
>;

/** Flags by the words that a command with them begins with, such as `tunnel client`. */
export type FlagTables = Readonly<Record<string, Flags>>;

/** A command of the command line. */
export interface Command {
  readonly name: string;
  /** A short description for the list of commands. */
  readonly summary: string;
  /** The manual, as `--help` prints it. */
  readonly help: string;
  /** Its flags; of a command with sides, those of each side. */
  flags(): FlagTables;
  /** Runs the command. Resolves to the exit code. */
  run(args: string[]): Promise<number>;
}

/** Flags that every command has. */
export const commonFlags = {
  help: { type: 'boolean', short: 'h' },
  json: { type: 'boolean' },
} as const;

/** An option that a command does not have. */
export class UnknownOption extends CommandError {
  /** The words that the command begins with. */
  readonly command: string;
  /** As it was written, `--long` or `-s`. */
  readonly option: string;

  constructor(command: string, option: string, message: string, hint: string) {
    super(exitCodes.usage, message, [hint]);
    this.command = command;
    this.option = option;
  }
}

/** Reads a command's flags; a mistake in them is a usage error that names the manual. */
export function parse<const T extends Flags>(command: string, args: string[], flags: T): Arguments<T> {
  const parsed = parseFlags(command, args, flags);
  checkFiles(parsed.values);
  return parsed;
}

function parseFlags<const T extends Flags>(command: string, args: string[], flags: T): Arguments<T> {
  try {
    return parseArgs({ args, options: flags, allowPositionals: true, strict: true });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw misused(command, error.message, flags);
  }
}

function misused(command: string, problem: string, flags: Flags): CommandError {
  const [text = ''] = problem.split(/\. |\n/);
  const message = `${text.charAt(0).toLowerCase()}${text.slice(1)}`;
  const hint = `secure-sockets ${command.split(' ')[0]} --help`;
  const [, unknown] = /^Unknown option '(--?[^'=]+)/.exec(text) ?? [];
  if (unknown === undefined) return usageError(message, hint);
  const near = suggestion(unknown.replace(/^--?/, ''), Object.keys(flags));
  const question = near === undefined ? '' : `: did you mean --${near}?`;
  return new UnknownOption(command, unknown, `${message}${question}`, hint);
}

/** The one argument of a command, out of a list. */
export function oneOfRequired<const T extends string>(
  command: string,
  positionals: readonly string[],
  values: readonly T[],
): T {
  const value = values.find((one) => one === positionals[0]);
  const usage = `${command} takes one of ${values.join(', ')}`;
  refuseMore(usage, positionals.slice(1), `secure-sockets ${command} --help`);
  if (value !== undefined) return value;
  throw usageError(usage, `secure-sockets ${command} --help`);
}

/** A flag's value as a whole number within limits. */
export function wholeNumber(
  name: string,
  text: string | undefined,
  min: number,
  max: number,
): number | undefined {
  if (text === undefined) return undefined;
  const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw usageError(`--${name} takes a whole number from ${min} to ${max}, not ${quote(text)}`);
}

/** A flag's value out of a list. */
export function oneOf<const T extends string>(
  name: string,
  text: string | undefined,
  values: readonly T[],
): T | undefined {
  if (text === undefined) return undefined;
  const value = values.find((one) => one === text);
  if (value !== undefined) return value;
  throw usageError(`--${name} is ${values.join(', ')}; not ${quote(text)}`);
}

/** The one argument that a command takes. */
export function onePositional(command: string, name: string, positionals: readonly string[]): string {
  const [first, ...more] = positionals;
  const usage = `${command} takes one ${name}`;
  refuseMore(usage, more, `secure-sockets ${command} --help`);
  if (first !== undefined) return first;
  throw usageError(usage, `secure-sockets ${command} --help`);
}

/** Refuses arguments beyond those that a command takes, and names the first of them. */
export function refuseMore(usage: string, more: readonly string[], ...hints: string[]): void {
  if (more.length > 0) throw usageError(`${usage}: ${quote(more[0])} is one too many`, ...hints);
}
