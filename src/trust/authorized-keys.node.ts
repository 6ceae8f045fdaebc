import type { BigIntStats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { readArguments } from '../arguments.js';
import { defaultBackend } from '../defaults.node.js';
import { explainFile, type FileOption, pathOf } from '../files.node.js';
import {
  type AuthorizedKeysOptions,
  authorizedKeysRules,
  PortableAuthorizedKeys,
  type WatchedLines,
} from './authorized-keys.js';
import { FileLines } from './file-lines.node.js';

/** Where keys are: fingerprints as text, or a file of them as `{ path }` or `file:` URL. */
export type AuthorizedKeysSource = string | readonly string[] | FileOption | URL;

/**
 * The clients that a server lets in: a list of lines, or a file of them. In each line there is a key, as fingerprint or as
 * base64 of its SPKI, and perhaps a name; `#` starts a comment.
 *
 * A file is read again when it has changed. If it is damaged or missing then, the last good list stays in use, and what is
 * wrong is reported, with the file and the line, each time it changes.
 */
export class AuthorizedKeys extends PortableAuthorizedKeys {
  /** Throws BAD_OPTION for a line of a list that cannot be read. A file is read when it is first needed. */
  constructor(source: AuthorizedKeysSource, options: AuthorizedKeysOptions = {}) {
    const { onError = warn } = readArguments(options, authorizedKeysRules, 'AuthorizedKeys');
    const isList = typeof source === 'string' || Array.isArray(source);
    const lines = isList ? [source].flat() : new StampedLines(pathOf(source as FileOption | URL));
    super(lines, defaultBackend, onError);
  }
}

function warn(error: Error): void {
  process.emitWarning(`the authorised keys stay as they were: ${error.message}`, {
    type: 'SecurityWarning',
    code: 'SECURE_SOCKETS_AUTHORIZED_KEYS',
  });
}

/** A file whose stamp shows whether it has changed. What a FIFO or a device gave stays what it is. */
class StampedLines extends FileLines implements WatchedLines {
  version(): Promise<string> {
    return explain('read', this.#stamp());
  }

  async #stamp(): Promise<string> {
    return this.isReadOnce ? '' : stampOf(await stat(this.name, { bigint: true }));
  }

  async readVersion(): Promise<Version> {
    const { text, stats } = await explain('read', this.readFile());
    if (this.isReadOnce || stats === undefined) return { text, version: '', isSettled: true };
    return { text, version: stampOf(stats), isSettled: isSettled(stats) };
  }

  override read(): Promise<string> {
    return explain('read', super.read());
  }

  override append(line: string): Promise<void> {
    return explain('added to', super.append(line));
  }

  override removeLines(pick: (text: string) => ReadonlySet<number>): Promise<number> {
    return explain('changed', super.removeLines(pick));
  }
}

type Version = Awaited<ReturnType<WatchedLines['readVersion']>>;

function explain<Result>(verb: string, use: Promise<Result>): Promise<Result> {
  const remedy = ': name a file in authorizedKeys; an empty one lets in no client';
  return explainFile(use, 'BAD_OPTION', `the authorised keys cannot be ${verb}`, remedy);
}

/** File systems stamp with up to two seconds' precision: a second change within them could go unnoticed. */
const STAMP_PRECISION_MS = 2000n;

function isSettled({ mtimeMs, ctimeMs }: BigIntStats): boolean {
  const latest = mtimeMs > ctimeMs ? mtimeMs : ctimeMs;
  return BigInt(Date.now()) - latest > STAMP_PRECISION_MS;
}

function stampOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
}
