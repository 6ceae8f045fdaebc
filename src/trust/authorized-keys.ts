import { type ArgumentRules, anyText, callback } from '../arguments.js';
import type { Backend } from '../backend.js';
import { callSafely } from '../callbacks.js';
import { parseFingerprint } from '../core/encodings/fingerprint.js';
import { linesOf } from '../core/encodings/text.js';
import { badArgument, badOption, kindOf, quote } from '../errors.js';
import {
  type AuthorizedKey,
  type KeysByFingerprint,
  parseAuthorizedKeys,
  placeInList,
} from './authorized-lines.js';
import { type LineStore, linesIn } from './line-store.js';

/** A file of lines that can tell whether it was changed. */
export interface WatchedLines extends LineStore {
  /** What tells the present content from any other. */
  version(): Promise<string>;
  /** The text and its version. `isSettled`: another text will have another version. */
  readVersion(): Promise<{ readonly text: string; readonly version: string; readonly isSettled: boolean }>;
}

/** What is done when a list that is in use turns out to be damaged or missing. */
export interface AuthorizedKeysOptions {
  /**
   * Told each time the file has become unreadable or its lines wrong, with the file and the line. The last good list
   * goes on to be used. Default: a warning of the process.
   */
  readonly onError?: ((error: Error) => void) | undefined;
}

/** What they are checked by. */
export const authorizedKeysRules: ArgumentRules<AuthorizedKeysOptions> = {
  onError: callback('(error) => void'),
};

/** Milliseconds between two checks of a watched file. */
const INTERVAL = 1000;

/**
 * The clients that a server lets in: everything that can be said without knowing where the lines are kept. In each line
 * there is a key, as fingerprint or as base64 of its SPKI, and perhaps a name; `#` starts a comment.
 *
 * A list that was good once stays in use until there is another good one. A slip in an editor, or a file that is away
 * for a moment while it is replaced, must not lock out all clients; removing a line still takes effect at once.
 */
export class PortableAuthorizedKeys {
  readonly #store: LineStore;
  readonly #file: WatchedLines | undefined;
  readonly #backend: Pick<Backend, 'sha256'>;
  readonly #report: (error: Error) => void;
  readonly #watchers = new Set<() => void>();
  #keys: KeysByFingerprint | undefined;
  /** The version of the file that was read last, good or not. */
  #seen: string | undefined;
  #reported = '';
  #refreshing: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** Throws BAD_OPTION for a line of a list that cannot be read. A file is read when it is first needed. */
  constructor(
    source: readonly string[] | WatchedLines,
    backend: Pick<Backend, 'sha256'>,
    report: (error: Error) => void = () => {},
  ) {
    if (isList(source)) for (const line of source) checkText('key', line);
    this.#backend = backend;
    this.#report = report;
    this.#file = isList(source) ? undefined : source;
    this.#store = isList(source) ? inMemory(source) : source;
    if (isList(source)) this.#keys = this.#parse(source);
  }

  /** All entries, in their order. */
  async list(): Promise<AuthorizedKey[]> {
    return [...(await this.#current()).values()];
  }

  /**
   * What is known about the key with this fingerprint; `null` if it is not let in. A file is looked at each time, and
   * read if it has changed. Rejects while there was no good list yet.
   */
  async check(fingerprint: string): Promise<AuthorizedKey | null> {
    checkText('fingerprint', fingerprint);
    const key = parseFingerprint(fingerprint);
    return (await this.#current()).get(key) ?? null;
  }

  /** Adds a key, as fingerprint or as base64 of its SPKI, unless it is there. */
  async add(key: string, name = ''): Promise<void> {
    checkText('key', key);
    checkText('name', name);
    const line = `${key.trim()} ${name.trim()}`.trim();
    const [added] = this.#parse([line]).values();
    if (added === undefined || /[\r\n]/.test(line)) throw badOption(`not a key: ${quote(key)}`);
    await this.#store.runExclusive(async () => {
      if (!(await this.#readStore()).has(added.fingerprint)) await this.#store.append(line);
    });
    await this.reload();
  }

  /** Removes a key. Resolves to whether it was there. */
  async remove(key: string): Promise<boolean> {
    checkText('key', key);
    const [gone] = this.#parse([key]).keys();
    const removed = await this.#store.runExclusive(() =>
      this.#store.removeLines((text) => {
        const entry = this.#parse(linesOf(text)).get(gone ?? '');
        return new Set(entry === undefined ? [] : [entry.line]);
      }),
    );
    await this.reload();
    return removed > 0;
  }

