import type { Stats } from 'node:fs';
import { lstat, readlink, stat } from 'node:fs/promises';
import { hasCode } from '../../errors.js';
import { usageError } from './failure.js';

/** What is at a path, or at the end of a symbolic link there. Where there is nothing, the error says which it is. */
export async function statOf(path: string): Promise<Stats> {
  try {
    return await stat(path);
  } catch (error) {
    throw await explain(path, error);
  }
}

/** What tells a folder from all others of this machine. */
export function idOf({ dev, ino }: Stats): string {
  return `${dev}:${ino}`;
}

/** Symbolic links are followed, so that a folder can be in itself. `above` are the folders that it is in. */
export function checkNotWithin(path: string, id: string, above: readonly string[]): void {
  if (above.includes(id))
    throw usageError(`${path} leads back to a folder that it is in`, 'remove that link, or name other files');
}

async function explain(path: string, error: unknown): Promise<unknown> {
  const target = await readlink(path).catch(() => undefined);
  if (target !== undefined) {
    const leads = `${path} is a symbolic link to ${target}`;
    return usageError(
      hasCode(error, 'ELOOP') ? `${leads}, which leads to itself` : `${leads}, which is not there`,
    );
  }
  // Node gives what is no UTF-8 as U+FFFD, and finds nothing of that name
  if (path.includes('\ufffd') && (await lstat(path).catch(() => undefined)) === undefined)
    return usageError(`the name of ${path} is not UTF-8`, 'rename it: names are sent as text');
  return error;
}
