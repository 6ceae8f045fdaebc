/**
 * The second peer of sealed v1 where a connection is resumed: T1 to T4 of the protocol's description. As in a full
 * handshake it does everything right unless told otherwise, and nothing here comes from src.
 */
import type { PeerClient, Wire } from './misbehaving-peer.js';
import {
  binder,
  cipherOf,
  concat,
  EMPTY,
  type Keys,
  message,
  record,
  Schedule,
  Share,
  type,
  u8,
  u16,
  u32,
  vec16,
  X25519,
  ZEROS,
} from './misbehaving-peer-crypto.js';

const TICKET_REQUEST = 0xff01;
const RESUME = 0xfffe;
const LIMITS = concat(u32(2 ** 24), u32(2 ** 20 + 4096));

/** A ticket and the secret behind it. */
export interface Grant {
  readonly ticket: Buffer;
  readonly psk: Buffer;
}

/** The record that a server gives a ticket in, and the one that a client reads it from. */
export interface TicketFields {
  readonly seconds?: number;
  readonly nonce?: Buffer;
  readonly ticket?: Buffer;
}

export function ticketPayload({
  seconds = 3600,
  nonce = Buffer.alloc(8),
  ticket = Buffer.alloc(100, 7),
}: TicketFields = {}): Buffer {
  return concat(u32(seconds), nonce, vec16(ticket));
}

/** The tickets among the records of a server. */
export function ticketsIn(client: PeerClient, flight: Buffer): Grant[] {
  const grants: Grant[] = [];
  for (let rest = flight; rest.length > 0; ) {
    const opened = client.receiving?.open(rest);
    if (!opened) throw new Error('a record does not open');
    if (opened.kind === record.ticket) {
      const psk = client.schedule.ticketSecret(opened.payload.subarray(4, 12));
      grants.push({ psk, ticket: opened.payload.subarray(14) });
    }
    rest = rest.subarray(opened.length);
  }
  return grants;
}

// --- a client

/** What a client may do otherwise in a CLIENT_HELLO with a ticket. */
export interface ResumingHelloLies {
  readonly wantsTickets?: boolean;
  readonly request?: Buffer;
  readonly share?: Buffer;
  /** Extensions in front of the ticket and behind it. */
  readonly before?: Buffer;
  readonly after?: Buffer;
  /** The content of RESUME before its binder. */
  readonly ticket?: Buffer;
  readonly binder?: (good: Buffer, hello: Buffer) => Buffer;
}

const extension = (kind: number, content: Buffer): Buffer => concat(u16(kind), vec16(content));

/** T1, T2: a CLIENT_HELLO with a ticket and its binder. */
export function makeResumingHello(client: PeerClient, grant: Grant, lies: ResumingHelloLies = {}): Buffer {
  const build = (mac: Buffer): Buffer => {
    const entries = concat(
      lies.before ?? EMPTY,
      lies.wantsTickets === false ? EMPTY : extension(TICKET_REQUEST, lies.request ?? EMPTY),
      extension(RESUME, concat(lies.ticket ?? vec16(grant.ticket), mac)),
      lies.after ?? EMPTY,
    );
    return client.hello({ extensions: vec16(entries), ...(lies.share && { share: lies.share }) });
  };
  const unbound = build(ZEROS);
  const good = binder(grant.psk, unbound.subarray(0, unbound.length - 32 - (lies.after?.length ?? 0)));
  return build(lies.binder?.(good, unbound) ?? good);
}

/** What a client may do otherwise in its second flight. Changes of a message enter its transcript. */
export interface ResumingFlightLies {
  readonly auth?: (good: Buffer) => Buffer;
  readonly finished?: (good: Buffer) => Buffer;
  /** What is sent of the two records; each is sealed when it is called for. */
  readonly records?: (records: Record<'auth' | 'finished', () => Buffer>, client: PeerClient) => Buffer;
  /** What is sent behind them. */
  readonly data?: (client: PeerClient) => Buffer;
}

/** T3: sends the hello and takes the server's flight; fails if the ticket is not accepted. */
export async function resume(client: PeerClient, { psk }: Grant, hello: Buffer, dh?: Buffer): Promise<void> {
  await client.greet(hello, { psk, ...(dh && { dh }) });
  if (!isAccepted(client.serverFlight)) throw new Error('the ticket was not accepted');
  const { schedule } = client;
  schedule.mix(ZEROS);
  schedule.mix(ZEROS);
  const flight = client.serverFlight;
  let rest = flight.subarray(8 + flight.readUInt16BE(6));
  rest = rest.subarray(3 + rest.readUIntBE(0, 3));
  const opened = client.handshakeKeys?.[1].open(rest);
  const expected = message(type.serverFinished, schedule.finishedMac('s finished'));
  if (!opened?.payload.equals(expected)) throw new Error('SERVER_FINISHED is another one');
  if (rest.length > opened.length) throw new Error('the server sends more than its flight');
  schedule.add(opened.payload);
}

/** Whether a server's first flight accepts a ticket. */
export function isAccepted(flight: Buffer): boolean {
  const end = 8 + flight.readUInt16BE(6);
  return flight.subarray(end - 6, end).equals(Buffer.from('0004fffe0000', 'hex'));
}

