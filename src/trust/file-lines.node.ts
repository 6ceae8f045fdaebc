import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, mkdir, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { badOption, hasCode, SecureSocketError } from '../errors.js';
import { decodeText, readTextFile, specialKind, type TextFile } from '../files.node.js';
import { endedLines, type LineStore, withoutLines } from './line-store.js';

/**
 * The lines of a file that other processes may read and change at the same time.
 *
 * Lines are added with O_APPEND, which keeps those of all writers. Only removing lines replaces the file, by a new
 * one that is renamed: readers see the old file or the new one, never a part. What others append to the old file
 * meanwhile is not lost: a process that replaces it carries over what came after the part that was read, and one that
 * appends looks afterwards whether the file is still the one at this path, and appends again if not. Where a file must
 * not be replaced, its lines become comments.
 *
 * Why these two together lose nothing, without a lock: either the writer looked after the rename, then it has seen
 * another file and appends again; or before it, then its line was in the old file when the other process, after its
 * rename, read what came last. A line may be in the file twice, which means the same as once. Only a process that is
 * killed between its rename and the carrying over can lose what others added within that moment. The new file is
 * itself the lock of those that replace: it is created exclusively, and a second one waits until it has been renamed
 * or removed.
 *
 * Symbolic links are followed. A device, a FIFO or a socket is read, once, since what it gave is gone, and never
 * written.
 */
export class FileLines implements LineStore {
  readonly name: string;
  #readOnce: TextFile | undefined;

  constructor(path: string) {
    this.name = path;
  }

  async read(): Promise<string> {
    return (await unlessMissing(this.readFile()))?.text ?? '';
  }

  /** Whether what was read can be read only once, so that it will not change. */
  protected get isReadOnce(): boolean {
    return this.#readOnce !== undefined;
  }

  protected async readFile(): Promise<TextFile> {
    if (this.#readOnce !== undefined) return this.#readOnce;
    const file = await readTextFile(this.name);
    if (file.stats === undefined || specialKind(file.stats) !== undefined) this.#readOnce = file;
    return file;
  }

  async append(line: string): Promise<void> {
    await mkdir(dirname(this.name), { recursive: true, mode: 0o700 });
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++)
      if (await appendTo(this.name, `${line}\n`)) return;
    throw new SecureSocketError(
      'BUSY',
      `${this.name} is replaced over and over: nothing was added, try again`,
    );
  }

  async removeLines(pick: ChooseLines): Promise<number> {
    const target = await unlessMissing(realpath(this.name));
    if (target === undefined) return 0;
    requireRegular(target, await stat(target, { bigint: true }));
    const next = await unlessRefused(openNew(target));
    if (next === undefined) return commentOut(target, pick);
    try {
      return await withOld(target, (old) => replace(old, next, pick));
    } finally {
      await next.file.close();
      if (!next.isInPlace) await rm(next.path);
    }
  }

  runExclusive<Result>(task: () => Promise<Result>): Promise<Result> {
    const key = resolve(this.name);
    const result = (queues.get(key) ?? Promise.resolve()).then(task);
    const settled = result
      .catch(() => {})
      .then(() => {
        if (queues.get(key) === settled) queues.delete(key);
      });
    queues.set(key, settled);
    return result;
  }
}

/** The last task of this process on each file. */
const queues = new Map<string, Promise<unknown>>();

const MAX_ATTEMPTS = 10;

/** Adds a text at the end of what is at a path. Resolves to whether it is still there afterwards. */
async function appendTo(path: string, text: string): Promise<boolean> {
  // opening a device can have an effect of its own, so it is looked at before
  const there = await unlessMissing(stat(path, { bigint: true }));
  if (there !== undefined) requireRegular(path, there);
  const { O_RDWR, O_APPEND, O_CREAT, O_NONBLOCK } = constants;
  const file = await open(path, O_RDWR | O_APPEND | O_CREAT | O_NONBLOCK, 0o600);
  try {
    const before = await file.stat({ bigint: true });
    requireRegular(path, before);
    const size = Number(before.size);
    await write(file, size, Buffer.from((await endsLine(file, size)) ? text : `\n${text}`));
    await file.sync();
    return isSame(before, await unlessMissing(stat(path, { bigint: true })));
  } finally {
    await file.close();
  }
}

async function endsLine(file: FileHandle, size: number): Promise<boolean> {
  if (size === 0) return true;
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
  return buffer.toString() === '\n';
}

/** Writes all of it or nothing: where the disk is full, a part of a line would make the file unreadable. */
async function write(file: FileHandle, size: number, bytes: Buffer): Promise<void> {
  try {
    await file.appendFile(bytes);
  } catch (error) {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes.length + 1), 0, bytes.length + 1, size);
    const isOurs = bytes.subarray(0, bytesRead).equals(buffer.subarray(0, bytesRead));
    if (bytesRead > 0 && isOurs) await file.truncate(size);
    throw error;
  }
}

