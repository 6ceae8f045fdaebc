import type { Backend } from '../backend.js';
import { isSame } from '../core/bytes.js';
import { ascii, concat, malformedMessage, Reader, u32, vec16 } from '../core/sealed/codec.js';
import type { TicketContent, TicketIssuer } from '../core/sealed/resumption.js';
import { SecureSocketError } from '../errors.js';

/** How long a key encrypts, in milliseconds. */
const ROTATION = 3_600_000;

const NAME_LENGTH = 16;
const SALT_LENGTH = 32;
const KEY_LENGTH = 32;
const TAG_LENGTH = 16;
const NONCE = new Uint8Array(12);
const NAME_INFO: Uint8Array = ascii('secure-sockets ticket key name');
const KEY_INFO: Uint8Array = ascii('secure-sockets ticket');

interface TicketKey {
  readonly secret: Uint8Array;
  readonly name: Uint8Array;
  readonly madeAt: number;
  lastUsedAt: number;
}

/** What a server's tickets depend on. */
export interface TicketKeysOptions {
  readonly backend: Backend;
  /** Of the server's key, 32 bytes. */
  readonly serverHash: Uint8Array;
  /** How long after a full handshake connections may be resumed, in milliseconds. */
  readonly lifetime: number;
  /** Keys shared with other processes, the first of which encrypts; without them a new one is made every hour. */
  readonly shared?: readonly Uint8Array[] | undefined;
}

/**
 * A server's tickets: what it has to remember of a connection, encrypted under keys that it alone has, and handed to
 * the client to keep. Each is encrypted under a key of its own, derived with 32 random bytes, so that servers that
 * share a ticket key cannot use a nonce twice.
 *
 * Whoever has a ticket key can impersonate this server, and every client that the ticket names, for as long as its
 * tickets live. So keys are made here, live in memory only, change every hour and are overwritten when nothing that
 * they have encrypted can be used any more; a key that processes share is the operator's to guard and to change. A
 * ticket names the hash of the server's key: one that was given under another identity is worth nothing.
 *
 *     ticket = b[16] name of the ticket key || b[32] random || AES-256-GCM(content), the name as associated data
 */
