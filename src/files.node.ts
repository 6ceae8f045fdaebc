import { type BigIntStats, constants, read } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { checkMembers, isUrl } from './arguments.js';
import { badArgument, badOption, hasCode, kindOf, quote, reasonOf, SecureSocketError } from './errors.js';

/** A file that an option or an argument names: `{ path }`, or a `file:` URL. */
export interface FileOption {
  /** Where the file is: a path, or a `file:` URL. */
  readonly path: string | URL;
}

/** The path of a file that an option or an argument names, and that may come with the members `others`. */
export function pathOf(file: FileOption | URL | string, others: readonly string[] = []): string {
  if (typeof file === 'string') return checkedPath(file);
  if (typeof file === 'object' && file !== null) {
    if ('path' in file) return pathOfOption(file, others);
    if (isUrl(file)) return pathOfUrl(file);
  }
  throw badArgument(`a file is its path, its file: URL or { path }, not ${kindOf(file)}`);
}

function pathOfOption(file: FileOption, others: readonly string[]): string {
  checkMembers(file, ['path', ...others], 'a file');
  return pathOf(file.path);
}

function checkedPath(path: string): string {
  if (path === '') throw badArgument('the path of a file is empty');
  if (path.includes('\0')) throw badArgument(`no path has a null character: ${quote(path)}`);
  return path;
}

function pathOfUrl(url: URL): string {
  let path: string;
  try {
    path = fileURLToPath(url);
  } catch (error) {
    throw badArgument(`${url.href} names no file: ${reasonOf(error)}`);
  }
  return checkedPath(path);
}

/** A file's content as it was at one moment. */
export interface FileContent {
  readonly bytes: Uint8Array;
  /** As it was before the first byte was read; `undefined` for a descriptor that cannot be opened anew. */
  readonly stats: BigIntStats | undefined;
}

/** A file's text as it was at one moment, without a byte-order mark. */
export interface TextFile extends Omit<FileContent, 'bytes'> {
  readonly text: string;
}

/** No key, passphrase or list that a person keeps is larger; a device such as /dev/zero has no end. */
const MAX_BYTES = 16 * 2 ** 20;
const CHUNK = 65536;

/**
 * Reads a file once, from its beginning to its end, because a FIFO, /dev/stdin or a process substitution gives its
 * content to one reader only. Rejects with the system's error, or with BAD_OPTION for what has no end.
 */
export async function readFileOnce(path: string): Promise<FileContent> {
  const file = await openOrDescriptor(path);
  if (typeof file === 'number') return { bytes: await collect(fromDescriptor(file), path), stats: undefined };
  try {
    const stats = await file.stat({ bigint: true });
    const readSome = fromFile(file, path);
    return { bytes: await collect(stats.isFIFO() ? fromFifo(readSome, path) : readSome, path), stats };
  } finally {
    await file.close();
  }
}

/** Reads a file of text once. BAD_OPTION if it is not UTF-8. */
export async function readTextFile(path: string): Promise<TextFile> {
  const { bytes, stats } = await readFileOnce(path);
  return { text: decodeText(bytes, `${path}: `), stats };
}

/** The text in UTF-8 bytes, without a byte-order mark. Anything else is BAD_OPTION, since it would be misread. */
export function decodeText(bytes: Uint8Array, prefix = ''): string {
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff))
    throw badOption(`${prefix}it is UTF-16: save it as UTF-8`);
  // UTF-16 without its mark is valid UTF-8, with every second byte zero
  if (bytes.includes(0)) throw badOption(`${prefix}it has zero bytes, as UTF-16 has: save it as UTF-8`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw badOption(`${prefix}it is not UTF-8 text`, error);
  }
}

/** What a file is that is not a regular one, for error texts; `undefined` for a regular file. */
export function specialKind(stats: BigIntStats): string | undefined {
  if (stats.isFile()) return undefined;
  if (stats.isDirectory()) return 'a folder';
  if (stats.isFIFO()) return 'a FIFO';
  return stats.isSocket() ? 'a socket' : 'a device';
}

