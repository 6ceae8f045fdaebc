import type { Connection } from '../connection/connection.js';
import { SecureSocketError } from '../errors.js';
import type { PortableAuthorizedKeys } from '../trust/authorized-keys.js';

/** The CLOSE code of a refusal. */
const UNAUTHORIZED = 2;

/** Milliseconds. */
const GRACE = 1000;

/**
 * Ends the connections of clients whose key is let in no longer. An editor may empty a file before it writes it, which
 * must not end all connections: a key has to be missing twice, with a delay in between.
 *
 * The list may change between the question in the handshake and the call of `add`: a change tells nothing of a connection
 * that is not open yet, so `add` looks once more.
 */
export class Revocation {
  readonly #keys: PortableAuthorizedKeys;
  readonly #open = new Map<Connection, string>();
  /** Connections whose key was missing at the first look. */
  readonly #suspects = new Set<Connection>();
  readonly #unwatch: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(keys: PortableAuthorizedKeys) {
    this.#keys = keys;
    this.#unwatch = keys.watch(() => this.#schedule());
  }

  /** A client with this key is connected. The list may have changed since it was admitted. */
  add(connection: Connection, fingerprint: string): void {
    this.#open.set(connection, fingerprint);
    if (!this.#keys.has(fingerprint)) this.#schedule();
  }

  /** A connection is over. */
  delete(connection: Connection): void {
    this.#open.delete(connection);
    this.#suspects.delete(connection);
  }

  /** From now on nothing is ended. */
  stop(): void {
    this.#unwatch();
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    for (const [connection, fingerprint] of this.#open)
      if (!this.#keys.has(fingerprint)) this.#suspects.add(connection);
    if (this.#suspects.size === 0 || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => void this.#endRevoked(), GRACE);
    if (typeof this.#timer === 'object') this.#timer.unref?.();
  }

  async #endRevoked(): Promise<void> {
    this.#timer = undefined;
    const suspects = [...this.#suspects];
    this.#suspects.clear();
    // the list that is in use is at hand whatever this look finds
    await this.#keys.list().catch(() => {});
    for (const connection of suspects) {
      const fingerprint = this.#open.get(connection);
      if (fingerprint === undefined || this.#keys.has(fingerprint)) continue;
      const text = `the key ${fingerprint} of this client is no longer among the authorised ones`;
      connection.abandon(new SecureSocketError('UNAUTHORIZED_CLIENT', text, { fingerprint }), UNAUTHORIZED);
    }
  }
}
