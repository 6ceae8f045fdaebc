import { createHash, randomUUID } from 'node:crypto';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** A part that was written to lately is in use, whatever its process is called here. */
const MIN_AGE = 60_000;

/** The name that a file has until it is whole: it tells the file and the process, for those who find it later. */
export function partName(name: string): string {
  return `${prefixOf(name)}${process.pid}-${randomUUID()}.part`;
}

/** Removes parts of this file that were left behind by processes that were killed. */
export async function removeOrphans(folder: string, name: string): Promise<void> {
  const prefix = prefixOf(name);
  for (const entry of await readdir(folder)) {
    if (!entry.startsWith(prefix) || !entry.endsWith('.part')) continue;
    const path = join(folder, entry);
    if (!isAlive(Number.parseInt(entry.slice(prefix.length), 10)) && (await isOld(path)))
      await rm(path, { force: true });
  }
}

/** A hash, since a name may be as long as the system takes. */
function prefixOf(name: string): string {
  return `.${createHash('sha256').update(name).digest('hex').slice(0, 16)}-`;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH');
  }
}

async function isOld(path: string): Promise<boolean> {
  const stats = await stat(path).catch(() => undefined);
  return stats !== undefined && Date.now() - stats.mtimeMs > MIN_AGE;
}
