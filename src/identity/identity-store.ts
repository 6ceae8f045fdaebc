import { type ArgumentRules, readArguments, text } from '../arguments.js';
import { inTime } from '../connection/in-time.js';
import { badArgument, badOption, kindOf, quote, reasonOf, SecureSocketError } from '../errors.js';
import type { PortableIdentity } from './identity.js';
import type { WebKeyPair } from './key.js';
import type { KeyPairOptions } from './web-key.js';

/** Where a store keeps its identities. */
export interface IdentityStoreOptions {
  /** The name of the database. Default `'secure-sockets'`. */
  readonly database?: string | undefined;
  /** The `IDBFactory` that has it. Default: the page's or worker's own `indexedDB`. */
  readonly indexedDB?: object | undefined;
}

const rules: ArgumentRules<IdentityStoreOptions> = {
  database: text,
  indexedDB: { wanted: 'an IDBFactory', accepts: (value) => typeof value === 'object' && value !== null },
};

/**
 * Identities whose keys the platform keeps, by name, in IndexedDB: a page that comes back is who it was, and no script can
 * take its key away.
 */
export class PortableIdentityStore<Kept extends PortableIdentity> {
  readonly #revive: (pair: WebKeyPair, options: KeyPairOptions) => Promise<Kept>;
  readonly #database: string;
  readonly #factory: Factory;

  /** Throws BAD_OPTION where there is no IndexedDB. */
  constructor(
    revive: (pair: WebKeyPair, options: KeyPairOptions) => Promise<Kept>,
    options: IdentityStoreOptions = {},
  ) {
    const { database = 'secure-sockets', indexedDB = own() } = readArguments(options, rules, 'IdentityStore');
    if (indexedDB === undefined || !('open' in indexedDB))
      throw badOption('there is no IndexedDB here: give { indexedDB }');
    this.#revive = revive;
    this.#database = database;
    this.#factory = indexedDB as Factory;
  }

  /** The identity of this name; `null` if there is none. */
  async load(name: string): Promise<Kept | null> {
    checkName(name);
    const found = await this.#with('readonly', (store) => store.get(name));
    if (found === undefined) return null;
    const { keyPair, role } = Object(found) as Partial<Saved>;
    return this.#revive(keyPair as WebKeyPair, { role: role as Saved['role'] });
  }

  /** Saves an identity, unless there is one of this name: that is BAD_IDENTITY. Its key must be the platform's. */
  async save(name: string, identity: PortableIdentity): Promise<void> {
    checkName(name);
    if (!(await this.#add(name, identity)))
      throw new SecureSocketError('BAD_IDENTITY', `there is an identity ${quote(name)}: remove it first`);
  }

  /** The identity of this name, or the one that `make` makes, which is saved. Tabs that do so at once get the same. */
  async obtain(name: string, make: () => Promise<Kept>): Promise<Kept> {
    const found = await this.load(name);
    if (found !== null) return found;
    const made = await make();
    if (await this.#add(name, made)) return made;
    return (await this.load(name)) ?? made;
  }

  /** Removes an identity, and with it its key, for ever. */
  async remove(name: string): Promise<void> {
    checkName(name);
    await this.#with('readwrite', (store) => store.delete(name));
  }

  async #add(name: string, identity: PortableIdentity): Promise<boolean> {
    const keyPair = identity?.keyPair;
    if (keyPair === undefined)
      throw badArgument(
        `only identities of generate({ extractable: false }) and fromKeyPair() can be kept here, not ${kindOf(identity)}`,
      );
    try {
      await this.#with('readwrite', (store) => store.add({ keyPair, role: identity.role }, name));
      return true;
    } catch (error) {
      const { cause } = Object(error) as Error;
      if ((cause as Error | null | undefined)?.name === 'ConstraintError') return false;
      throw error;
    }
  }

  async #with(mode: 'readonly' | 'readwrite', use: (store: ObjectStore) => Request): Promise<unknown> {
    return inTime(this.#run(mode, use), ANSWER_TIMEOUT, () => this.#late());
  }

  async #run(mode: 'readonly' | 'readwrite', use: (store: ObjectStore) => Request): Promise<unknown> {
    try {
      const request = this.#factory.open(this.#database, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE);
      return await resultIn((await resultOf(request)) as Database, mode, use);
    } catch (cause) {
      const text = `the database ${quote(this.#database)} cannot be used: ${reasonOf(cause)}`;
      throw new SecureSocketError('BAD_IDENTITY', text, { cause });
    }
  }

  #late(): Error {
    const text = `the database ${quote(this.#database)} gave no answer within ${ANSWER_TIMEOUT} ms`;
    return new SecureSocketError('BAD_IDENTITY', text);
  }
}

/** Milliseconds. A database can wait for another page that has it open, for ever. */
const ANSWER_TIMEOUT = 10_000;

const STORE = 'identities';

interface Saved {
  readonly keyPair: WebKeyPair;
  readonly role: 'server' | 'client';
}

/** As much of IndexedDB as is used here. */
interface Request {
  readonly result: unknown;
  readonly error: unknown;
  onsuccess: (() => void) | null;
  onerror: (() => void) | null;
}

interface ObjectStore {
  get(key: string): Request;
  add(value: unknown, key: string): Request;
  delete(key: string): Request;
}

interface Database {
  createObjectStore(name: string): unknown;
  transaction(name: string, mode: string): Transaction;
  close(): void;
}

interface Transaction {
  readonly error: unknown;
  oncomplete: (() => void) | null;
  onabort: (() => void) | null;
  objectStore(name: string): ObjectStore;
}

interface Factory {
  open(
    name: string,
    version: number,
  ): Request & { readonly result: Database; onupgradeneeded: (() => void) | null };
}

/** What a request gives. Before the database is closed, whatever comes of it. */
async function resultIn(
  database: Database,
  mode: 'readonly' | 'readwrite',
  use: (store: ObjectStore) => Request,
): Promise<unknown> {
  try {
    const transaction = database.transaction(STORE, mode);
    const request = resultOf(use(transaction.objectStore(STORE)));
    if (mode === 'readonly') return await request;
    const [result] = await Promise.all([request, completionOf(transaction)]);
    return result;
  } finally {
    database.close();
  }
}

/** A request that has succeeded is undone if its transaction is aborted after it, as where there is no room. */
function completionOf(transaction: Transaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}

function resultOf(request: Request): Promise<unknown> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function own(): object | undefined {
  try {
    return (globalThis as { readonly indexedDB?: object }).indexedDB;
  } catch {
    // a frame in a sandbox is denied even this
    return undefined;
  }
}

function checkName(name: unknown): void {
  if (!text.accepts(name)) throw badArgument(`the name of an identity must be text, not ${kindOf(name)}`);
}
