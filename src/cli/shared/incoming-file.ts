import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, link, lstat, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CommandError, exitCodes } from './failure.js';
import { partName, removeOrphans } from './parts.js';
import { type FileHeader, printable, problemWithName } from './transfer.js';

/** A file that is not taken, and why; the sender is told. */
export class Refusal extends CommandError {
  readonly reason: string;

  constructor(exitCode: number, name: string, reason: string, cause?: unknown) {
    super(exitCode, `refused ${printable(name)}: ${reason}`, [], cause);
    this.reason = reason;
  }
}

/** What a receiver takes. */
export interface IncomingOptions {
  /** Whether names may have folders in them. */
  readonly recursive: boolean;
  /** Whether files get the time of their last change and their permission bits. */
  readonly preserve: boolean;
}

/** A file on its way into the output folder, under another name until it is whole. */
export class IncomingFile {
  readonly #path: string;
  readonly #temporary: string;
  readonly #header: FileHeader;
  readonly #handle: FileHandle;
  readonly #preserve: boolean;
  readonly #hash: Hash = createHash('sha256');
  #received = 0;
  #sha256 = '';
  #isOpen = true;

  private constructor(
    path: string,
    temporary: string,
    header: FileHeader,
    handle: FileHandle,
    preserve: boolean,
  ) {
    this.#path = path;
    this.#temporary = temporary;
    this.#header = header;
    this.#handle = handle;
    this.#preserve = preserve;
  }

  /** Makes the temporary file. Throws a {@link Refusal} if the name is not a plain one, or taken. */
  static async create(folder: string, header: FileHeader, options: IncomingOptions): Promise<IncomingFile> {
    const { name } = header;
    const parts = options.recursive ? name.split('/') : [name];
    const problem = parts.map(problemWithName).find((one) => one !== undefined);
    if (problem !== undefined) throw new Refusal(exitCodes.usage, name, problem);
    const path = join(folder, ...parts);
    await makeFolders(folder, parts.slice(0, -1), name);
    if (await exists(path)) throw existingFile(name);
    await removeOrphans(dirname(path), name);
    const temporary = join(dirname(path), partName(name));
    const handle = await open(temporary, 'wx', 0o600).catch((error) => {
      // nothing was carried yet
      throw unstorable(name, error, exitCodes.usage);
    });
    return new IncomingFile(path, temporary, header, handle, options.preserve);
  }

  /** In hexadecimal, once it has been verified. */
  get sha256(): string {
    return this.#sha256;
  }

  /** The next bytes. */
  async write(bytes: Uint8Array): Promise<void> {
    const { name, size } = this.#header;
    this.#received += bytes.length;
    if (size !== null && this.#received > size)
      throw new Refusal(exitCodes.damaged, name, `more came than the ${size} bytes announced`);
    this.#hash.update(bytes);
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await store(name, this.#handle.write(bytes, at));
      at += bytesWritten;
    }
  }

  /** Throws a {@link Refusal} unless all has come and its SHA-256 is this. */
  async verify(sha256: Uint8Array): Promise<void> {
    const { name, size } = this.#header;
    if (size !== null && this.#received !== size)
      throw new Refusal(exitCodes.damaged, name, `${this.#received} of ${size} bytes came`);
    const digest = this.#hash.digest();
    if (!digest.equals(sha256)) throw new Refusal(exitCodes.damaged, name, 'its SHA-256 is another');
    this.#sha256 = digest.toString('hex');
  }

  /** Puts the file in its place and returns its path. Throws a {@link Refusal} if the name has been taken meanwhile. */
  async finish(): Promise<string> {
    const { name } = this.#header;
    if (this.#preserve) await store(name, this.#keep());
    await store(name, this.#handle.sync());
    await this.#close();
    await this.#takeName();
    return this.#path;
  }

  /** Removes what is left of the temporary file. */
  async discard(): Promise<void> {
    await this.#close();
    await rm(this.#temporary, { force: true });
  }

  /** Bytes received. */
  get size(): number {
    return this.#received;
  }

  async #keep(): Promise<void> {
    const { mode, modified } = this.#header;
    if (mode !== undefined) await this.#handle.chmod(mode);
    // seconds
    if (modified !== undefined) await this.#handle.utimes(modified / 1000, modified / 1000);
  }

  async #close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#handle.close();
  }

  /** A link fails where a renaming would overwrite. */
  async #takeName(): Promise<void> {
    const { name } = this.#header;
    try {
      await link(this.#temporary, this.#path);
    } catch (error) {
      const code = codeOf(error);
      if (code === 'EEXIST') throw existingFile(name);
      if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(code))
        throw unstorable(name, error);
      await this.#claimName();
    }
  }

  /** On a file system without links the name is taken by an empty file first. */
  async #claimName(): Promise<void> {
    const { name } = this.#header;
    const claim = await open(this.#path, 'wx', 0o600).catch((error) => {
      throw codeOf(error) === 'EEXIST' ? existingFile(name) : unstorable(name, error);
    });
    await claim.close();
    await store(name, rename(this.#temporary, this.#path));
  }
}

async function store<T>(name: string, operation: Promise<T>): Promise<T> {
  try {
    return await operation;
  } catch (error) {
    throw unstorable(name, error);
  }
}

/** Makes the folders that are not there. One that is a link would lead elsewhere. */
async function makeFolders(folder: string, parts: readonly string[], name: string): Promise<void> {
  let path = folder;
  for (const part of parts) {
    path = join(path, part);
    await mkdir(path).catch((error) => {
      if (codeOf(error) !== 'EEXIST') throw unstorable(name, error, exitCodes.usage);
    });
    if (!(await lstat(path)).isDirectory()) throw existingFile(name);
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

function existingFile(name: string): Refusal {
  return new Refusal(exitCodes.usage, name, 'there is a file of that name, which is not overwritten');
}

/** The sender learns the kind of failure, not the path. */
function unstorable(name: string, error: unknown, exitCode: number = exitCodes.damaged): Refusal {
  return new Refusal(exitCode, name, `it cannot be stored (${codeOf(error)})`, error);
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
}
