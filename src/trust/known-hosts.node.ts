import { randomUUID } from 'node:crypto';
import type { Stats } from 'node:fs';
import { link, mkdir, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseFingerprint } from '../core/encodings/fingerprint.js';
import { SecureSocketError } from '../errors.js';

/** One line of a known-hosts file. */
export interface KnownHost {
  /** In lower case, or `unix:PATH`. */
  readonly host: string;
  /** 0 for a Unix domain socket. */
  readonly port: number;
  readonly fingerprint: string;
  readonly comment?: string;
  /** Counted from 1. */
  readonly line: number;
}

/**
 * A file of servers and the keys they had (docs/protocol.md, E4), with lines `host port SHA256:... [comment]`. White space, `%` and
 * `#` in the path of a Unix domain socket stand there percent-encoded. Other processes may use the file as well.
 */
export class KnownHosts {
  readonly path: string;

  /** A file that is not there yet is an empty one. */
  constructor(path: string) {
    this.path = path;
  }

  /**
   * Whether the file has this server with this key. If it has the server with other keys only, that is
   * UNTRUSTED_SERVER. A line that cannot be read is BAD_OPTION, since it could be the server's.
   */
  async check(host: string, port: number, fingerprint: string): Promise<'known' | 'unknown'> {
    const entries = parseFile(await readIfThere(this.path), this.path);
    return judge(entries, nameOf(host, port), parseFingerprint(fingerprint), this.path);
  }

  /** Adds a server unless the file has it with this key; one that it has with other keys is UNTRUSTED_SERVER. */
  async add(host: string, port: number, fingerprint: string): Promise<void> {
    const server = nameOf(host, port);
    const key = parseFingerprint(fingerprint);
    await this.#change((text) => {
      if (judge(parseFile(text, this.path), server, key, this.path) === 'known') return text;
      const separator = text === '' || text.endsWith('\n') ? '' : '\n';
      return `${text}${separator}${encodeHost(server.host)} ${server.port} ${key}\n`;
    });
  }

  /** All entries, in the file's order. */
  async list(): Promise<KnownHost[]> {
    return parseFile(await readIfThere(this.path), this.path);
  }

  /** Removes a server, or one of its keys. Returns how many lines that were. */
  async remove(host: string, port: number, fingerprint?: string): Promise<number> {
    const server = nameOf(host, port);
    const key = fingerprint === undefined ? undefined : parseFingerprint(fingerprint);
    let removed = 0;
    await this.#change((text) => {
      const gone = new Set(
        parseFile(text, this.path)
          .filter((entry) => isOf(entry, server) && (key === undefined || entry.fingerprint === key))
          .map(({ line }) => line),
      );
      removed = gone.size;
      return text
        .split(/(?<=\n)/)
        .filter((_, index) => !gone.has(index + 1))
        .join('');
    });
    return removed;
  }

  /** Reads, changes and replaces the file while no other process of this library does. */
  async #change(edit: (text: string) => string): Promise<void> {
    await mkdir(dirname(this.path), { recursive: true, mode: 0o700 });
    const target = await resolved(this.path);
    const lock = await Lock.take(`${target}.lock`);
    try {
      const text = await readIfThere(target);
      const edited = edit(text);
      if (edited !== text) await replaceFile(target, edited, lock);
    } finally {
      await lock.release();
    }
  }
}

type Server = Pick<KnownHost, 'host' | 'port'>;