/** A socket, which standard input may be, cannot be opened by its name, but read from. */
async function openOrDescriptor(path: string): Promise<FileHandle | number> {
  try {
    // what is wrong with a path, opening it says
    const isFifo = await stat(path).then(
      (stats) => stats.isFIFO(),
      () => false,
    );
    return await open(path, isFifo ? constants.O_RDONLY | constants.O_NONBLOCK : 'r');
  } catch (error) {
    const descriptor = /^\/dev\/(?:stdin|fd\/(\d+))$/.exec(path);
    if (descriptor === null || !hasCode(error, 'ENXIO')) throw error;
    return Number(descriptor[1] ?? 0);
  }
}

type Read = (chunk: Uint8Array) => Promise<number>;

/** The system names a file that it cannot open, but not one that it cannot read, such as a folder. */
function fromFile(file: FileHandle, path: string): Read {
  return async (chunk) => {
    try {
      return (await file.read(chunk, 0, chunk.length, null)).bytesRead;
    } catch (error) {
      throw error instanceof Error
        ? Object.assign(error, { message: `${error.message} '${path}'`, path })
        : error;
    }
  };
}

/** Milliseconds for which a FIFO may have no writer. */
const WRITER_WITHIN = 10_000;

/**
 * A FIFO is opened without waiting for a writer, which would take one of the few threads that everything else needs
 * too. Nothing to read is the end then only after there was a writer; one that has come may take its time, as a
 * person does who is asked for a passphrase.
 */
function fromFifo(readSome: Read, path: string): Read {
  const deadline = performance.now() + WRITER_WITHIN;
  // an unnamed pipe cannot get another writer
  let hasWriter = /^\/(dev\/(stdin|fd\/\d+)|proc\/self\/fd\/\d+)$/.test(path);
  return async (chunk) => {
    for (;;) {
      const length = await readSome(chunk).catch((error: unknown) => {
        if (!hasCode(error, 'EAGAIN')) throw error;
        hasWriter = true;
      });
      hasWriter ||= length !== undefined && length > 0;
      if (length !== undefined && hasWriter) return length;
      if (!hasWriter && performance.now() > deadline)
        throw badOption(`${path}: it is a FIFO to which no one wrote for ${WRITER_WITHIN} ms`);
      await sleep(10);
    }
  };
}

const readDescriptor = promisify(read) as (
  descriptor: number,
  chunk: Uint8Array,
  offset: number,
  length: number,
  position: null,
) => Promise<{ bytesRead: number }>;

function fromDescriptor(descriptor: number): Read {
  return async (chunk) => {
    for (;;) {
      try {
        return (await readDescriptor(descriptor, chunk, 0, chunk.length, null)).bytesRead;
      } catch (error) {
        // another process has made it non-blocking
        if (!hasCode(error, 'EAGAIN')) throw error;
        await sleep(10);
      }
    }
  };
}

async function collect(readSome: Read, path: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for (let total = 0; ; ) {
    const chunk = new Uint8Array(CHUNK);
    const length = await readSome(chunk);
    if (length === 0) return Buffer.concat(chunks);
    total += length;
    if (total > MAX_BYTES)
      throw badOption(`${path}: it has more than ${MAX_BYTES} bytes, as no such file has`);
    chunks.push(chunk.subarray(0, length));
  }
}

/** What the use of a file that an option or an argument names resolves to. The system's error is then one of the caller. */
export async function explainFile<Result>(
  use: Promise<Result>,
  code: 'BAD_IDENTITY' | 'BAD_OPTION',
  problem: string,
  remedy = '',
): Promise<Result> {
  try {
    return await use;
  } catch (error) {
    // Bun does not always name the system's call
    if (!(error instanceof Error) || !('errno' in error)) throw error;
    throw new SecureSocketError(code, `${problem}: ${error.message}${remedy}`, { cause: error });
  }
}
