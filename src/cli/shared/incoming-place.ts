import { chmod, lstat, mkdir, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasCode } from '../../errors.js';
import { exitCodes } from './failure.js';
import type { PartOwner } from './parts.js';
import { existingFile, Refusal, store, unstorable } from './refusal.js';
import { type FolderHeader, problemWithName } from './transfer.js';

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
  const parts = partsOf(name, isRecursive);
  const path = join(folder, ...parts);
  await makeFolders(folder, parts.slice(0, -1), name);
  return { folder: dirname(path), name, sender, path };
}

/** The folders that a sender has caused to be made. */
export type MadeFolders = Set<string>;

/**
 * Makes a folder in the output folder, if it is not there, and gives it its permission bits and time if it was made for
 * this sender: what was there before stays as it is. Until its time comes, behind what is in it, its owner can write to it.
 */
export async function makeFolder(
  output: string,
  { name, mode, modified }: FolderHeader,
  made: MadeFolders,
  takes: { readonly recursive: boolean; readonly preserve: boolean },
): Promise<void> {
  const parts = partsOf(name, takes.recursive);
  if (!takes.recursive)
    throw new Refusal(exitCodes.usage, name, 'it is a folder: those are received with -r');
  const path = join(output, ...parts);
  const kept = takes.preserve ? mode : undefined;
  for (const one of await makeFolders(output, parts, name, kept)) made.add(one);
  if (modified === undefined || !takes.preserve || !made.has(path)) return;
  if (mode !== undefined) await store(name, chmod(path, mode));
  await store(name, utimes(path, new Date(modified), new Date(modified)));
}

function partsOf(name: string, isRecursive: boolean): readonly string[] {
  const parts = isRecursive ? name.split('/') : [name];
  const problem = parts.map(problemWithName).find((one) => one !== undefined);
  if (problem !== undefined) throw new Refusal(exitCodes.usage, name, problem);
  return parts;
}

/** The size of a regular file; -1 if something else is there; `undefined` if nothing is. */
export async function sizeAt({ path, name }: IncomingPlace): Promise<number | undefined> {
  try {
    const stats = await lstat(path);
    return stats.isFile() ? stats.size : -1;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw unstorable(name, error, exitCodes.usage);
  }
}

/**
 * Creates missing folders, of which the last gets `mode`; its owner may write to it in any case. A link is refused: it
 * could lead outside the output folder. Resolves to those that were missing.
 */
async function makeFolders(
  folder: string,
  parts: readonly string[],
  name: string,
  mode = 0o777,
): Promise<string[]> {
  const made: string[] = [];
  let path = folder;
  for (const [index, part] of parts.entries()) {
    path = join(path, part);
    const isLast = index === parts.length - 1;
    if (await makeMissing(path, name, isLast ? mode | 0o700 : 0o777)) made.push(path);
    const stats = await store(name, lstat(path), exitCodes.usage);
    if (!stats.isDirectory()) throw existingFile(name);
  }
  return made;
}

async function makeMissing(path: string, name: string, mode: number): Promise<boolean> {
  try {
    await mkdir(path, mode);
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw unstorable(name, error, exitCodes.usage);
  }
}
