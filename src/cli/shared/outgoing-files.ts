import type { Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { access, type FileHandle, open, readdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { CommandError, exitCodes, usageError } from './failure.js';
import { hashStart } from './file-hash.js';
import { checkNotWithin, idOf, statOf } from './outgoing-paths.js';
import { type Batch, type FileHeader, type FolderHeader, PIECE } from './transfer.js';

/** What is sent: a file, or what a folder is to be like. */
export type Outgoing = OutgoingFile | OutgoingFolder;

/** A file to send. */
export interface OutgoingFile {
  /** Its path on this machine. */
  readonly path: string;
  /** Opens it: one at a time, since there may be more than a process may have open. */
  open(): Promise<OpenFile>;
}

/** A folder: sent before what is in it, and again after that, since each file in it changes its time. */
export interface OutgoingFolder {
  readonly path: string;
  readonly folder: FolderHeader;
}

/** A file that is being sent. */
export interface OpenFile {
  readonly path: string;
  readonly header: FileHeader;
  /** The SHA-256 of its first bytes, to be continued; `undefined` if there are fewer. */
  hashStart(length: number): Promise<Hash | undefined>;
  /** Its content from there on, in pieces; throws if that is shorter than was announced. */
  pieces(from: number): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

/** What to send, and how. */
export interface OutgoingOptions {
  /** Whether folders are sent too, with everything in them. */
  readonly recursive: boolean;
  /** Whether the modification time and permission bits are sent. */
  readonly preserve: boolean;
  /** The name for standard input at the other end. */
  readonly name: string | undefined;
  /** Whether broken transfers are to be continued. */
  readonly resume: boolean;
}

/** Looks at all of them before anything is sent: a missing file is found out at once. `-` is standard input. */
export async function findFiles(paths: readonly string[], options: OutgoingOptions): Promise<Outgoing[]> {
  checkInput(paths, options);
  const found: (Found | OutgoingFolder)[] = [];
  for (const path of paths) {
    if (path === '-') found.push({ path, name: options.name ?? '', size: null });
    // the name of "." and ".." is that of the folder which they are
    else for await (const one of filesIn(path, basename(resolve(path)), options)) found.push(one);
  }
  const files = found.filter((one) => 'name' in one);
  const bytes = files.reduce(
    (sum: number | null, { size }) => (sum === null || size === null ? null : sum + size),
    0,
  );
  const isBatch = files.length > 1 && bytes !== null;
  let file = 0;
  return found.map((one) => {
    if ('folder' in one) return one;
    file++;
    return makeOutgoing(one, isBatch ? { file, files: files.length, bytes } : undefined, options);
  });
}

function checkInput(paths: readonly string[], { name, resume }: OutgoingOptions): void {
  const usesInput = paths.includes('-');
  if (usesInput !== (name !== undefined))
    throw usageError(
      'standard input, "-", is sent under the name that --name NAME gives it; neither goes alone',
    );
  if (usesInput && resume) throw usageError('standard input cannot be read again: --resume takes files only');
}

interface Found {
  readonly path: string;
  /** At the other end, with folders in it for what is in folders. */
  readonly name: string;
  readonly size: number | null;
}

/** `above` are the folders on the way here. */
async function* filesIn(
  path: string,
  name: string,
  options: OutgoingOptions,
  above: readonly string[] = [],
): AsyncGenerator<Found | OutgoingFolder> {
  const stats = await statOf(path);
  if (stats.isFile()) {
    await access(path, constants.R_OK);
    yield { path, name, size: stats.size };
    return;
  }
  if (!stats.isDirectory())
    throw usageError(
      `${path} is ${kindOf(stats)}, and no file that could be sent`,
      'its content can: send - --name NAME ADDRESS',
    );
  if (!options.recursive) throw usageError(`${path} is a folder`, 'folders are sent with -r');
  const id = idOf(stats);
  checkNotWithin(path, id, above);
  const mode = options.preserve ? { mode: Number(stats.mode) & 0o777 } : {};
  yield { path, folder: { name, ...mode } };
  const entries = await readdir(path);
  for (const entry of entries.sort())
    yield* filesIn(join(path, entry), `${name}/${entry}`, options, [...above, id]);
  if (options.preserve) yield { path, folder: { name, ...mode, modified: Math.floor(stats.mtimeMs) } };
}

function kindOf(stats: { isFIFO(): boolean; isSocket(): boolean }): string {
  if (stats.isFIFO()) return 'a FIFO';
  return stats.isSocket() ? 'a socket' : 'a device';
}

function makeOutgoing(
  { path, name, size }: Found,
  batch: Batch | undefined,
  { preserve, resume }: OutgoingOptions,
): OutgoingFile {
  if (size === null) return { path, open: async () => standardInput(name) };
  return {
    path,
    open: async () => {
      // should it have become a FIFO meanwhile, that would wait for a writer
      const flags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);
      const handle = await open(path, flags).catch((cause) => {
        throw new CommandError(exitCodes.damaged, `${path} can no longer be read`, [], cause);
      });
      const stats = await handle.stat();
      if (!stats.isFile()) throw new CommandError(exitCodes.damaged, `${path} is no longer a file`);
      const modified = Math.floor(stats.mtimeMs);
      const kept = preserve ? { modified, mode: stats.mode & 0o777 } : {};
      const header = { name, size: stats.size, ...kept, batch, ...(resume && { resume }) };
      return regularFile(path, header, handle);
    },
  };
}

function regularFile(
  path: string,
  header: FileHeader & { readonly size: number },
  handle: FileHandle,
): OpenFile {
  return {
    path,
    header,
    hashStart: async (length) => (length > header.size ? undefined : hashStart(handle, length)),
    close: () => handle.close(),
    async *pieces(from) {
      for (let at = from; at < header.size; ) {
        const piece = new Uint8Array(Math.min(PIECE, header.size - at));
        const { bytesRead } = await handle.read(piece, 0, piece.length, at);
        if (bytesRead === 0)
          throw new CommandError(exitCodes.damaged, `${path} became shorter while it was sent`);
        at += bytesRead;
        yield piece.subarray(0, bytesRead);
      }
    },
  };
}

/** The size is not known before the end. */
function standardInput(name: string): OpenFile {
  return {
    path: '-',
    header: { name, size: null },
    hashStart: async () => undefined,
    close: async () => void process.stdin.destroy(),
    async *pieces() {
      for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) {
        for (let at = 0; at < chunk.length; at += PIECE) yield chunk.subarray(at, at + PIECE);
      }
    },
  };
}