  /** Reads the list anew. Rejects with what is wrong with it, and keeps the last good one then. */
  async reload(): Promise<void> {
    if (this.#file === undefined) this.#accept(await this.#readStore());
    else await this.#read(this.#file);
  }

  /**
   * Calls `listener` when the list has changed; returns a function that stops this. While watched, a file is checked
   * every second, and its errors are reported even if no key is checked.
   */
  watch(listener: () => void): () => void {
    if (typeof listener !== 'function')
      throw badArgument(`watch() takes a function, not ${kindOf(listener)}`);
    this.#watchers.add(listener);
    if (this.#file !== undefined && this.#timer === undefined) {
      this.#timer = setInterval(() => void this.#refresh().catch(() => {}), INTERVAL);
      // checking a file must not keep the process alive
      if (typeof this.#timer === 'object') this.#timer.unref?.();
    }
    return () => {
      this.#watchers.delete(listener);
      if (this.#watchers.size > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    };
  }

  /** Whether the list that is in use has a key; without a look at the file. */
  has(fingerprint: string): boolean {
    return this.#keys?.has(fingerprint) ?? false;
  }

  async #current(): Promise<KeysByFingerprint> {
    await this.#refresh();
    return this.#keys ?? new Map();
  }

  /** One look at a time: of those who ask while one is under way, all wait for the same next one. */
  #refresh(): Promise<void> {
    if (this.#file === undefined) return Promise.resolve();
    if (this.#refreshing === undefined) {
      this.#refreshing = this.#look(this.#file).finally(() => {
        this.#refreshing = undefined;
      });
      return this.#refreshing;
    }
    this.#next ??= this.#refreshing
      .catch(() => {})
      .then(() => {
        this.#next = undefined;
        return this.#refresh();
      });
    return this.#next;
  }

  async #look(file: WatchedLines): Promise<void> {
    let version = '';
    try {
      version = await file.version();
      if (version !== this.#seen) await this.#read(file);
    } catch (error) {
      if (this.#keys === undefined) throw error;
      this.#reportOnce(error as Error, version);
    }
  }

  async #read(file: WatchedLines): Promise<void> {
    const { text, version, isSettled } = await file.readVersion();
    const hasGood = this.#keys !== undefined;
    // without a valid list the next check has to report the error, too
    this.#seen = isSettled && hasGood ? version : undefined;
    this.#accept(this.#parse(linesOf(text)));
    this.#seen = isSettled ? version : undefined;
    this.#reported = '';
  }

  /** The same file, looked at again, is no news. */
  #reportOnce(error: Error, version: string): void {
    const report = `${version} ${error.message}`;
    if (report === this.#reported) return;
    this.#reported = report;
    callSafely('onError of authorised keys', () => this.#report(error));
  }

  #accept(keys: KeysByFingerprint): void {
    const before = this.#keys;
    this.#keys = keys;
    const isSame = before !== undefined && linesFor(before) === linesFor(keys);
    if (!isSame) for (const listener of this.#watchers) callSafely('watch() of authorised keys', listener);
  }

  async #readStore(): Promise<KeysByFingerprint> {
    return this.#parse(linesOf(await this.#store.read()));
  }

  #parse(lines: readonly string[]): KeysByFingerprint {
    const { name } = this.#store;
    const place = this.#file === undefined ? placeInList : (index: number) => `${name}:${index + 1}`;
    return parseAuthorizedKeys(lines, place, this.#backend);
  }
}

function isList(source: readonly string[] | WatchedLines): source is readonly string[] {
  return Array.isArray(source);
}

function inMemory(lines: readonly string[]): LineStore {
  let text = lines.map((line) => line.trim()).join('\n');
  const save = (changed: string): void => {
    text = changed;
  };
  return linesIn({ load: () => text, save }, 'authorizedKeys');
}

function linesFor(keys: KeysByFingerprint): string {
  return [...keys.values()].map(({ fingerprint, name = '' }) => `${fingerprint} ${name}`).join('\n');
}

function checkText(what: string, value: unknown): void {
  if (!anyText.accepts(value)) throw badArgument(`${what} must be text, not ${kindOf(value)}`);
}
