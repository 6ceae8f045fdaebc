import { constants } from 'node:fs';
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { CommandError, exitCodes, usageError } from './failure.js';
import { type FileHeader, PIECE } from './transfer.js';

/** A file to be sent. */
export interface OutgoingFile {
  /** As it is called here. */
  readonly path: string;
  readonly header: FileHeader;
  /** Its content, in pieces; throws if that is shorter than was announced. */
  pieces(): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

/** What is to be sent, and how. */
export interface OutgoingOptions {
  /** Folders with everything in them, too. */
  readonly recursive: boolean;
  /** With the time of the last change, and the permission bits. */
  readonly preserve: boolean;
  /** What standard input is to be called at the other end. */
  readonly name: string | undefined;
}

/** Opens all of them before anything is sent: a missing file is found out at once. `-` is standard input. */
export async function openFiles(paths: readonly string[], options: OutgoingOptions): Promise<OutgoingFile[]> {
  const usesInput = paths.includes('-');
  if (usesInput !== (options.name !== undefined))
    throw usageError(
      'standard input, "-", is sent under the name that --name NAME gives it; neither goes alone',
    );
  const files: OutgoingFile[] = [];
  for (const path of paths) {
    if (path === '-') files.push(standardInput(options.name ?? ''));
    else for await (const file of filesIn(path, basename(path), options)) files.push(file);
  }
  return files;
}

/** `name` is the one at the other end, with folders in it for what is in folders. */
async function* filesIn(path: string, name: string, options: OutgoingOptions): AsyncGenerator<OutgoingFile> {
  // a FIFO would wait for a writer, and a device may do anything when it is opened
  const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  const stats = await handle.stat();
  if (stats.isFile()) {
    const modified = Math.floor(stats.mtimeMs);
    const kept = options.preserve ? { modified, mode: stats.mode & 0o777 } : {};
    yield regularFile(path, { name, size: stats.size, ...kept }, handle);
    return;
  }
  await handle.close();
  if (!stats.isDirectory())
    throw usageError(
      `${path} is ${kindOf(stats)}, and no file that could be sent`,
      'its content can: send - --name NAME ADDRESS',
    );
  if (!options.recursive) throw usageError(`${path} is a folder`, 'folders are sent with -r');
  const entries = await readdir(path);
  for (const entry of entries.sort()) yield* filesIn(join(path, entry), `${name}/${entry}`, options);
}

function kindOf(stats: { isFIFO(): boolean; isSocket(): boolean }): string {
  if (stats.isFIFO()) return 'a FIFO';
  return stats.isSocket() ? 'a socket' : 'a device';
}

function regularFile(
  path: string,
  header: FileHeader & { readonly size: number },
  handle: FileHandle,
): OutgoingFile {
  return {
    path,
    header,
    close: () => handle.close(),
    async *pieces() {
      for (let at = 0; at < header.size; ) {
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

/** Nobody knows how much it is before it has ended. */
function standardInput(name: string): OutgoingFile {
  return {
    path: '-',
    header: { name, size: null },
    close: async () => void process.stdin.destroy(),
    async *pieces() {
      for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) {
        for (let at = 0; at < chunk.length; at += PIECE) yield chunk.subarray(at, at + PIECE);
      }
    },
  };
}
