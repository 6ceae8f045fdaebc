import { SecureSocketError } from '../../errors.js';
import { fingerprintOf } from '../encodings/fingerprint.js';
import { type PeerKey, perform } from '../script.js';
import { malformedMessage } from './codec.js';
import { respond } from './exchange.js';
import { type Established, type Handshake, type Handshaking, handshakeMessage } from './handshake.js';
import { joinFlight } from './later.js';
import {
  type ClientHello,
  decodeClientAuth,
  decodeFinished,
  encodeFinished,
  encodeServerHello,
  encodeServerIdentity,
  MessageType,
} from './messages.js';
import { binderOf, type TicketContent, ticketPayloads } from './resumption.js';
import type { SealedServerOptions } from './server-options.js';
import { type SuiteName, suites } from './suites.js';

/** A client's hello, and what was chosen of it. */
export interface Start {
  readonly message: Uint8Array;
  readonly hello: ClientHello;
  readonly suite: SuiteName;
}

/** An earlier connection that goes on. */
export interface Session {
  readonly content: TicketContent & { readonly since: number };
  readonly peer: PeerKey | null;
}

/**
 * Tickets given on a connection: one takes the place of the one used, and one more lets clients connect side by side.
 */
const TICKETS_AT_FIRST = 2;
const TICKETS_WHEN_RESUMED = 1;
const NONE = new Uint8Array(0);

/**
 * T3: what the ticket of a CLIENT_HELLO stands for, if it can be used.
 *
 * A ticket that cannot be opened is ignored, and a full handshake follows: it may be old, or of a server that shared
 * the address. A ticket that can be opened under a binder that is wrong is an attack, since the client that got
 * it from us has its secret. Whether the client is still let in is asked last: before the binder it is not known that
 * the client is who the ticket says, and the answer would tell an attacker whose tickets still count.
 */
export function* resumable(
  options: SealedServerOptions,
  { message, hello }: Start,
): Handshaking<Session | undefined> {
  const { resume } = hello;
  if (resume === undefined || options.tickets === undefined) return undefined;
  const content = options.tickets.open(resume.ticket);
  if (content === undefined) return undefined;
  if (!options.backend.equal(binderOf(options.backend, content.psk, message), resume.binder)) {
    content.psk.fill(0);
    throw new SecureSocketError('PROTOCOL', 'the client offers a ticket whose secret it does not have');
  }
  const peer = yield* stillAdmitted(options, content.spki);
  if (peer !== undefined) return { content, peer };
  content.psk.fill(0);
  return undefined;
}

/** Whether the client is let in as things are now: the peer to report, or `undefined`. */
function* stillAdmitted(
  options: SealedServerOptions,
  spki: Uint8Array,
): Handshaking<PeerKey | null | undefined> {
  if (spki.length === 0) return options.clientAuth === 'required' ? undefined : null;
  if (options.clientAuth === 'none') return undefined;
  const peer: PeerKey = { spki, fingerprint: fingerprintOf(options.backend, spki) };
  try {
    const verdict = yield* perform(() => options.authorize?.(spki, peer.fingerprint), 'decision');
    return readVerdict(verdict, peer);
  } catch {
    // the full handshake that follows asks again, and reports what is wrong
    return undefined;
  }
}

/** The peer to report if the application admits it, with the name that it may give. */
export function readVerdict(verdict: unknown, peer: PeerKey): PeerKey | undefined {
  if (verdict === true) return peer;
  if (typeof verdict !== 'object' || verdict === null) return undefined;
  return 'name' in verdict && typeof verdict.name === 'string'
    ? ({ ...peer, name: verdict.name } as PeerKey)
    : peer;
}

/** SERVER_HELLO, and the keys that follow from it; `psk` is that of a ticket that is accepted. */
export function* share(
  handshake: Handshake,
  { backend, mlKem768 }: SealedServerOptions,
  { message, hello, suite }: Start,
  psk: Uint8Array | undefined,
): Handshaking<Uint8Array> {
  const answer = yield* respond(backend, suite, hello, mlKem768);
  const random = backend.randomBytes(32);
  const resumed = psk !== undefined;
  const serverHello = encodeServerHello({ ...answer, random, suite: suites[suite].id, resumed });
  handshake.transcript.add(message);
  handshake.transcript.add(serverHello);
  if (psk) handshake.schedule.startWith(psk);
  handshake.begin(suite, answer.secret);
  return serverHello;
}

/**
 * T3: the resumed handshake. Nothing is sent after the flight, and the application does not get the connection, until
 * CLIENT_FINISHED.
 */
export function* resume(
  handshake: Handshake,
  options: SealedServerOptions,
  start: Start,
  { content, peer }: Session,
): Handshaking<Established> {
  const { schedule } = handshake;
  const serverHello = yield* share(handshake, options, start, content.psk);
  const identity = handshake.seal(encodeServerIdentity({ ...options, spki: NONE, clients: 0 }));
  schedule.mixZeros();
  schedule.mixZeros();
  const finished = handshake.seal(
    encodeFinished(MessageType.serverFinished, schedule.finishedMac('s finished')),
  );
  yield { type: 'write', chunks: joinFlight(serverHello, ...identity, ...finished) };
  const auth = yield* read(handshake, decodeClientAuth);
  if (auth.proof !== null) throw malformedMessage('CLIENT_AUTH', 'it shows a key in a resumed handshake');
  const expected = schedule.finishedMac('c finished');
  const mac = yield* read(handshake, (message) => decodeFinished(message, MessageType.clientFinished));
  if (!options.backend.equal(mac, expected)) throw handshakeFailed();
  const application = {
    sending: handshake.key('s ap traffic'),
    receiving: handshake.key('c ap traffic'),
    exporterSecret: schedule.derive('exp master'),
  };
  const tickets = issue(handshake, options, start, content);
  return { ...application, suite: start.suite, peer, peerLimits: auth, resumed: true, tickets };
}

/** The next message of the client, which joins the transcript. */
function* read<Content>(
  handshake: Handshake,
  decode: (message: Uint8Array) => Content,
): Handshaking<Content> {
  const record = yield* handshake.readRecord();
  if (record === null) throw handshakeFailed();
  const message = handshakeMessage(record);
  const content = decode(message);
  handshake.transcript.add(message);
  return content;
}

/**
 * T4: tickets for a client that asked for them, once the whole transcript is there. A resumed connection gets one, for
 * the one that it has used; `since` is handed on, so that a chain of resumptions does not live longer than its
 * beginning allows.
 */
export function issue(
  { schedule }: Handshake,
  { backend, tickets: issuer }: SealedServerOptions,
  { hello }: Start,
  { since, spki }: Omit<TicketContent, 'psk'>,
): readonly Uint8Array[] {
  if (issuer === undefined || !hello.wantsTickets) return [];
  const count = since === undefined ? TICKETS_AT_FIRST : TICKETS_WHEN_RESUMED;
  const resumptionSecret = schedule.derive('res master');
  return ticketPayloads(backend, { issuer, resumptionSecret, content: { since, spki }, count });
}

function handshakeFailed(): SecureSocketError {
  return new SecureSocketError(
    'HANDSHAKE_FAILED',
    'the client did not complete the handshake: a key or a record of it is wrong',
  );
}
