import { createHash, type Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, link, open, rename } from 'node:fs/promises';
import { hasCode } from '../../errors.js';
import { exitCodes } from './failure.js';
import { hashStart } from './file-hash.js';
import type { IncomingPlace } from './incoming-place.js';
import { claimPart, leavePart, newPart, removeOrphans, removePart, restPart } from './parts.js';
import { existingFile, Refusal, store, unstorable } from './refusal.js';
import { type FileHeader, PIECE } from './transfer.js';

/** What a receiver accepts. */
export interface IncomingOptions {
  /** Whether names may have folders in them. */
  readonly recursive: boolean;
  /** Whether files get their modification time and permission bits. */
  readonly preserve: boolean;
  /** Whether the parts of broken transfers are kept, and continued. */
  readonly resume: boolean;
}

const ZEROS = new Uint8Array(PIECE);

/** Milliseconds, well below those after which a part counts as left by its writer. */
const TOUCH_EVERY = 20_000;

/**
 * A file that is being received into the output folder, under a temporary name until it is complete.
 *
 * What stands in the output folder under a file's name is whole and verified, whatever happens to the process, the
 * connection or the disk: content is hashed as it comes and again from the part when a transfer is resumed, the file
 * is synchronised before it gets its name, and it gets it by `link`, which unlike `rename` never replaces a file that
 * someone else has put there meanwhile.
 */
export class IncomingFile {
  readonly #place: IncomingPlace;
  readonly #part: string;
  readonly #header: FileHeader;
  readonly #handle: FileHandle;
  readonly #options: IncomingOptions;
  #hash: Hash = createHash('sha256');
  #received: number;
  #touched = Date.now();
  #sha256 = '';
  #isOpen = true;

  private constructor(
    place: IncomingPlace,
    part: string,
    header: FileHeader,
    handle: FileHandle,
    held: number,
    options: IncomingOptions,
  ) {
    this.#place = place;
    this.#part = part;
    this.#header = header;
    this.#handle = handle;
    this.#received = held;
    this.#options = options;
  }

  /** Takes over a part of a broken transfer if both ends want to resume; begins a new one otherwise. */
  static async create(
    place: IncomingPlace,
    header: FileHeader,
    options: IncomingOptions,
  ): Promise<IncomingFile> {
    // nothing was carried yet
    return store(header.name, IncomingFile.#open(place, header, options), exitCodes.usage);
  }

  static async #open(
    place: IncomingPlace,
    header: FileHeader,
    options: IncomingOptions,
  ): Promise<IncomingFile> {
    const part = options.resume && header.resume ? await claimPart(place) : undefined;
    await removeOrphans(place, options.resume);
    const fresh = constants.O_CREAT | constants.O_EXCL | constants.O_RDWR;
    const old = constants.O_RDWR | (constants.O_NOFOLLOW ?? 0);
    const path = part ?? newPart(place);
    const handle = await open(path, part === undefined ? fresh : old, 0o600).catch((error: unknown) => {
      leavePart(path);
      throw error;
    });
    const { size } = await handle.stat();
    return new IncomingFile(place, path, header, handle, size, options);
  }

  /** In hexadecimal, once verified. */
  get sha256(): string {
    return this.#sha256;
  }

  /** Bytes received, those of broken transfers included. */
  get size(): number {
    return this.#received;
  }

  /** Reads what broken transfers have left. Resolves to its SHA-256; what comes next is hashed after it. */
  async hashPart(): Promise<Uint8Array> {
    this.#hash = await store(this.#header.name, hashStart(this.#handle, this.#received));
    return this.#hash.copy().digest();
  }

  /** Forgets what broken transfers have left. */
  async restart(): Promise<void> {
    await store(this.#header.name, this.#handle.truncate(0));
    this.#hash = createHash('sha256');
    this.#received = 0;
  }

  /** The next bytes. Whole pieces of zeros become holes, as in the sparse file that they may come from. */
  async write(bytes: Uint8Array): Promise<void> {
    const { name, size } = this.#header;
    const from = this.#received;
    this.#received += bytes.length;
    if (size !== null && this.#received > size)
      throw new Refusal(exitCodes.damaged, name, `more came than the ${size} bytes announced`);
    this.#hash.update(bytes);
    if (bytes.length === PIECE && Buffer.compare(bytes, ZEROS) === 0) return this.#touch();
    for (let at = 0; at < bytes.length; ) {
      const writing = this.#handle.write(bytes, at, bytes.length - at, from + at);
      at += (await store(name, writing)).bytesWritten;
    }
  }

  /** A hole changes nothing in the file, whose time tells others that it is being written to. */
  async #touch(): Promise<void> {
    const now = Date.now();
    if (now - this.#touched < TOUCH_EVERY) return;
    this.#touched = now;
    const time = new Date(now);
    await store(this.#header.name, this.#handle.utimes(time, time));
  }

  /** Throws a {@link Refusal} unless the whole file has arrived and has this SHA-256. */
  async verify(sha256: Uint8Array): Promise<void> {
    const { name, size } = this.#header;
    if (size !== null && this.#received !== size)
      throw new Refusal(exitCodes.damaged, name, `${this.#received} of ${size} bytes came`);
    const digest = this.#hash.digest();
    if (!digest.equals(sha256)) throw new Refusal(exitCodes.damaged, name, 'its SHA-256 is another');
    this.#sha256 = digest.toString('hex');
  }

  /**
   * Moves the file to its final name and returns its path. Throws a {@link Refusal} if a file of that name exists by
   * now.
   */
  async finish(): Promise<string> {
    const { name } = this.#header;
    // after a hole at its end it is shorter
    await store(name, this.#handle.truncate(this.#received));
    if (this.#options.preserve) await store(name, this.#preserve());
    await store(name, this.#handle.sync());
    await this.#close();
    await this.#takeName();
    await removePart(this.#part);
    // what other senders have left of it can no longer become this file
    if (this.#options.resume) await removeOrphans(this.#place);
    return this.#place.path;
  }

  /** Ends it: what is left of its part is removed, or kept to be resumed. */
  async end(keeps: boolean): Promise<void> {
    await this.#close();
    if (keeps && this.#options.resume && this.#received > 0) await restPart(this.#part, this.#place);
    else await removePart(this.#part);
  }

  async #preserve(): Promise<void> {
    const { mode, modified } = this.#header;
    if (mode !== undefined) await this.#handle.chmod(mode);
    // a Date, since Node takes a negative number for the time that it is
    if (modified !== undefined) await this.#handle.utimes(new Date(modified), new Date(modified));
  }

  async #close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#handle.close();
  }

  /** `link` fails where `rename` would overwrite. */
  async #takeName(): Promise<void> {
    const { name } = this.#header;
    try {
      await link(this.#part, this.#place.path);
    } catch (error) {
      if (hasCode(error, 'EEXIST')) throw existingFile(name);
      if (!hasCode(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'))
        throw unstorable(name, error);
      await this.#claimName();
    }
  }

  /** On a file system without links an empty file reserves the name first. */
  async #claimName(): Promise<void> {
    const { name } = this.#header;
    const claim = await open(this.#place.path, 'wx', 0o600).catch((error) => {
      throw hasCode(error, 'EEXIST') ? existingFile(name) : unstorable(name, error);
    });
    await claim.close();
    await store(name, rename(this.#part, this.#place.path));
  }
}
