import type { RsaPublicKey } from '../../backend.js';
import { reasonOf, SecureSocketError } from '../../errors.js';
import { isSame } from '../bytes.js';
import { fingerprintOf } from '../encodings/fingerprint.js';
import { type PeerKey, perform, type Script } from '../script.js';
import type { SealedClientOptions } from './client-options.js';
import type { ResumptionOffer } from './client-resumption.js';
import { malformedMessage } from './codec.js';
import { agree, makeOffer, type Offer, wipeOffer } from './exchange.js';
import { BINDER_LENGTH } from './extensions.js';
import {
  type ApplicationKeys,
  type Established,
  Handshake,
  type Handshaking,
  handshakeMessage,
  importPeerKey,
  OAEP_LABEL,
  RSA_SECRET_LENGTH,
} from './handshake.js';
import { encryptOaep, joinFlight } from './later.js';
import {
  type ClientAuth,
  decodeReject,
  decodeServerHello,
  decodeServerIdentity,
  encodeClientAuth,
  encodeClientHello,
  encodeClientKey,
  encodeFinished,
  MessageType,
  type ServerHello,
  type ServerIdentity,
  signatureInput,
} from './messages.js';
import { sealedConnection } from './open.js';
import { RecordType } from './records.js';
import { checkFinished, readRecord } from './server-flight.js';
import { checkSuites, greaseOf, type SuiteName, suiteNameOf, suites } from './suites.js';

export type { SealedClientOptions } from './client-options.js';

/** The script of a sealed client (docs/protocol.md, C1 to C6). */
export function sealedClient(options: SealedClientOptions): Script {
  checkSuites(options.suites, options.backend, options.mlKem768);
  return sealedConnection(() => handshake(options), options);
}

function* handshake(options: SealedClientOptions): Handshaking<Established> {
  const handshake = new Handshake(options, 'client');
  try {
    const { suite, accepted } = yield* exchangeHellos(handshake, options);
    if (accepted) return { ...(yield* accepted.resume(handshake, options)), suite };
    const server = yield* readServerIdentity(handshake, options);
    const application = yield* prove(handshake, options, server);
    const { peer } = server;
    const origin = { peer, resumed: false };
    const ticketReceiver = options.resumption?.receiverOf(handshake, options.backend, origin);
    return { ...application, ...origin, suite, peerLimits: server.identity, ticketReceiver };
  } finally {
    handshake.wipe();
  }
}

/** What the hellos have settled: the suite, and whether the ticket was accepted. */
interface Settled {
  readonly suite: SuiteName;
  readonly accepted: ResumptionOffer | undefined;
}

/**
 * C1, C2: from CLIENT_HELLO to the secret HS.
 *
 * A ticket is used up by being shown (T1): it leaves the sessions before the hello is written, and its secret is wiped
 * whatever becomes of the connection. A client that put it back after a failure would show the same ticket twice, and
 * an observer could tell that both connections are of one client.
 */
function* exchangeHellos(handshake: Handshake, options: SealedClientOptions): Handshaking<Settled> {
  const offer = yield* makeOffer(options.backend, options.suites, options.mlKem768);
  const held = options.resumption?.take();
  try {
    return yield* exchangeKeys(handshake, options, offer, held);
  } finally {
    wipeOffer(offer);
    held?.psk.fill(0);
  }
}

function* exchangeKeys(
  handshake: Handshake,
  options: SealedClientOptions,
  offer: Offer,
  held: ResumptionOffer | undefined,
): Handshaking<Settled> {
  const { backend } = options;
  const random = backend.randomBytes(32);
  const offered: number[] = [];
  if (options.grease !== false) offered.push(greaseOf(backend.randomBytes(1)[0] as number));
  for (const name of options.suites) offered.push(suites[name].id);
  const kemKey = offer.kem?.encapsulationKey ?? new Uint8Array(0);
  const hello = encodeClientHello({
    random,
    suites: offered,
    x25519: offer.x25519.publicKey,
    kemKey,
    wantsTickets: options.resumption?.wantsTickets === true,
    // the binder is made of everything before it
    resume: held && { ticket: held.ticket, binder: new Uint8Array(BINDER_LENGTH) },
  });
  if (held) hello.set(held.binder(backend, hello), hello.length - BINDER_LENGTH);
  handshake.transcript.add(hello);
  yield { type: 'write', chunks: [hello] };
  const answer = yield* handshake.readBare([MessageType.serverHello, MessageType.reject]);
  if (answer[4] === MessageType.reject) throw decodeReject(answer);
  const serverHello = decodeServerHello(answer);
  const suite = suiteOf(serverHello, options.suites);
  if (serverHello.resumed && !held)
    throw malformedMessage('SERVER_HELLO', 'it accepts a ticket, and none was offered');
  handshake.transcript.add(answer);
  if (serverHello.resumed && held) handshake.schedule.startWith(held.psk);
  handshake.begin(suite, yield* agree(offer, serverHello));
  return { suite, accepted: serverHello.resumed ? held : undefined };
}

function suiteOf({ suite }: ServerHello, offered: readonly SuiteName[]): SuiteName {
  const name = suiteNameOf(suite);
  if (name !== undefined && offered.includes(name)) return name;
  throw malformedMessage('SERVER_HELLO', `suite 0x${suite.toString(16).padStart(4, '0')} was not offered`);
}

/** What SERVER_IDENTITY tells, once the server is trusted. */
interface Server {
  readonly identity: ServerIdentity;
  readonly publicKey: RsaPublicKey;
  readonly peer: PeerKey;
}

