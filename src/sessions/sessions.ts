import { canonicalHost } from '../core/encodings/host-name.js';
import type { HeldTicket, IssuedTicket } from '../core/sealed/resumption.js';
import { giveAccess, markSessions, type SessionName } from './access.js';

/** Maximum number of tickets for a server, and in total. */
const MAX_FOR_A_SERVER = 4;
const MAX_IN_ALL = 1000;
/** Milliseconds after the full handshake at which a ticket expires, whatever its server says (docs/protocol.md, T4). */
const MAX_AGE = 24 * 3_600_000;

interface Entry extends HeldTicket {
  readonly name: string;
  /** When the chain began, and when it ends. */
  readonly since: number;
  readonly until: number;
}

/**
 * Tickets for connecting again to servers that this program has been connected to, in one round trip and without RSA.
 * Give one object to the option `sessions` of every client that may use them. They are kept in memory only, 4 for a
 * server and 1,000 in total, each for one use and at most a day: a ticket that is sent twice would let an observer link
 * the two connections (RFC 8446, appendix C.4).
 */
export class Sessions {
  /** The least recently used first. */
  readonly #entries = new Set<Entry>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  static {
    giveAccess({
      nameOf: (server, identity) => ({ target: targetOf(server), identity }),
      servers: (sessions: Sessions, name) => {
        const found = sessions.#of(keyOf(name)).map(({ peer }) => peer);
        return found.filter(
          ({ fingerprint }, i) => found.findIndex((one) => one.fingerprint === fingerprint) === i,
        );
      },
      take: (sessions: Sessions, name, fingerprint) => {
        const entry = sessions.#of(keyOf(name)).find(({ peer }) => peer.fingerprint === fingerprint);
        if (entry) sessions.#entries.delete(entry);
        return entry;
      },
      keep: (sessions: Sessions, name, ticket, since) => sessions.#keep(keyOf(name), ticket, since),
    });
  }

  constructor() {
    markSessions(this);
  }

  /** How many tickets there are. */
  get size(): number {
    this.#dropExpired();
    return this.#entries.size;
  }

  /** Forgets all tickets. */
  clear(): void {
    for (const entry of this.#entries) this.#drop(entry);
  }

  /** Those that can be used, the last one first. */
  #of(name: string): Entry[] {
    this.#dropExpired();
    return [...this.#entries].filter((entry) => entry.name === name).reverse();
  }

  #keep(name: string, { ticket, psk, peer, seconds }: IssuedTicket, since: number): void {
    const until = Math.min(Date.now() + 1000 * seconds, since + MAX_AGE);
    const entry: Entry = { name, ticket, psk, peer, since, until };
    // a server that is in use goes to the end of the queue, its oldest ticket first
    const same = [...this.#entries].filter(
      (other) => other.name === name && other.peer.fingerprint === peer.fingerprint,
    );
    for (const old of same) this.#entries.delete(old);
    for (const old of [...same, entry]) this.#entries.add(old);
    if (same.length >= MAX_FOR_A_SERVER) this.#drop(same[0] as Entry);
    for (const oldest of this.#entries) {
      if (this.#entries.size <= MAX_IN_ALL) break;
      this.#drop(oldest);
    }
    this.#dropExpired();
  }

  /** Wipes what has expired, now and when the next one will have. */
  #dropExpired(): void {
    const now = Date.now();
    let next = Number.POSITIVE_INFINITY;
    for (const entry of this.#entries) {
      // a clock that was set back makes nothing younger
      if (entry.until <= now || entry.since > now) this.#drop(entry);
      else next = Math.min(next, entry.until);
    }
    clearTimeout(this.#timer);
    if (next === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(() => this.#dropExpired(), next - now);
    this.#timer.unref?.();
  }

  #drop(entry: Entry): void {
    entry.psk.fill(0);
    this.#entries.delete(entry);
  }
}

function keyOf({ target, identity }: SessionName): string {
  return JSON.stringify([target, identity ?? null]);
}

function targetOf(server: { readonly host: string; readonly port: number } | undefined): string {
  if (server === undefined) return '';
  return JSON.stringify([canonicalHost(server.host) ?? server.host, server.port]);
}
