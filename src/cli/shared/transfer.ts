import { quote } from '../../errors.js';
import { CommandError, exitCodes } from './failure.js';

/**
 * The protocol of `send` and `receive`: one exchange per file. A message is a letter and a body.
 *
 * - sender: `F` and `{"name":…,"size":…,"modified":…,"mode":…,"batch":{"file":…,"files":…,"bytes":…},"resume":true}`, the
 *   file to come; all but name and size may be absent
 * - receiver: `A`, or `R` and the reason for refusing it as UTF-8
 * - sender: `D` and bytes of the file, until all have been sent; then `H` and the SHA-256 of all of them, 32 bytes
 * - receiver: `K` when the file is complete, checked and in its place, or `R`
 *
 * A receiver that has a part of a file, or all of it, and is asked to resume, says how many bytes of it:
 *
 * - receiver: `A` and their number, 8 bytes, big-endian
 * - sender: `P` and the SHA-256 of so many bytes of the file, or `P` alone if it does not have so many
 * - receiver: `A` and the number of bytes from which on the file is to come: the same if the SHA-256 is that of its part,
 *   otherwise 0; or `K` if it has the whole file; or `R`
 *
 * Of a folder, before what is in it, and again after that with its time:
 *
 * - sender: `M` and `{"name":…,"mode":…,"modified":…}`; all but the name may be absent
 * - receiver: `K` when there is such a folder, or `R`
 *
 * The sender ends its side after the last file.
 */
export type Letter = 'F' | 'A' | 'R' | 'P' | 'D' | 'H' | 'K' | 'M';

/** The announcement of a folder. */
export interface FolderHeader {
  /** With `/` between the folders on the way to it. */
  readonly name: string;
  /** Modification time, in milliseconds since 1970. */
  readonly modified?: number | undefined;
  /** Its permission bits. */
  readonly mode?: number | undefined;
}

/** The announcement of a file; its name has `/` between folders and file if folders are sent. */
export interface FileHeader extends FolderHeader {
  /** In bytes; `null` if it is not known before the end. */
  readonly size: number | null;
  /** Where it is one of several whose sizes are known. */
  readonly batch?: Batch | undefined;
  /** Whether a broken transfer of it is to be continued. */
  readonly resume?: boolean | undefined;
}

/** The files of one command. */
export interface Batch {
  /** The number of this one, from 1 on. */
  readonly file: number;
  readonly files: number;
  /** The size of all of them. */
  readonly bytes: number;
}

/** The number of bytes of a file in one message. */
export const PIECE: number = 256 * 1024;

/** A message: a letter and a body. */
export function encodeMessage(letter: Letter, body: Uint8Array | string = ''): Uint8Array {
  return Buffer.concat([Buffer.from(letter), typeof body === 'string' ? Buffer.from(body) : body]);
}

/** The header of a folder as a message. */
export function encodeFolder(header: FolderHeader): Uint8Array {
  return encodeMessage('M', JSON.stringify(header));
}

/** The header of a file as a message. */
export function encodeHeader(header: FileHeader): Uint8Array {
  return encodeMessage('F', JSON.stringify(header));
}

/** A number of bytes of a file as a message says it. */
export function encodeCount(count: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(count));
  return bytes;
}

/** The number that a message says; 0 if it says none. */
export function decodeCount(body: Uint8Array): number {
  if (body.length === 0) return 0;
  const count =
    body.length === 8 ? Number(new DataView(body.buffer, body.byteOffset).getBigUint64(0)) : Number.NaN;
  if (Number.isSafeInteger(count)) return count;
  throw new CommandError(exitCodes.damaged, 'the peer says where to resume in a way that is not understood');
}

/** The letter and body of a message. Throws if the peer has ended instead. */
export function decodeMessage(message: Uint8Array | null): { letter: string; body: Uint8Array } {
  if (message === null)
    throw new CommandError(exitCodes.damaged, 'the peer ended in the middle of the transfer');
  return { letter: String.fromCharCode(message[0] ?? 0), body: message.subarray(1) };
}

/** Throws unless the peer sent the expected letter. */
export function checkLetter(letter: string, expected: Letter): void {
  if (letter === expected) return;
  throw new CommandError(
    exitCodes.damaged,
    `the peer sent ${quote(letter)} where ${expected} belongs: is it secure-sockets send or receive?`,
  );
}

/** The header of a file. Its name is as the sender wrote it: it must be checked before use. */
export function decodeHeader(body: Uint8Array): FileHeader {
  const header = parseJson(body);
  if (typeof header === 'object' && header !== null && 'name' in header && 'size' in header) {
    const { name, size } = header;
    if (typeof name === 'string' && (size === null || isNatural(size)))
      return {
        name,
        size,
        modified: timeIn(header),
        mode: permissions(header),
        batch: batchIn(header),
        resume: 'resume' in header && header.resume === true,
      };
  }
  throw new CommandError(exitCodes.damaged, 'the peer announced a file in a way that is not understood');
}

/** The header of a folder, likewise. */
export function decodeFolder(body: Uint8Array): FolderHeader {
  const header = parseJson(body);
  if (typeof header === 'object' && header !== null && 'name' in header && typeof header.name === 'string')
    return { name: header.name, modified: timeIn(header), mode: permissions(header) };
  throw new CommandError(exitCodes.damaged, 'the peer announced a folder in a way that is not understood');
}

/** What a `Date` can be; before 1970 it is negative. */
const MAX_TIME = 8.64e15;

function timeIn(header: object): number | undefined {
  const value = 'modified' in header ? header.modified : undefined;
  return Number.isSafeInteger(value) && Math.abs(value as number) <= MAX_TIME ? (value as number) : undefined;
}

function isNatural(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function natural(header: object, name: string): number | undefined {
  const value = (header as Record<string, unknown>)[name];
  return isNatural(value) ? value : undefined;
}

/** It is for people to read: what cannot be is left out. */
function batchIn(header: object): Batch | undefined {
  if (!('batch' in header) || typeof header.batch !== 'object' || header.batch === null) return undefined;
  const { batch } = header;
  const [file, files, bytes] = [natural(batch, 'file'), natural(batch, 'files'), natural(batch, 'bytes')];
  if (file === undefined || files === undefined || bytes === undefined) return undefined;
  return { file, files, bytes };
}

/** Without the bits that would make it run as another user. */
function permissions(header: object): number | undefined {
  const mode = natural(header, 'mode');
  return mode === undefined ? undefined : mode & 0o777;
}

/** What is wrong with a name for a file in the output folder; `undefined` if it can be used. */
export function problemWithName(name: string): string | undefined {
  if (name === '' || Buffer.byteLength(name) > 255) return 'a name has 1 to 255 bytes';
  if (/[/\\]/.test(name)) return 'a name must not contain / or \\';
  if (name.startsWith('.')) return 'a name must not begin with a dot';
  if (/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(name)) return 'a name must not contain control characters';
  if (/[<>:"|?*]|[. ]$/.test(name)) return 'a name must not contain < > : " | ? * nor end in a dot or space';
  if (/^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i.test(name)) return 'that name belongs to a device on Windows';
  return undefined;
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
}
