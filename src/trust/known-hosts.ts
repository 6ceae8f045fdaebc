import { checkMembers, show } from '../arguments.js';
import { mentionsFingerprint, parseFingerprint } from '../core/encodings/fingerprint.js';
import { canonicalHost } from '../core/encodings/host-name.js';
import { hidesLine, linesOf } from '../core/encodings/text.js';
import { badOption, kindOf, quote, SecureSocketError } from '../errors.js';
import { markKnownHosts } from './known-hosts-mark.js';
import { trustKnownHosts } from './known-hosts-trust.js';
import { type LineStore, linesIn, type TextStore, type WebStorage, webStorageText } from './line-store.js';
import { amongPages } from './page-locks.js';

/** One line of a list of known hosts. */
export interface KnownHost {
  /** The one name of the host, however it is spelled in the list, or `unix:PATH`. */
  readonly host: string;
  /** 0 for a Unix domain socket. */
  readonly port: number;
  /** `SHA256:` and 43 characters of base64. */
  readonly fingerprint: string;
  /** The rest of its line, if there is any. */
  readonly comment?: string;
  /** Counted from 1. */
  readonly line: number;
}

/** What to do with a server that is not known: refuse it, or write it down once it has proven its key. */
export type KnownHostsMode = 'strict' | 'tofu';

/** Where known hosts are kept without a file, and what to do with servers that are not among them. */
export type StoredHosts = (TextStore | StorageOption) & ModeOption;

/** A page's storage. */
export interface StorageOption {
  /** `localStorage`, `sessionStorage`, or what looks like them. */
  readonly storage: WebStorage;
  /** Under which key; default `'secure-sockets.known-hosts'`. */
  readonly key?: string | undefined;
}

/** What to do with servers that are not known. */
export interface ModeOption {
  /** `'strict'` (default) refuses an unknown server, `'tofu'` writes it down once it has proven its key. */
  readonly mode?: KnownHostsMode | undefined;
}

/** What a platform knows about where hosts are kept, and how it spells the path of a Unix domain socket. */
export interface HostsPlace {
  readonly store: LineStore;
  readonly socketPath?: (path: string) => string;
}

/**
 * Servers and the keys they had (docs/protocol.md, E4), in lines `host port SHA256:... [comment]`, wherever a program
 * keeps them. White space, `%` and `#` in the path of a Unix domain socket stand there percent-encoded.
 */
export class PortableKnownHosts {
  /** What a client does with a server that is not known. */
  readonly mode: KnownHostsMode;
  readonly #store: LineStore;
  readonly #socketPath: (path: string) => string;

  /** Throws BAD_OPTION. Nothing is read yet. */
  constructor(source: StoredHosts);
  /** Where a platform knows about other places. */
  constructor(how: ModeOption, place: HostsPlace);
  constructor(source: StoredHosts | ModeOption, place?: HostsPlace) {
    const { store, socketPath = asIs }: HostsPlace = place ?? { store: storeOf(source) };
    this.mode = modeOf(source);
    markKnownHosts(this, (target) => trustKnownHosts(this, target));
    this.#store = store;
    this.#socketPath = socketPath;
  }

  /** Where the hosts are kept: a path, or the name of what keeps them. */
  get name(): string {
    return this.#store.name;
  }

  /** All entries, in their order. */
  async list(): Promise<KnownHost[]> {
    return this.#parse(await this.#store.read());
  }

  /** The entries of one server, however its host is spelled. */
  async find(host: string, port: number): Promise<KnownHost[]> {
    const server = this.#nameOf(host, port);
    return (await this.list()).filter((entry) => isOf(entry, server));
  }

  /**
   * Whether this server is known with this key. If it is known with other keys only, that is UNTRUSTED_SERVER. A line
   * that cannot be read is BAD_OPTION, since it could be the server's.
   */
  async check(host: string, port: number, fingerprint: string): Promise<'known' | 'unknown'> {
    const [server, key] = [this.#nameOf(host, port), parseFingerprint(fingerprint)];
    return this.#judge(await this.list(), server, key);
  }

  /** Adds a server unless it is known with this key; one that is known with other keys only is UNTRUSTED_SERVER. */
  async add(host: string, port: number, fingerprint: string, comment = ''): Promise<void> {
    const [server, key] = [this.#nameOf(host, port), parseFingerprint(fingerprint)];
    const line = `${encodeHost(server.host)} ${server.port} ${key} ${oneLine(comment)}`.trimEnd();
    await this.#store.runExclusive(async () => {
      if (this.#judge(await this.list(), server, key) === 'known') return;
      await this.#store.append(line);
      await this.#yieldToEarlier(server, key);
    });
  }

  /** Removes a server, or one of its keys. Resolves to how many lines that were. */
  async remove(host: string, port: number, fingerprint?: string): Promise<number> {
    const server = this.#nameOf(host, port);
    const key = fingerprint === undefined ? undefined : parseFingerprint(fingerprint);
    return this.#store.runExclusive(() => this.#remove(server, key));
  }

  /**
   * Two processes may meet a server at the same time, with different keys, and both add a line: to look and to add are
   * two steps, and there is no lock over both. So it is decided afterwards. Lines have an order, which is the same for
   * everyone who reads the file: the later one yields, so that only one of the keys stays.
   */
  async #yieldToEarlier(server: Server, key: string): Promise<void> {
    const [earliest] = (await this.list()).filter((entry) => isOf(entry, server));
    if (earliest === undefined || earliest.fingerprint === key) return;
    await this.#remove(server, key);
    this.#judge([earliest], server, key);
  }