function nameOf(host: string, port: number): Server {
  const isUnix = typeof host === 'string' && host.startsWith('unix:');
  const pattern = isUnix ? /^unix:./s : /^[^\s\p{Cc}#][^\s\p{Cc}]*$/u;
  if (typeof host !== 'string' || !pattern.test(host)) {
    throw new SecureSocketError('BAD_OPTION', `not a host: ${JSON.stringify(host)}`);
  }
  if (!Number.isInteger(port) || port < 0 || port > (isUnix ? 0 : 65535)) {
    const expected = isUnix ? '0' : '0 to 65535';
    throw new SecureSocketError('BAD_OPTION', `not a port of ${host}: ${port}; expected ${expected}`);
  }
  return { host: isUnix ? host : host.toLowerCase(), port };
}

function isOf(entry: KnownHost, { host, port }: Server): boolean {
  return entry.host === host && entry.port === port;
}

function judge(
  entries: readonly KnownHost[],
  server: Server,
  fingerprint: string,
  path: string,
): 'known' | 'unknown' {
  const candidates = entries.filter((entry) => isOf(entry, server));
  if (candidates.length === 0) return 'unknown';
  if (candidates.some((entry) => entry.fingerprint === fingerprint)) return 'known';
  const known = candidates.map((entry) => `${entry.fingerprint} (${path}:${entry.line})`).join(' or ');
  throw new SecureSocketError(
    'UNTRUSTED_SERVER',
    `the key of ${server.host} port ${server.port} is ${fingerprint}, but known is ${known}: ` +
      'someone may be in between; if the key was changed on purpose, remove that line',
    { fingerprint },
  );
}

function parseFile(text: string, path: string): KnownHost[] {
  return text.split('\n').flatMap((line, index) => parseLine(line.trim(), index + 1, path) ?? []);
}

function parseLine(text: string, line: number, path: string): KnownHost | undefined {
  if (text === '' || text.startsWith('#')) return undefined;
  const [host = '', port = '', fingerprint = '', ...words] = text.split(/\s+/);
  try {
    if (!/^\d{1,5}$/.test(port)) {
      throw new SecureSocketError(
        'BAD_OPTION',
        `not a port: ${JSON.stringify(port)}; expected: host port SHA256:...`,
      );
    }
    const entry = {
      ...nameOf(decodeHost(host), Number(port)),
      fingerprint: parseFingerprint(fingerprint),
      line,
    };
    return words.length === 0 ? entry : { ...entry, comment: words.join(' ') };
  } catch (error) {
    if (!(error instanceof SecureSocketError)) throw error;
    throw new SecureSocketError('BAD_OPTION', `${path}:${line}: ${error.message}`, { cause: error });
  }
}

function encodeHost(host: string): string {
  return host.startsWith('unix:') ? host.replace(/[\s\p{Cc}%#]/gu, encodeURIComponent) : host;
}

function decodeHost(text: string): string {
  if (!text.startsWith('unix:')) return text;
  try {
    return decodeURIComponent(text);
  } catch (error) {
    throw new SecureSocketError('BAD_OPTION', `not percent-encoded: ${JSON.stringify(text)}`, {
      cause: error,
    });
  }
}

async function readIfThere(path: string): Promise<string> {
  return (await ifThere(readFile(path, 'utf8'))) ?? '';
}

/** The file itself, if the path is a symbolic link to it: replacing the link would part the two. */
async function resolved(path: string): Promise<string> {
  return (await ifThere(realpath(path))) ?? path;
}

function ifThere<T>(operation: Promise<T>): Promise<T | undefined> {
  return except('ENOENT', operation);
}

function unlessThere<T>(operation: Promise<T>): Promise<T | undefined> {
  return except('EEXIST', operation);
}

async function except<T>(code: string, operation: Promise<T>): Promise<T | undefined> {
  try {
    return await operation;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === code) return undefined;
    throw error;
  }
}

/** Readers see the old file or the new one, never a part of it. */
async function replaceFile(path: string, text: string, lock: Lock): Promise<void> {
  const mode = (await ifThere(stat(path)))?.mode;
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(text);
      if (mode !== undefined) await file.chmod(mode & 0o777);
      await file.sync();
    } finally {
      await file.close();
    }
    await lock.confirm();
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** A lock older than this was left behind by a process that died: none is held for longer than a write takes. */
const STALE_LOCK_MS = 5000;
/** Long enough to outlast a lock that was left behind. */
const LOCK_PATIENCE_MS = 10_000;

/** A file that exists while one process changes another file. */
class Lock {
  readonly #path: string;
  readonly #token: string = randomUUID();

  private constructor(path: string) {
    this.#path = path;
  }

  static async take(path: string): Promise<Lock> {
    const lock = new Lock(path);
    const deadline = Date.now() + LOCK_PATIENCE_MS;
    while (!(await lock.#tryOnce())) {
      if (Date.now() > deadline) {
        throw new SecureSocketError(
          'BUSY',
          `${path} is held by another process: try again, or remove it if there is none`,
        );
      }
      await lock.#breakIfStale();
      await sleep(5 + 20 * Math.random());
    }
    return lock;
  }

  /** Rejects if the lock was taken away, because it was held for too long. */
  async confirm(): Promise<void> {
    if (await this.#isOurs()) return;
    throw new SecureSocketError(
      'BUSY',
      `${this.#path} was taken over by another process, nothing was written: try again`,
    );
  }

  async release(): Promise<void> {
    if (await this.#isOurs()) await rm(this.#path, { force: true });
  }

  async #tryOnce(): Promise<boolean> {
    const file = await unlessThere(open(this.#path, 'wx', 0o600));
    if (file === undefined) return false;
    try {
      await file.writeFile(this.#token);
      return true;
    } catch (error) {
      await rm(this.#path, { force: true });
      throw error;
    } finally {
      await file.close();
    }
  }

  async #isOurs(): Promise<boolean> {
    return (await readIfThere(this.#path)) === this.#token;
  }

  /** Moves a stale lock away. What was moved may be a fresh one by then: that one is put back. */
  async #breakIfStale(): Promise<void> {
    const seen = await ifThere(stat(this.#path));
    if (seen === undefined || !isStale(seen)) return;
    const aside = `${this.#path}.${this.#token}`;
    await ifThere(rename(this.#path, aside));
    const moved = await ifThere(stat(aside));
    if (moved !== undefined && moved.ino !== seen.ino) await unlessThere(link(aside, this.#path));
    await rm(aside, { force: true });
  }
}

function isStale({ mtimeMs }: Stats): boolean {
  return Date.now() - mtimeMs > STALE_LOCK_MS;
}
