import { quote } from '../errors.js';
import { suggestion } from '../suggest.js';
import { commands, flagTables, help, version } from './commands.js';
import { type Command, refuseMore } from './shared/arguments.js';
import { usageError } from './shared/failure.js';
import { currentReport, print, reportAs, reportWarning } from './shared/output.js';
import { ownersOf, withOwners } from './shared/owners.js';

/** Runs the command that the arguments name. Resolves to the exit code. */
async function main([name, ...args]: string[]): Promise<number> {
  if (name === 'help' || name === '--help' || name === '-h') {
    refuseMore(`${name} takes one COMMAND`, args.slice(1));
    return show(manualOf(args[0]));
  }
  if (name === '--version' || name === '-V') {
    refuseMore(`${name} takes no arguments`, args);
    return show(`${version()}\n`);
  }
  if (name === undefined) throw usageError('no command is given', 'secure-sockets --help');
  const command = commandNamed(name);
  if (asksForHelp(args)) return show(command.help);
  return command.run(args).catch((error: unknown) => {
    throw withOwners(error, flagTables());
  });
}

function manualOf(name: string | undefined): string {
  return name === undefined ? help : commandNamed(name).help;
}

function commandNamed(name: string): Command {
  const command = commands.find((one) => one.name === name);
  if (command) return command;
  const [option = ''] = name.split('=');
  if (option.startsWith('-') && ownersOf(option, '', flagTables()).length > 0)
    throw usageError(`${option} comes after the COMMAND`, 'secure-sockets --help');
  const near = suggestion(name, [...commands.map((one) => one.name), '--help', '--version']);
  const question = near === undefined ? '' : `: did you mean ${near}?`;
  throw usageError(`there is no command ${quote(name)}${question}`, 'secure-sockets --help');
}

function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return args.slice(0, end < 0 ? args.length : end).some((arg) => arg === '--help' || arg === '-h');
}

function show(text: string): number {
  print(text);
  return 0;
}

/** An internal error is printed with its stack. */
function reportFailure(error: unknown): number {
  try {
    return currentReport().failure(error);
  } catch (bug) {
    console.error(bug);
    return 70;
  }
}

// for messages before a command has read its flags
reportAs({
  json: process.argv.includes('--json'),
  'log-format': /--log-format[ =]json\b/.test(process.argv.join(' ')) ? 'json' : undefined,
});
process.removeAllListeners('warning').on('warning', (warning) => reportWarning(warning, currentReport()));
// stays if the event loop runs empty before the command is done: what Node says of a top-level await that never settles
process.exitCode = 13;
// all output is written when it resolves; pending input must not keep the process running
void main(process.argv.slice(2))
  .catch(reportFailure)
  .then((code) => process.exit(code));
