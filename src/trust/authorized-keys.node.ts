import type { BigIntStats } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import type { Backend } from '../backend.js';
import {
  type AuthorizedKey,
  type KeysByFingerprint,
  parseAuthorizedKeys,
  placeInList,
} from './authorized-lines.js';

/**
 * The clients that a server lets in. In a file each line has a key, as fingerprint or as base64 of its SPKI, and
 * perhaps a name; `#` starts a comment. The file is read again when it has changed; while it is missing or broken,
 * nobody is let in.
 */
export class AuthorizedKeys {
  readonly #read: () => Promise<KeysByFingerprint>;

  private constructor(read: () => Promise<KeysByFingerprint>) {
    this.#read = read;
  }

  /** Reads the file at a path, or takes a list of lines such as a file has. BAD_OPTION names the line in error. */
  static async open(
    source: string | readonly string[],
    backend: Pick<Backend, 'sha256'>,
  ): Promise<AuthorizedKeys> {
    const store = new AuthorizedKeys(
      typeof source === 'string' ? fileReader(source, backend) : listReader(source, backend),
    );
    await store.#read();
    return store;
  }

  /** What is known about the key with this fingerprint, `null` if it is not let in. Rejects if the file is broken. */
  async find(fingerprint: string): Promise<AuthorizedKey | null> {
    return (await this.#read()).get(fingerprint) ?? null;
  }
}

function listReader(
  lines: readonly string[],
  backend: Pick<Backend, 'sha256'>,
): () => Promise<KeysByFingerprint> {
  const keys = parseAuthorizedKeys(lines, placeInList, backend);
  return async () => keys;
}

/** Every call looks at the file; only an unchanged one spares reading it. A failed call leaves nothing to fall back on. */
function fileReader(path: string, backend: Pick<Backend, 'sha256'>): () => Promise<KeysByFingerprint> {
  let cache: { stamp: string; keys: KeysByFingerprint } | undefined;
  return async () => {
    const cached = cache;
    if (cached !== undefined && cached.stamp === stampOf(await stat(path, { bigint: true })))
      return cached.keys;
    const { text, stamp } = await readStamped(path);
    const keys = parseAuthorizedKeys(text.split(/\r?\n/), (index) => `${path}:${index + 1}`, backend);
    cache = stamp === undefined ? undefined : { stamp, keys };
    return keys;
  };
}

/** A file's contents, and the stamp that it keeps until it is changed; none if a change might leave it the same. */
async function readStamped(path: string): Promise<{ text: string; stamp: string | undefined }> {
  const file = await open(path, 'r');
  try {
    const stats = await file.stat({ bigint: true });
    const text = await file.readFile('utf8');
    return { text, stamp: isSettled(stats) ? stampOf(stats) : undefined };
  } finally {
    await file.close();
  }
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