  #remove(server: Server, key: string | undefined): Promise<number> {
    return this.#store.removeLines((text) => {
      const gone = this.#parse(text).filter(
        (entry) => isOf(entry, server) && (key === undefined || entry.fingerprint === key),
      );
      return new Set(gone.map(({ line }) => line));
    });
  }

  #judge(entries: readonly KnownHost[], server: Server, fingerprint: string): 'known' | 'unknown' {
    const candidates = entries.filter((entry) => isOf(entry, server));
    if (candidates.length === 0) return 'unknown';
    if (candidates.some((entry) => entry.fingerprint === fingerprint)) return 'known';
    const checkSource = candidates
      .map((entry) => `${entry.fingerprint} (${this.name}:${entry.line})`)
      .join(' or ');
    throw new SecureSocketError(
      'UNTRUSTED_SERVER',
      `the key of ${server.host} port ${server.port} is ${fingerprint}, but known is ${checkSource}: ` +
        'someone may be in between; if the key was changed on purpose, remove that line',
      { fingerprint },
    );
  }

  #parse(text: string): KnownHost[] {
    return linesOf(text).flatMap((line, index) => this.#parseLine(line.trim(), index + 1) ?? []);
  }

  #parseLine(text: string, line: number): KnownHost | undefined {
    try {
      if (hidesLine(text))
        throw badOption(`${quote(text)} has control characters or line separators, which may hide a line`);
      if (text === '' || text.startsWith('#')) return undefined;
      const [host = '', port = '', fingerprint = '', ...words] = text.split(/\s+/);
      const server = this.#nameOf(decodeHost(host), portIn(port));
      const entry = { ...server, fingerprint: parseFingerprint(fingerprint), line };
      return words.length === 0 ? entry : { ...entry, comment: commentIn(words.join(' ')) };
    } catch (error) {
      if (!(error instanceof SecureSocketError)) throw error;
      throw badOption(`${this.name}:${line}: ${error.message}`, error);
    }
  }

  /** One address has one name, or another key could be taken for it under another spelling. */
  #nameOf(host: string, port: number): Server {
    const name = typeof host === 'string' ? canonicalHost(host) : undefined;
    if (name === undefined) throw badOption(`not a host: ${quote(host)}`);
    const isUnix = name.startsWith('unix:');
    if (!Number.isInteger(port) || port < 0 || port > (isUnix ? 0 : 65535)) {
      throw badOption(`not a port of ${host}: ${show(port)}; expected ${isUnix ? '0' : '0 to 65535'}`);
    }
    return { host: isUnix ? `unix:${this.#socketPath(name.slice('unix:'.length))}` : name, port };
  }
}

function asIs(path: string): string {
  return path;
}

function storeOf(source: object): LineStore {
  const given: Partial<TextStore & StorageOption> =
    typeof source === 'object' && source !== null ? source : {};
  const checkSource = (members: string[], store: LineStore): LineStore => {
    checkMembers(given, members, 'knownHosts', badOption);
    return store;
  };
  const { storage, key = 'secure-sockets.known-hosts', load, save } = given;
  if (typeof storage?.getItem === 'function' && typeof storage.setItem === 'function')
    return checkSource(
      ['storage', 'key', 'mode'],
      linesIn(webStorageText(storage, key), key, storage, amongPages(key)),
    );
  if (typeof load === 'function' && typeof save === 'function')
    return checkSource(['load', 'save', 'mode'], linesIn(source as TextStore, 'knownHosts'));
  throw badOption(`known hosts are kept in { load, save } or { storage }, not in ${kindOf(source)}`);
}

function modeOf({ mode = 'strict' }: ModeOption): KnownHostsMode {
  if (mode === 'strict' || mode === 'tofu') return mode;
  throw badOption(`mode is "strict" or "tofu", not ${quote(mode)}`);
}

type Server = Pick<KnownHost, 'host' | 'port'>;

function isOf(entry: KnownHost, { host, port }: Server): boolean {
  return entry.host === host && entry.port === port;
}

function portIn(text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text);
  throw badOption(`not a port: ${quote(text)}; expected: host port SHA256:...`);
}

function oneLine(comment: unknown): string {
  if (typeof comment !== 'string') throw badOption(`a comment must be text, not ${kindOf(comment)}`);
  if (/\p{Cc}/u.test(comment) || hidesLine(comment))
    throw badOption('a comment must not contain control characters or line separators');
  return commentIn(comment.trim());
}

/** Two lines become one where a last line had no end; the second server must not vanish in the comment of the first. */
function commentIn(comment: string): string {
  if (!mentionsFingerprint(comment)) return comment;
  throw badOption(`a comment has no fingerprint: ${quote(comment)}; each server has a line of its own`);
}

function encodeHost(host: string): string {
  return host.startsWith('unix:') ? host.replace(/[\s\p{Cc}%#]/gu, encodeURIComponent) : host;
}

function decodeHost(text: string): string {
  if (!text.startsWith('unix:')) return text;
  try {
    return decodeURIComponent(text);
  } catch (error) {
    throw badOption(`not percent-encoded: ${quote(text)}`, error);
  }
}