/** What takes the place of a file when it is whole. While it exists, others who want to replace the file wait. */
interface NewFile {
  readonly path: string;
  readonly file: FileHandle;
  isInPlace: boolean;
}

async function openNew(target: string): Promise<NewFile> {
  const path = `${target}.new`;
  for (const deadline = performance.now() + TIMEOUT; ; await sleep(20)) {
    try {
      return { path, file: await open(path, 'wx', 0o600), isInPlace: false };
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error;
      if (performance.now() < deadline) continue;
      const text = `another process replaces ${target}: try again, or remove ${path} if there is none`;
      throw new SecureSocketError('BUSY', text, { cause: error });
    }
  }
}

/** Milliseconds. Replacing a file takes some of them. */
const TIMEOUT = 3000;

interface OldFile {
  readonly path: string;
  readonly file: FileHandle;
}

/** For writing too, though nothing may be written: who may not change a file must not replace it. */
async function withOld<Result>(path: string, task: (old: OldFile) => Promise<Result>): Promise<Result> {
  const file = await open(path, constants.O_RDWR | constants.O_NONBLOCK);
  try {
    requireRegular(path, await file.stat({ bigint: true }));
    return await task({ path, file });
  } finally {
    await file.close();
  }
}

/** Chooses lines, counted from 1. */
type ChooseLines = (text: string) => ReadonlySet<number>;

async function replace(old: OldFile, next: NewFile, pick: ChooseLines): Promise<number> {
  const text = await textOf(old);
  const gone = pick(text);
  if (gone.size === 0) return 0;
  await next.file.writeFile(withoutLines(text, gone));
  await unlessRefused(putInPlace(next, old));
  if (!next.isInPlace) return commentOutLines(old, text, gone);
  await carryOver(old, Buffer.byteLength(text));
  return gone.size;
}

async function textOf({ path, file }: OldFile): Promise<string> {
  const bytes = await file.readFile();
  decodeText(bytes, `${path}: `);
  return bytes.toString();
}

async function putInPlace(next: NewFile, old: OldFile): Promise<void> {
  await takeAfter(next.file, await old.file.stat({ bigint: true }));
  await next.file.sync();
  await rename(next.path, old.path);
  next.isInPlace = true;
}

/**
 * Where a file can be written but not replaced (its folder is closed, another user owns it, it is mounted by itself
 * into a container), its lines become comments: a byte of each, so that readers and those who append notice nothing
 * else.
 */
async function commentOut(path: string, pick: ChooseLines): Promise<number> {
  const [count, isThere] = await withOld(path, async (old) => {
    const text = await textOf(old);
    const done = await commentOutLines(old, text, pick(text));
    const now = await unlessMissing(stat(path, { bigint: true }));
    return [done, isSame(await old.file.stat({ bigint: true }), now)];
  });
  // who owns the folder may have replaced the file meanwhile
  return isThere ? count : commentOut(path, pick);
}

async function commentOutLines({ file }: OldFile, text: string, gone: ReadonlySet<number>): Promise<number> {
  let offset = 0;
  for (const [index, line] of endedLines(text).entries()) {
    const mark = line.startsWith('\ufeff') ? 3 : 0;
    if (gone.has(index + 1)) await file.write(Buffer.from('#'), 0, 1, offset + mark);
    offset += Buffer.byteLength(line);
  }
  await file.sync();
  return gone.size;
}

/** What the system refuses to those who may not replace a file, though they may write it, is `undefined`. */
async function unlessRefused<Result>(operation: Promise<Result>): Promise<Result | undefined> {
  try {
    return await operation;
  } catch (error) {
    if (hasCode(error, 'EACCES', 'EPERM', 'EROFS', 'EBUSY', 'EXDEV', 'ENAMETOOLONG')) return undefined;
    throw error;
  }
}

/** The same owner and mode as before. */
async function takeAfter(file: FileHandle, { uid, gid, mode }: BigIntStats): Promise<void> {
  const own = await file.stat({ bigint: true });
  if (own.uid !== uid || own.gid !== gid) await file.chown(Number(uid), Number(gid));
  await file.chmod(Number(mode & 0o777n));
}

/** Appends to the new file what others have appended to the old one since it was read. */
async function carryOver({ path, file }: OldFile, start: number): Promise<void> {
  const length = Number((await file.stat()).size) - start;
  if (length <= 0) return;
  const { buffer } = await file.read(Buffer.alloc(length), 0, length, start);
  await appendTo(path, buffer.toString());
}

function requireRegular(path: string, stats: BigIntStats): void {
  const kind = specialKind(stats);
  if (kind === undefined) return;
  throw badOption(`${path} is ${kind}: name a regular file, to which can be written`);
}

function isSame(one: BigIntStats, other: BigIntStats | undefined): boolean {
  return one.ino === other?.ino && one.dev === other.dev;
}

async function unlessMissing<Result>(operation: Promise<Result>): Promise<Result | undefined> {
  try {
    return await operation;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
