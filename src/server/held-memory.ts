import type { Connection } from '../connection/connection.js';
import { SecureSocketError } from '../errors.js';
import { GOING_AWAY } from './going-away.js';
import { sourceOf } from './handshake-limiter.js';
import { MemoryBudget } from './memory-budget.js';

/** The CLOSE code of a server that must let go of a connection. */
const INTERNAL_ERROR = 5;

/**
 * The memory that a server's connections hold for their peers, and its limit, `maxBuffered`.
 *
 * A connection that is over may still have messages that the program has not read. They stay readable, so they count,
 * for as long as the program can ask for them: until it has dropped the client, which only the garbage collector
 * knows. The limit must not depend on that, so such a connection can be the one that has to give its messages up,
 * too.
 */
export class HeldMemory {
  readonly #limit: number;
  readonly #connections: Iterable<Connection>;
  readonly #onLimit: (connection: Connection) => void;
  readonly #budget: MemoryBudget<Connection>;
  /** Connections that are over while messages of theirs can still be read. */
  readonly #unread = new Set<Connection>();
  /** Found out once: to read an address takes longer than all else here. */
  readonly #sources = new WeakMap<Connection, { readonly source: string | undefined }>();
  readonly #readers = new FinalizationRegistry<Connection>((connection) => this.#drop(connection));

  /** `connections`: those that are not over; `onLimit` is told which one is ended because of the limit. */
  constructor(limit: number, connections: Iterable<Connection>, onLimit: (connection: Connection) => void) {
    this.#limit = limit;
    this.#connections = connections;
    this.#onLimit = onLimit;
    this.#budget = new MemoryBudget(
      limit,
      () => this.#holders(),
      (connection) => this.#sourceOf(connection),
      (connection) => this.#evict(connection),
    );
  }

  /** Bytes held for all of them. */
  get total(): number {
    let total = 0;
    for (const connection of this.#holders()) total += connection.buffered;
    return total;
  }

  /** A connection holds so many bytes more, or less. */
  charge(change: number): void {
    this.#budget.charge(change);
  }

  /** A connection is over; `client` can read what it has left. */
  keepUnread(connection: Connection, client: object): void {
    if (connection.buffered === 0) return;
    this.#unread.add(connection);
    this.#readers.register(client, connection);
  }

  #sourceOf(connection: Connection): string | undefined {
    let found = this.#sources.get(connection);
    if (found === undefined) {
      found = { source: sourceOf(connection.transport.remoteAddress) };
      this.#sources.set(connection, found);
    }
    return found.source;
  }

  *#holders(): Generator<Connection> {
    yield* this.#connections;
    yield* this.#unread;
  }

  #evict(connection: Connection): void {
    this.#onLimit(connection);
    const text = `the server's connections hold more than ${this.#limit} bytes, and this one the most of those of its source, which holds the most`;
    connection.abandon(new SecureSocketError('BUFFER_LIMIT', text), INTERNAL_ERROR);
  }

  /** The messages of this connection can no longer be read by the program. */
  #drop(connection: Connection): void {
    this.#unread.delete(connection);
    connection.abandon(
      new SecureSocketError('CLOSED', 'the client was dropped before these messages were read'),
      GOING_AWAY,
    );
  }
}
