import { join } from 'node:path';
import { KnownHosts } from '../../index.js';
import { CommandError, exitCodes } from './failure.js';
import { folderAtHome } from './home.js';

/** The known servers in a file, by default in the command's own. */
export function openKnownHosts(path: string | undefined, hints: readonly string[] = elsewhere): KnownHosts {
  return new KnownHosts(path ?? requirePath(hints));
}

/** The flag that makes another command use the same file; empty for the default one. */
export function fileFlag(hosts: KnownHosts): string {
  return hosts.name === defaultPath() ? '' : `--known-hosts ${hosts.name} `;
}

/** The hint of a command that does not connect. */
export const otherFile = 'name a file that can be read and written with --known-hosts FILE';

const elsewhere: readonly string[] = [
  "say which server is meant with --server-key and its key's fingerprint",
  `or ${otherFile}`,
];

/** Runs an operation on the known-hosts file. Errors of the system are reported with a hint. */
export async function withStore<Result>(
  hosts: KnownHosts,
  use: () => Promise<Result>,
  hints: readonly string[] = elsewhere,
): Promise<Result> {
  try {
    return await use();
  } catch (error) {
    const isSystems = error instanceof Error && 'errno' in error;
    if (!isSystems) throw error;
    const message = `the known servers in ${hosts.name} cannot be used: ${error.message}`;
    throw new CommandError(exitCodes.usage, message, hints, error);
  }
}

function requirePath(hints: readonly string[]): string {
  const path = defaultPath();
  if (path !== undefined) return path;
  const message = 'there is no home folder in which known servers could be kept';
  throw new CommandError(exitCodes.usage, message, hints);
}

function defaultPath(): string | undefined {
  const { XDG_CONFIG_HOME, APPDATA } = process.env;
  const base = folderAtHome([XDG_CONFIG_HOME, process.platform === 'win32' ? APPDATA : undefined], '.config');
  return base === undefined ? undefined : join(base, 'secure-sockets', 'known_hosts');
}
