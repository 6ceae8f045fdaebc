import { lstat, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { exitCodes } from './failure.js';
import type { PartOwner } from './parts.js';
import { codeOf, existingFile, Refusal, store, unstorable } from './refusal.js';
import { problemWithName } from './transfer.js';

/** Where a file is to be, and whose parts it is made from. */
export interface IncomingPlace extends PartOwner {
  readonly path: string;
}

/**
 * The place of a file in the output folder; makes the folders on the way to it. Throws a {@link Refusal} if the name is not
 * a plain one.
 */
export async function placeOf(
  folder: string,
  name: string,
  sender: string,
  isRecursive: boolean,
): Promise<IncomingPlace> {
  const parts = isRecursive ? name.split('/') : [name];
  const problem = parts.map(problemWithName).find((one) => one !== undefined);
  if (problem !== undefined) throw new Refusal(exitCodes.usage, name, problem);
  const path = join(folder, ...parts);
  await makeFolders(folder, parts.slice(0, -1), name);
  return { folder: dirname(path), name, sender, path };
}

/** The size of a regular file; -1 if something else is there; `undefined` if nothing is. */
export async function sizeAt({ path, name }: IncomingPlace): Promise<number | undefined> {
  try {
    const stats = await lstat(path);
    return stats.isFile() ? stats.size : -1;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw unstorable(name, error, exitCodes.usage);
  }
}

/** Creates missing folders. A link is refused: it could lead outside the output folder. */
async function makeFolders(folder: string, parts: readonly string[], name: string): Promise<void> {
  let path = folder;
  for (const part of parts) {
    path = join(path, part);
    await mkdir(path).catch((error) => {
      if (codeOf(error) !== 'EEXIST') throw unstorable(name, error, exitCodes.usage);
    });
    const stats = await store(name, lstat(path), exitCodes.usage);
    if (!stats.isDirectory()) throw existingFile(name);
  }
}
