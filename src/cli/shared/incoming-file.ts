import { createHash, type Hash, randomUUID } from 'node:crypto';
import { type FileHandle, link, lstat, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CommandError, exitCodes } from './failure.js';
import { type FileHeader, printable, problemWithName } from './transfer.js';

/** A file that is not taken, and why; the sender is told. */
export class Refusal extends CommandError {
  readonly reason: string;

  constructor(exitCode: number, name: string, reason: string, cause?: unknown) {
    super(exitCode, `refused ${printable(name)}: ${reason}`, [], cause);
    this.reason = reason;
  }
}

/** A file on its way into the output folder, under another name until it is whole. */
export class IncomingFile {
  readonly #path: string;
  readonly #temporary: string;
  readonly #header: FileHeader;
  readonly #handle: FileHandle;
  readonly #hash: Hash = createHash('sha256');
  #received = 0;
  #sha256 = '';
  #isOpen = true;

  private constructor(path: string, temporary: string, header: FileHeader, handle: FileHandle) {
    this.#path = path;
    this.#temporary = temporary;
    this.#header = header;
    this.#handle = handle;
  }

  /** Makes the temporary file. Throws a {@link Refusal} if the name is not a plain one, or taken. */
  static async create(folder: string, header: FileHeader): Promise<IncomingFile> {
    const { name } = header;
    const problem = problemWithName(name);
    if (problem !== undefined) throw new Refusal(exitCodes.usage, name, problem);
    const path = join(folder, name);
    if (await exists(path)) throw taken(name);
    const temporary = join(folder, `.${randomUUID()}.part`);
    const handle = await open(temporary, 'wx', 0o600).catch((error) => {
      // nothing was carried yet
      throw unstorable(name, error, exitCodes.usage);
    });
    return new IncomingFile(path, temporary, header, handle);
  }

  /** In hexadecimal, once it has been verified. */
  get sha256(): string {
    return this.#sha256;
  }

  /** The next bytes. */
  async write(bytes: Uint8Array): Promise<void> {
    const { name, size } = this.#header;
    this.#received += bytes.length;
    if (this.#received > size)
      throw new Refusal(exitCodes.damaged, name, `more came than the ${size} bytes announced`);
    this.#hash.update(bytes);
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await stored(name, this.#handle.write(bytes, at));
      at += bytesWritten;
    }
  }

  /** Throws a {@link Refusal} unless all has come and its SHA-256 is this. */
  async verify(sha256: Uint8Array): Promise<void> {
    const { name, size } = this.#header;
    if (this.#received !== size)
      throw new Refusal(exitCodes.damaged, name, `${this.#received} of ${size} bytes came`);
    const digest = this.#hash.digest();
    if (!digest.equals(sha256)) throw new Refusal(exitCodes.damaged, name, 'its SHA-256 is another');
    this.#sha256 = digest.toString('hex');
  }

  /** Puts the file in its place and returns its path. Throws a {@link Refusal} if the name has been taken meanwhile. */
  async finish(): Promise<string> {
    const { name } = this.#header;
    await stored(name, this.#handle.sync());
    await this.#close();
    await this.#takeName();
    return this.#path;
  }

  /** Removes what is left of the temporary file. */
  async discard(): Promise<void> {
    await this.#close();
    await rm(this.#temporary, { force: true });
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
      if (code === 'EEXIST') throw taken(name);
      if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(code))
        throw unstorable(name, error);
      await this.#claimName();
    }
  }

  /** On a file system without links the name is taken by an empty file first. */
  async #claimName(): Promise<void> {
    const { name } = this.#header;
    const claim = await open(this.#path, 'wx', 0o600).catch((error) => {
      throw codeOf(error) === 'EEXIST' ? taken(name) : unstorable(name, error);
    });
    await claim.close();
    await stored(name, rename(this.#temporary, this.#path));
  }
}

async function stored<T>(name: string, operation: Promise<T>): Promise<T> {
  try {
    return await operation;
  } catch (error) {
    throw unstorable(name, error);
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

function taken(name: string): Refusal {
  return new Refusal(exitCodes.usage, name, 'there is a file of that name, which is not overwritten');
}

/** The sender learns the kind of failure, not the path. */
function unstorable(name: string, error: unknown, exitCode: number = exitCodes.damaged): Refusal {
  return new Refusal(exitCode, name, `it cannot be stored (${codeOf(error)})`, error);
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
}