/** T3: the second flight, and what the server says to it. */
export async function confirm(client: PeerClient, lies: ResumingFlightLies = {}): Promise<Buffer> {
  const { schedule } = client;
  const [own] = client.handshakeKeys as [Keys, Keys];
  const anonymous = message(type.clientAuth, LIMITS, u8(0), vec16(EMPTY), vec16(EMPTY), vec16(EMPTY));
  const auth = lies.auth?.(anonymous) ?? anonymous;
  schedule.add(auth);
  const good = message(type.clientFinished, schedule.finishedMac('c finished'));
  const finished = lies.finished?.(good) ?? good;
  schedule.add(finished);
  client.sending = schedule.keys('c ap traffic');
  client.receiving = schedule.keys('s ap traffic');
  const records = {
    auth: () => own.seal(record.handshake, auth),
    finished: () => own.seal(record.handshake, finished),
  };
  const flight = lies.records?.(records, client) ?? concat(records.auth(), records.finished());
  client.lastFlight = concat(flight, lies.data?.(client) ?? EMPTY);
  return await client.wire.send(client.lastFlight);
}

// --- a server

/** What a server may do otherwise when it resumes. Changes of a message enter its transcript. */
export interface ResumingServerLies {
  readonly suite?: number;
  readonly share?: Buffer;
  readonly extensions?: Buffer;
  /** Its transcript begins with this instead of the client's hello. */
  readonly seenHello?: Buffer;
  /** The Diffie-Hellman secret it uses. */
  readonly dh?: Buffer;
  readonly cipher?: 'aes-256-gcm' | 'chacha20-poly1305';
  readonly mode?: number;
  readonly limits?: Buffer;
  readonly spki?: Buffer;
  readonly identity?: (good: Buffer) => Buffer;
  readonly finished?: (good: Buffer, server: ResumingServer) => Buffer;
  /** What is sent of the two records; each is sealed when it is called for. */
  readonly records?: (
    records: Record<'identity' | 'finished', () => Buffer>,
    server: ResumingServer,
  ) => Buffer;
}

export class ResumingServer {
  readonly wire: Wire;
  readonly psk: Buffer;
  readonly lies: ResumingServerLies;
  readonly schedule: Schedule = new Schedule();
  /** Its own keys of the handshake and the client's. */
  keys: [Keys, Keys] | undefined;
  sending: Keys | undefined;
  receiving: Keys | undefined;
  lastFlight: Buffer = EMPTY;
  readonly #share = new Share();

  constructor(wire: Wire, psk: Buffer, lies: ResumingServerLies = {}) {
    this.wire = wire;
    this.psk = psk;
    this.lies = lies;
  }

  /** SERVER_HELLO to SERVER_FINISHED. */
  answer(hello: Buffer): Buffer {
    const { lies, schedule } = this;
    const serverHello = this.#serverHello(hello);
    const identity = this.#identity();
    schedule.add(identity);
    schedule.mix(ZEROS);
    schedule.mix(ZEROS);
    const good = message(type.serverFinished, schedule.finishedMac('s finished'));
    const finished = lies.finished?.(good, this) ?? good;
    schedule.add(finished);
    const [own] = this.keys as [Keys, Keys];
    const records = {
      identity: () => own.seal(record.handshake, identity),
      finished: () => own.seal(record.handshake, finished),
    };
    const sent = lies.records?.(records, this) ?? concat(records.identity(), records.finished());
    this.lastFlight = concat(serverHello, sent);
    return this.lastFlight;
  }

  /** The whole handshake. */
  async accept(hello: Buffer): Promise<void> {
    this.take(await this.wire.send(this.answer(hello)));
  }

  /** The client's second flight, after which both ends are open. */
  take(flight: Buffer): void {
    const { schedule } = this;
    const theirs = (this.keys as [Keys, Keys])[1];
    const auth = theirs.open(flight);
    if (!auth) throw new Error('CLIENT_AUTH does not open');
    schedule.add(auth.payload);
    const expected = message(type.clientFinished, schedule.finishedMac('c finished'));
    const finished = theirs.open(flight.subarray(auth.length));
    if (!finished?.payload.equals(expected)) throw new Error('CLIENT_FINISHED is another one');
    schedule.add(finished.payload);
    this.sending = schedule.keys('s ap traffic');
    this.receiving = schedule.keys('c ap traffic');
  }

  /** SERVER_HELLO, which leads to the keys of the handshake. */
  #serverHello(hello: Buffer): Buffer {
    const { lies, schedule } = this;
    const suite = lies.suite ?? this.wire.suite ?? X25519;
    const fields = [u16(suite), lies.share ?? this.#share.bytes, vec16(EMPTY)];
    const extensions = lies.extensions ?? vec16(extension(RESUME, EMPTY));
    const serverHello = message(type.serverHello, Buffer.alloc(32, 9), ...fields, extensions);
    schedule.cipher = lies.cipher ?? cipherOf(suite);
    schedule.startWith(this.psk);
    schedule.add(lies.seenHello ?? hello, serverHello);
    const suites = hello.readUInt8(40);
    schedule.mix(lies.dh ?? this.#share.agree(hello.subarray(41 + 2 * suites, 73 + 2 * suites)));
    this.keys = [schedule.keys('s hs traffic'), schedule.keys('c hs traffic')];
    return serverHello;
  }

  #identity(): Buffer {
    const { mode = 0, limits = LIMITS, spki = EMPTY } = this.lies;
    const good = message(type.serverIdentity, u8(mode), limits, vec16(spki), vec16(EMPTY));
    return this.lies.identity?.(good) ?? good;
  }
}