/** C3: SERVER_IDENTITY, and whether to trust its key. Nothing is encrypted to it before. */
function* readServerIdentity(handshake: Handshake, options: SealedClientOptions): Handshaking<Server> {
  const message = handshakeMessage(yield* readRecord(handshake));
  const identity = decodeServerIdentity(message);
  const publicKey = importServerKey(options, identity.spki);
  handshake.transcript.add(message);
  const peer: PeerKey = { spki: identity.spki, fingerprint: fingerprintOf(options.backend, identity.spki) };
  yield* trust(options, peer);
  return { identity, publicKey, peer };
}

function importServerKey({ backend }: SealedClientOptions, spki: Uint8Array): RsaPublicKey {
  try {
    return importPeerKey(backend, spki);
  } catch (error) {
    if (!(error instanceof SecureSocketError)) throw error;
    throw unusable(error);
  }
}

function unusable(cause: unknown): SecureSocketError {
  return new SecureSocketError('PROTOCOL', `the server's key is not usable: ${reasonOf(cause)}`, { cause });
}

function* trust(
  { decide, identity }: SealedClientOptions,
  { spki, fingerprint }: PeerKey,
): Handshaking<void> {
  // E1: one of the two decrypts with a key that the other signs with
  if (identity && isSame(spki, identity.spki)) {
    const text = `the server shows this client's own key ${fingerprint}: one key must not be used at both ends`;
    throw untrustedServer(text, { fingerprint });
  }
  try {
    const verdict = yield* perform(() => decide(spki, fingerprint), 'decision');
    if (verdict === true) return;
  } catch (error) {
    if (error instanceof SecureSocketError) throw error;
    throw untrustedServer(`it could not be decided whether to trust the server key ${fingerprint}`, {
      fingerprint,
      cause: error,
    });
  }
  throw untrustedServer(`the server key ${fingerprint} is not trusted`, { fingerprint });
}

function untrustedServer(
  message: string,
  details: { fingerprint: string; cause?: unknown },
): SecureSocketError {
  return new SecureSocketError('UNTRUSTED_SERVER', message, details);
}

/**
 * C4, C5: the third flight, and the server's proof. Nothing else may be sent before that has come.
 *
 * The server has not proven anything until its FINISHED is right: up to there anyone could have answered with a public
 * key of somebody else. That the client's own identity is encrypted under AHS, which only the owner of that key can
 * compute, is why it may be shown so early.
 */
function* prove(
  handshake: Handshake,
  options: SealedClientOptions,
  server: Server,
): Handshaking<ApplicationKeys> {
  const { schedule } = handshake;
  const { maxMessage, maxRecord } = options;
  const secret = options.backend.randomBytes(RSA_SECRET_LENGTH);
  const clientKey = handshake.seal(encodeClientKey(yield* encryptTo(server, secret)));
  schedule.mix(secret);
  handshake.nextKeys('ahs');
  const proof = yield* identify(handshake, options, server.identity);
  schedule.mixZeros();
  const clientAuth = handshake.seal(encodeClientAuth({ maxMessage, maxRecord, proof }));
  const finished = encodeFinished(MessageType.clientFinished, schedule.finishedMac('c finished'));
  yield { type: 'write', chunks: joinFlight(...clientKey, ...clientAuth, ...handshake.seal(finished)) };
  const serverFinished = yield* verifyServer(handshake, options);
  const sending = handshake.key('c ap traffic');
  handshake.transcript.add(serverFinished);
  const receiving = handshake.key('s ap traffic');
  return { sending, receiving, exporterSecret: schedule.derive('exp master') };
}

function* encryptTo({ publicKey }: Server, secret: Uint8Array): Handshaking<Uint8Array> {
  try {
    return yield* encryptOaep(publicKey, secret, OAEP_LABEL);
  } catch (error) {
    if (error instanceof SecureSocketError) throw error;
    throw unusable(error);
  }
}

/** The signature over everything up to CLIENT_KEY, if there is an identity and the server asked for one. */
function* identify(
  { transcript }: Handshake,
  { identity }: SealedClientOptions,
  { clients }: ServerIdentity,
): Handshaking<ClientAuth['proof']> {
  if (identity === undefined || clients === 0) return null;
  const input = signatureInput(transcript.hash());
  try {
    const signature = yield* perform(() => identity.key.signPss(input), 'privateKey');
    return { spki: identity.spki, signature };
  } catch (error) {
    if (error instanceof SecureSocketError) throw error;
    throw new SecureSocketError('BAD_IDENTITY', 'the key of the client could not sign', { cause: error });
  }
}

/** C5: SERVER_FINISHED, or the CLOSE that stands for a refusal. */
function* verifyServer(handshake: Handshake, { backend }: SealedClientOptions): Handshaking<Uint8Array> {
  const record = yield* readRecord(handshake);
  if (record[0] === RecordType.close) throw refusal(record);
  return checkFinished(handshake, backend, record);
}

function refusal(record: Uint8Array): SecureSocketError {
  const isUnauthorized = record.length === 3 && record[1] === 0 && record[2] === 2;
  return isUnauthorized
    ? new SecureSocketError(
        'UNAUTHORIZED_CLIENT',
        'the server does not admit this client; is its key among the authorised ones?',
      )
    : new SecureSocketError(
        'HANDSHAKE_FAILED',
        'the server closed the connection instead of finishing the handshake',
      );
}
