import manifest from '../../package.json' with { type: 'json' };
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
import type { Command, FlagTables } from './shared/arguments.js';
import { tunnel } from './tunnel.js';

/** All commands, in the order of the manual. */
export const commands: readonly Command[] = [
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

/** The manual of the program. */
export const help: string = `Usage: secure-sockets COMMAND [OPTION]... [ARGUMENT]...

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

/** The flags of all commands. */
export function flagTables(): FlagTables {
  return Object.assign({}, ...commands.map((one) => one.flags()));
}

/** Built into the program, which may be one file without a package.json beside it. */
export function version(): string {
  return manifest.version;
}
