import { quote } from '../errors.js';
import type { KnownHosts } from '../index.js';
import { formatAddress, nameOf, parsePeerAddress } from './shared/address.js';
import { type Command, commonFlags, parse } from './shared/arguments.js';
import { CommandError, exitCodes, usageError } from './shared/failure.js';
import { openKnownHosts, otherFile, withStore } from './shared/known-servers.js';
import { type Report, reportAs } from './shared/output.js';

/** `secure-sockets known-hosts`. */
export const knownHosts: Command = {
  name: 'known-hosts',
  summary: 'list or remove the servers that are known',
  help: `Usage: secure-sockets known-hosts [OPTION]... list
   or: secure-sockets known-hosts [OPTION]... remove ADDRESS [FINGERPRINT]

Lists the servers that connect, send and tunnel trust, one "HOST PORT
FINGERPRINT" per line; or removes a server, or one of its keys.

Options:
  --known-hosts FILE      the file, default ~/.config/secure-sockets/known_hosts
  --json                  print one JSON object per server
  -h, --help              this text

Examples:
  secure-sockets known-hosts list
  secure-sockets known-hosts remove server.example:9000
`,
  flags: () => ({ 'known-hosts': flags }),
  run,
};

const flags = {
  ...commonFlags,
  'known-hosts': { type: 'string' },
} as const;

async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse('known-hosts', args, flags);
  const store = openKnownHosts(values['known-hosts'], [otherFile]);
  const [action, ...rest] = positionals;
  const report = reportAs(values);
  if (action === 'list' && rest.length === 0) await list(store, report);
  else if (action === 'remove' && rest.length >= 1 && rest.length <= 2) await remove(store, rest, report);
  else throw misused(positionals);
  return 0;
}

function misused([action, ...rest]: readonly string[]): CommandError {
  const usage = 'known-hosts takes "list", or "remove", an ADDRESS and a FINGERPRINT, if only that is to go';
  const taken = { list: 0, remove: 2 }[action ?? ''];
  const extra = taken === undefined ? action : rest[taken];
  const hint = 'secure-sockets known-hosts --help';
  return usageError(extra === undefined ? usage : `${usage}: not ${quote(extra)}`, hint);
}

async function list(store: KnownHosts, report: Report): Promise<void> {
  for (const { host, port, fingerprint, comment } of await withStore(store, () => store.list(), [
    otherFile,
  ])) {
    const text = [host, port, fingerprint, comment].filter((part) => part !== undefined).join(' ');
    report.result(text, { host, port, fingerprint, comment });
  }
}

async function remove(store: KnownHosts, [text = '', key]: string[], report: Report): Promise<void> {
  const address = parsePeerAddress(text);
  const { host, port } = nameOf(address);
  const removed = await withStore(store, () => store.remove(host, port, key), [otherFile]);
  const name = formatAddress(address);
  if (removed === 0)
    throw new CommandError(
      exitCodes.usage,
      `${store.name} does not have ${name}${key ? ` with ${key}` : ''}`,
    );
  report.result(`removed ${name}`, { host, port, removed });
}
