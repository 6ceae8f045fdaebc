import type { Backend } from '../../backend.js';
import { SecureSocketError } from '../../errors.js';
import { isSame } from '../bytes.js';
import type { PeerKey } from '../script.js';
import { concat, Reader, u32, vec16 } from './codec.js';
import { BINDER_LENGTH, MAX_TICKET } from './extensions.js';
import { expandLabel, HASH_LENGTH, hashOfNothing, ZEROS } from './schedule.js';

/** A ticket that a client has, and what it stands for. Its secret is used up, and wiped, by the handshake. */
export interface HeldTicket {
  readonly ticket: Uint8Array;
  readonly psk: Uint8Array;
  /** The server that gave it. */
  readonly peer: PeerKey;
}

/** A ticket as a client receives it. The secret is the receiver's to keep and to wipe. */
export interface IssuedTicket extends HeldTicket {
  /** Seconds until nothing can be resumed by it any more, as the server says. */
  readonly seconds: number;
  /** Whether the connection was itself resumed. */
  readonly resumed: boolean;
}

/** What a server puts into its tickets. */
export interface TicketContent {
  readonly psk: Uint8Array;
  /** When the chain began with a full handshake; `undefined`: with this one. In whatever unit the issuer counts. */
  readonly since: number | undefined;
  /** The key that the client proved then; empty if it was anonymous. */
  readonly spki: Uint8Array;
}

/** A server's tickets, which only itself can read. */
export interface TicketIssuer {
  /** A ticket and the seconds until its chain ends; `undefined` if that is now. */
  seal(content: TicketContent): { readonly ticket: Uint8Array; readonly seconds: number } | undefined;
  /** What is in a ticket of this server that has not expired. */
  open(ticket: Uint8Array): (TicketContent & { readonly since: number }) | undefined;
}

/** Maximum number of tickets on a connection (docs/protocol.md, T4). */
const MAX_TICKETS = 4;
const NONCE_LENGTH = 8;
const MAX_SECONDS = 86_400;
const NONE = new Uint8Array(0);

/** T2: proves that the sender of this CLIENT_HELLO has the secret; computed over all but its last 32 bytes. */
export function binderOf(backend: Backend, psk: Uint8Array, hello: Uint8Array): Uint8Array {
  const early = backend.hkdfExtract(ZEROS, psk);
  const base = expandLabel(backend, early, 'res binder', hashOfNothing(backend), HASH_LENGTH);
  const key = expandLabel(backend, base, 'finished', NONE, HASH_LENGTH);
  const hash = backend.sha256(hello.subarray(0, hello.length - BINDER_LENGTH));
  const binder = backend.hmacSha256(key, hash);
  for (const secret of [early, base, key]) secret.fill(0);
  return binder;
}

/** T4: the secret of a ticket. */
function secretOf(backend: Backend, resumptionSecret: Uint8Array, nonce: Uint8Array): Uint8Array {
  return expandLabel(backend, resumptionSecret, 'resumption', nonce, HASH_LENGTH);
}

/** What a server knows of a connection whose client wants tickets. */
export interface Issue {
  readonly issuer: TicketIssuer;
  readonly resumptionSecret: Uint8Array;
  readonly content: Omit<TicketContent, 'psk'>;
  readonly count: number;
}

/** The payloads of a server's TICKET records. The resumption secret is wiped. */
export function ticketPayloads(
  backend: Backend,
  { issuer, resumptionSecret, content, count }: Issue,
): Uint8Array[] {
  const payloads: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const nonce = new Uint8Array(NONCE_LENGTH);
    nonce[NONCE_LENGTH - 1] = i;
    const psk = secretOf(backend, resumptionSecret, nonce);
    const issued = issuer.seal({ ...content, psk });
    psk.fill(0);
    if (issued) payloads.push(concat(u32(issued.seconds), nonce, vec16(issued.ticket)));
  }
  resumptionSecret.fill(0);
  return payloads;
}

/** A client's end of it: takes TICKET records until there were four, or the connection ends. */
export class TicketReceiver {
  readonly #backend: Backend;
  readonly #resumptionSecret: Uint8Array;
  readonly #of: { readonly peer: PeerKey; readonly resumed: boolean };
  readonly #store: (ticket: IssuedTicket) => void;
  readonly #nonces: Uint8Array[] = [];

  /** Takes over the resumption secret. */
  constructor(
    backend: Backend,
    resumptionSecret: Uint8Array,
    of: { readonly peer: PeerKey; readonly resumed: boolean },
    store: (ticket: IssuedTicket) => void,
  ) {
    this.#backend = backend;
    this.#resumptionSecret = resumptionSecret;
    this.#of = of;
    this.#store = store;
  }

  /** The payload of a TICKET record. Throws PROTOCOL. */
  receive(payload: Uint8Array): void {
    const reader = new Reader(payload, 'TICKET');
    const seconds = reader.within(reader.u32(), 1, MAX_SECONDS, 'its lifetime in seconds');
    const nonce = reader.take(NONCE_LENGTH);
    const ticket = reader.vec16();
    reader.within(ticket.length, 1, MAX_TICKET, 'its length');
    reader.end();
    this.#checkNonce(nonce);
    const psk = secretOf(this.#backend, this.#resumptionSecret, nonce);
    if (this.#nonces.length === MAX_TICKETS) this.wipe();
    this.#store({ ...this.#of, ticket, psk, seconds });
  }

  wipe(): void {
    this.#resumptionSecret.fill(0);
  }

  #checkNonce(nonce: Uint8Array): void {
    if (this.#nonces.length === MAX_TICKETS)
      throw new SecureSocketError('PROTOCOL', `the peer sent more than ${MAX_TICKETS} tickets`);
    if (this.#nonces.some((other) => isSame(other, nonce)))
      throw new SecureSocketError('PROTOCOL', 'the peer sent two tickets with one nonce');
    this.#nonces.push(nonce);
  }
}
