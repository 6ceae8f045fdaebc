import { join } from 'node:path';
import { KnownHosts } from '../../index.js';
import { CommandError, exitCodes } from './failure.js';
import { folderAtHome } from './home.js';

/** The known servers in a file, by default in the command's own. */
export function openKnownHosts(path: string | undefined): KnownHosts {
  return new KnownHosts(path ?? requirePath());
}

/** The flag that makes another command use the same file; empty for the default one. */
export function fileFlag(hosts: KnownHosts): string {
  return hosts.name === defaultPath() ? '' : `--known-hosts ${hosts.name} `;
}

const elsewhere = [
  "say which server is meant with --server-key and its key's fingerprint",
  'or name a file that can be read and written with --known-hosts FILE',
];

/** Runs an operation on the known-hosts file. Errors of the system are reported with a hint. */
export async function withStore<Result>(hosts: KnownHosts, use: () => Promise<Result>): Promise<Result> {
  try {
    return await use();
  } catch (error) {
    const isSystems = error instanceof Error && 'syscall' in error;
    if (!isSystems) throw error;
    const message = `the known servers in ${hosts.name} cannot be used: ${error.message}`;
    throw new CommandError(exitCodes.usage, message, elsewhere, error);
  }
}

function requirePath(): string {
  const path = defaultPath();
  if (path !== undefined) return path;
  const message = 'there is no home folder in which known servers could be kept';
  throw new CommandError(exitCodes.usage, message, elsewhere);
}

function defaultPath(): string | undefined {
  const { XDG_CONFIG_HOME, APPDATA } = process.env;
  const base = folderAtHome([XDG_CONFIG_HOME, process.platform === 'win32' ? APPDATA : undefined], '.config');
  return base === undefined ? undefined : join(base, 'secure-sockets', 'known_hosts');
}
