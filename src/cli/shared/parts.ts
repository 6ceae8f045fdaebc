import { createHash, randomUUID } from 'node:crypto';
import { constants, readlinkSync } from 'node:fs';
import { copyFile, lstat, readdir, rename, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { hasCode } from '../../errors.js';

// A file that is being received is called `.NAME-PROCESS-SYSTEM-SENDER-UUID.part`. NAME and SENDER are hashes, since a
// name may be as long as the system allows, and so that no other client continues what one has begun. PROCESS is the id
// of the process that writes to it, or "rest" while there is none and it waits to be resumed.

/** Written to by a process of another system, such as a container, a part counts as in use for so many milliseconds. */
const MIN_AGE = 60_000;

/** What a part is of: the file by its name, the sender by its fingerprint. */
export interface PartOwner {
  readonly folder: string;
  readonly name: string;
  /** Empty for clients without a key. */
  readonly sender: string;
}

/** The parts that this process writes to. What else has its id was left by one that had it before, as in a container. */
const own = new Set<string>();

/** The path of a new part, which this process writes to. */
export function newPart(owner: PartOwner): string {
  const path = pathOf(owner, String(process.pid));
  own.add(path);
  return path;
}

/** Removes a part that this process has written to. */
export async function removePart(path: string): Promise<void> {
  await rm(path, { force: true });
  own.delete(path);
}

/** This process does not write to a part after all. */
export function leavePart(path: string): void {
  own.delete(path);
}

/** Gives up a part that is to be resumed later. */
export async function restPart(path: string, owner: PartOwner): Promise<void> {
  await rename(path, pathOf(owner, 'rest'));
  own.delete(path);
}

/**
 * Takes over the longest part of this file and sender that no process writes to. `undefined` if there is none.
 *
 * There is no lock, which a killed process would leave behind: the name says who writes. A rename decides between
 * processes that want the same part, since only one of them can find the old name, and the loser looks at the next one.
 */
export async function claimPart(owner: PartOwner): Promise<string | undefined> {
  const mark = hashOf(owner.sender);
  const found = (await orphans(owner)).filter(({ sender, size }) => sender === mark && size > 0);
  for (const orphan of found.sort((a, b) => b.size - a.size)) {
    const claimed = newPart(owner);
    let isTaken = false;
    try {
      isTaken = await takeOver(orphan, claimed);
    } finally {
      if (!isTaken) leavePart(claimed);
    }
    if (isTaken) return claimed;
  }
  return undefined;
}

/**
 * A writer elsewhere may only have been standing still: it keeps what it has open, and this process takes a copy, which
 * that one cannot write to.
 */
async function takeOver({ path, isForeign }: Orphan, claimed: string): Promise<boolean> {
  if (!isForeign) return tryRename(path, claimed);
  try {
    await copyFile(path, claimed, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  } catch (error) {
    await rm(claimed, { force: true });
    // without room for a copy the transfer begins anew
    if (['ENOENT', 'ENOSPC', 'EDQUOT'].some((code) => hasCode(error, code))) return false;
    throw error;
  }
  await rm(path, { force: true });
  return true;
}

/** Removes the parts of this file that no process writes to: all of them, or those of one sender. */
export async function removeOrphans(owner: PartOwner, ofSenderOnly = false): Promise<void> {
  const mark = hashOf(owner.sender);
  for (const { path, sender } of await orphans(owner)) {
    if (!ofSenderOnly || sender === mark) await rm(path, { force: true });
  }
}

interface Orphan {
  readonly path: string;
  readonly sender: string | undefined;
  readonly size: number;
  /** Whether a process of another system began it. */
  readonly isForeign: boolean;
}

async function orphans({ folder, name }: PartOwner): Promise<Orphan[]> {
  const prefix = `.${hashOf(name)}-`;
  const found: Orphan[] = [];
  for (const entry of await entriesOf(folder)) {
    if (!entry.startsWith(prefix) || !entry.endsWith('.part')) continue;
    const path = join(folder, entry);
    const [, writer = '', host, sender] =
      /^(rest|\d+)(?:-([0-9a-f]{8})-([0-9a-f]{16}))?-/.exec(entry.slice(prefix.length)) ?? [];
    const stats = await lstat(path).catch(() => undefined);
    const isForeign = writer !== 'rest' && host !== system();
    if (!stats?.isFile() || isInUse(path, writer, !isForeign, stats.mtimeMs)) continue;
    found.push({ path, sender, size: stats.size, isForeign });
  }
  return found;
}

/** Of a folder into which can be put what no one may list, such as a letter box, none can be found. */
async function entriesOf(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (hasCode(error, 'EACCES')) return [];
    throw error;
  }
}

/** What a process is called says something on its own system only: in containers all are called 1. */
function isInUse(path: string, writer: string, isHere: boolean, modified: number): boolean {
  if (writer === 'rest') return false;
  if (!isHere) return Date.now() - modified < MIN_AGE;
  return Number(writer) === process.pid ? own.has(path) : isAlive(Number(writer));
}

function pathOf({ folder, name, sender }: PartOwner, writer: string): string {
  return join(folder, `.${hashOf(name)}-${writer}-${system()}-${hashOf(sender)}-${randomUUID()}.part`);
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

let known: string | undefined;

/** Where ids of processes mean the same: this machine, and on Linux this namespace of processes. */
function system(): string {
  known ??= hashOf(`${hostname()} ${pidNamespace()}`).slice(0, 8);
  return known;
}

function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    // not Linux, or /proc is not mounted
    return '';
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !hasCode(error, 'ESRCH');
  }
}

/** Whether it was still there. */
async function tryRename(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false;
    throw error;
  }
}
