import manifest from '../../package.json' with { type: 'json' };
import { quote } from '../errors.js';
import { suggestion } from '../suggest.js';
import { bench } from './bench.js';
import { bridge } from './bridge.js';
import { connect } from './connect.js';
import { fingerprint } from './fingerprint.js';
import { keygen } from './keygen.js';
import { knownHosts } from './known-hosts.js';
import { listen } from './listen.js';
import { manualCommands } from './manuals.js';
import { receive } from './receive.js';
import { send } from './send.js';
import { type Command, refuseMore } from './shared/arguments.js';
import { usageError } from './shared/failure.js';
import { currentReport, print, reportAs, reportWarning } from './shared/output.js';
import { tunnel } from './tunnel.js';

const commands: readonly Command[] = [
  keygen,
  fingerprint,
  listen,
  connect,
  send,
  receive,
  tunnel,
  bridge,
  knownHosts,
  bench,
  ...manualCommands(
    () => commands,
    () => help,
    version,
  ),
];

const help = `Usage: secure-sockets COMMAND [OPTION]... [ARGUMENT]...

Encrypted connections between programs that know each other's keys.

Commands:
${commands.map(({ name, summary }) => `  ${name.padEnd(13)} ${summary}`).join('\n')}

"secure-sockets COMMAND --help" is the manual of a command, --version prints the
version.

Examples:
  secure-sockets keygen -o key.pem
  secure-sockets listen --identity key.pem 127.0.0.1:9000 > out
  secure-sockets connect --server-key SHA256:... 127.0.0.1:9000 < in

Exit codes: 0 success; 1 the network failed before anything was carried; 2 wrong
usage, keys or files; 3 the peer is not trusted, or does not trust us; 4 the
data is incomplete or damaged. A command that a signal stops early exits with
128 plus the number of the signal.
`;

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
  return asksForHelp(args) ? show(command.help) : command.run(args);
}

function manualOf(name: string | undefined): string {
  return name === undefined ? help : commandNamed(name).help;
}

function commandNamed(name: string): Command {
  const command = commands.find((one) => one.name === name);
  if (command) return command;
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

/** Built into the program, which may be one file without a package.json beside it. */
function version(): string {
  return manifest.version;
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