export class TicketKeys implements TicketIssuer {
  readonly #options: TicketKeysOptions;
  readonly #keys: TicketKey[] = [];
  readonly #isShared: boolean;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  constructor(options: TicketKeysOptions) {
    this.#options = options;
    this.#isShared = options.shared !== undefined;
    // a copy of our own, which close() wipes: the slice of a Buffer would not be one
    for (const secret of options.shared ?? []) this.#keys.push(this.#withName(new Uint8Array(secret)));
  }

  seal(content: TicketContent): { ticket: Uint8Array; seconds: number } | undefined {
    const now = Date.now();
    const since = content.since ?? now;
    const seconds = Math.floor((since + this.#options.lifetime - now) / 1000);
    if (seconds < 1 || this.#isClosed) return undefined;
    const key = this.#current(now);
    key.lastUsedAt = now;
    const random = this.#options.backend.randomBytes(SALT_LENGTH);
    const plaintext = encode({ ...content, since }, this.#options.serverHash);
    const sealed = concat(...this.#aead(key, random).seal(NONCE, key.name, [plaintext]));
    plaintext.fill(0);
    return { ticket: concat(key.name, random, sealed), seconds };
  }

  open(ticket: Uint8Array): (TicketContent & { since: number }) | undefined {
    this.#forgetOld();
    if (ticket.length < NAME_LENGTH + SALT_LENGTH + TAG_LENGTH) return undefined;
    const name = ticket.subarray(0, NAME_LENGTH);
    const key = this.#keys.find((one) => isSame(one.name, name));
    if (key === undefined) return undefined;
    const random = ticket.subarray(NAME_LENGTH, NAME_LENGTH + SALT_LENGTH);
    const plaintext = this.#aead(key, random).open(NONCE, name, ticket.slice(NAME_LENGTH + SALT_LENGTH));
    if (plaintext === null) return undefined;
    const decoded = decode(plaintext);
    plaintext.fill(0);
    if (decoded === undefined) return undefined;
    const { serverHash, ...content } = decoded;
    if (this.#options.backend.equal(serverHash, this.#options.serverHash) && this.#isInTime(content.since))
      return content;
    content.psk.fill(0);
    return undefined;
  }

  /** Forgets all keys: nothing can be resumed by their tickets any more. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    for (const { secret } of this.#keys.splice(0)) secret.fill(0);
  }

  #isInTime(since: number): boolean {
    const age = Date.now() - since;
    return age >= 0 && age < this.#options.lifetime;
  }

  /** The key that encrypts. */
  #current(now: number): TicketKey {
    this.#forgetOld();
    const [first] = this.#keys;
    if (first && (this.#isShared || now - first.madeAt < ROTATION)) return first;
    const made = this.#withName(this.#options.backend.randomBytes(KEY_LENGTH));
    this.#keys.unshift(made);
    this.#watch();
    return made;
  }

  /**
   * A key is deleted when its last ticket has expired, whether or not a client connects then. So is one that was used far
   * in the future: the clock was set back, and it would neither change nor go until the clock has caught up.
   */
  #forgetOld(): void {
    if (this.#isShared) return;
    const now = Date.now();
    const isOld = ({ lastUsedAt }: TicketKey): boolean =>
      lastUsedAt > now + ROTATION || now - lastUsedAt >= this.#options.lifetime;
    for (const key of this.#keys.filter(isOld)) {
      key.secret.fill(0);
      this.#keys.splice(this.#keys.indexOf(key), 1);
    }
  }

  /** Wakes when the next key may have to go; one that was used since then stays, and is looked at again. */
  #watch(): void {
    clearTimeout(this.#timer);
    const oldest = Math.min(...this.#keys.map(({ lastUsedAt }) => lastUsedAt));
    const wait = (): void => {
      this.#forgetOld();
      if (this.#keys.length > 0) this.#watch();
    };
    this.#timer = setTimeout(wait, oldest + this.#options.lifetime - Date.now());
    this.#timer.unref?.();
  }

  #withName(secret: Uint8Array): TicketKey {
    const { backend } = this.#options;
    const derived = backend.hkdfExtract(new Uint8Array(KEY_LENGTH), secret);
    const name = backend.hkdfExpand(derived, NAME_INFO, NAME_LENGTH);
    derived.fill(0);
    const now = Date.now();
    return { secret, name, madeAt: now, lastUsedAt: now };
  }

  #aead({ secret }: TicketKey, random: Uint8Array): ReturnType<Backend['aesGcm']> {
    const { backend } = this.#options;
    const derived = backend.hkdfExtract(random, secret);
    const key = backend.hkdfExpand(derived, KEY_INFO, KEY_LENGTH);
    const aead = backend.aesGcm(key);
    for (const copy of [derived, key]) copy.fill(0);
    return aead;
  }
}

/**
 * `b[32] psk || u32 seconds and u32 milliseconds since 1970 || b[32] hash of the server's key || vec16 client's key`
 */
function encode({ psk, since, spki }: TicketContent & { since: number }, serverHash: Uint8Array): Uint8Array {
  const time = concat(u32(Math.floor(since / 1000)), u32(since % 1000));
  return concat(psk, time, serverHash, vec16(spki));
}

/** Nothing of what another version has put in, which may share the key: ignored like what cannot be opened. */
function decode(
  plaintext: Uint8Array,
): (TicketContent & { since: number; serverHash: Uint8Array }) | undefined {
  try {
    return read(new Reader(plaintext, 'ticket'));
  } catch (error) {
    if (error instanceof SecureSocketError) return undefined;
    throw error;
  }
}

function read(reader: Reader): TicketContent & { since: number; serverHash: Uint8Array } {
  const psk = reader.take(KEY_LENGTH);
  const since = readTime(reader);
  const serverHash = reader.take(KEY_LENGTH);
  const spki = reader.vec16();
  reader.end();
  return { psk, since, serverHash, spki };
}

/** There is one encoding of a time only. */
function readTime(reader: Reader): number {
  const seconds = reader.u32();
  const milliseconds = reader.u32();
  if (milliseconds > 999) throw malformedMessage('ticket', `it has ${milliseconds} milliseconds of a second`);
  return seconds * 1000 + milliseconds;
}
