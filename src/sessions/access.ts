import type { HeldTicket, IssuedTicket } from '../core/sealed/resumption.js';

// Apart from the class: a client without sessions does not load it.

/** Which tickets may be used for a connection. */
export interface SessionName {
  /** The server the client connects to, normalised. */
  readonly target: string;
  /** Fingerprint of the identity that it has to show, if it has one. */
  readonly identity: string | undefined;
}

/** What only this library does with sessions. */
export interface SessionsAccess {
  /** How connections to a server are named; it may have several spellings, or none. */
  nameOf(
    server: { readonly host: string; readonly port: number } | undefined,
    identity: string | undefined,
  ): SessionName;
  /** Fingerprints and keys of the servers that there are tickets of, the last one first. */
  servers(sessions: object, name: SessionName): HeldTicket['peer'][];
  /** Takes a ticket out, which is the caller's then. */
  take(
    sessions: object,
    name: SessionName,
    fingerprint: string,
  ): (HeldTicket & { since: number }) | undefined;
  /** Keeps a ticket; `since` is when the chain of resumptions that it belongs to began. */
  keep(sessions: object, name: SessionName, ticket: IssuedTicket, since: number): void;
}

/** Kept outside of the class, so that programs have no access to it; there as soon as there is one to use it on. */
export let sessionsAccess: SessionsAccess;

/** Called once, by the class. */
export function giveAccess(access: SessionsAccess): void {
  sessionsAccess = access;
}

const marked = new WeakSet<object>();

/** Told of each object of class `Sessions`. */
export function markSessions(sessions: object): void {
  marked.add(sessions);
}

/** Whether a value is an object of class `Sessions`. */
export function isSessions(value: unknown): boolean {
  return typeof value === 'object' && value !== null && marked.has(value);
}
