import type { RsaPublicKey } from '../../backend.js';
import { type ErrorDetails, SecureSocketError } from '../../errors.js';
import { isSame } from '../bytes.js';
import { fingerprintOf } from '../encodings/fingerprint.js';
import { type PeerKey, perform, type Script } from '../script.js';
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
import { joinFlight, verifyPss } from './later.js';
import {
  type ClientAuth,
  type ClientHello,
  decodeClientAuth,
  decodeClientHello,
  decodeClientKey,
  decodeFinished,
  encodeFinished,
  encodeReject,
  encodeServerIdentity,
  MessageType,
  signatureInput,
} from './messages.js';
import { sealedConnection } from './open.js';
import type { SealedServerOptions } from './server-options.js';
import { issue, readVerdict, resumable, resume, type Start, share } from './server-resumption.js';
import { checkSuites, chooseSuite, type SuiteName } from './suites.js';

export type { SealedServerOptions } from './server-options.js';

/** The script of a sealed server (docs/protocol.md, S1 to S6). */
export function sealedServer(options: SealedServerOptions): Script {
  if (!checked.has(options)) checkSuites(options.suites, options.backend, options.mlKem768);
  checked.add(options);
  return sealedConnection(() => handshake(options), options);
}

/** Options that can be used: all connections of a server have the same. */
const checked = new WeakSet<SealedServerOptions>();

/** The CLOSE code of a refusal. */
const UNAUTHORIZED = 2;
const NONE = new Uint8Array(0);
const clientModes = ['none', 'optional', 'required'] as const;

function* handshake(options: SealedServerOptions): Handshaking<Established> {
  const handshake = new Handshake(options, 'server');
  try {
    const start = yield* readHello(handshake, options);
    const session = yield* resumable(options, start);
    if (session) return yield* resume(handshake, options, start, session);
    const suite = yield* answerHello(handshake, options, start);
    const client = yield* authenticateClient(handshake, options);
    const peer = yield* admit(handshake, options, client.peer);
    const application = yield* finish(handshake);
    const tickets = issue(handshake, options, start, { since: undefined, spki: peer?.spki ?? NONE });
    return { ...application, suite, peer, peerLimits: client.auth, resumed: false, tickets };
  } finally {
    handshake.wipe();
  }
}

/** S1: CLIENT_HELLO, and the suite that both ends know. */
function* readHello(handshake: Handshake, options: SealedServerOptions): Handshaking<Start> {
  const message = yield* handshake.readBare([MessageType.clientHello]);
  const hello = decodeClientHello(message);
  const suite = yield* suiteFor(hello, options);
  return { message, hello, suite };
}

/** S2: the answer with our identity. */
function* answerHello(
  handshake: Handshake,
  options: SealedServerOptions,
  start: Start,
): Handshaking<SuiteName> {
  if (options.busy?.()) {
    yield { type: 'finalBytes', chunks: [encodeReject(2)] };
    throw new SecureSocketError('BUSY', 'a client was refused: too many handshakes are in progress');
  }
  const serverHello = yield* share(handshake, options, start, undefined);
  const identity = encodeServerIdentity({ ...options, clients: clientModes.indexOf(options.clientAuth) });
  yield { type: 'write', chunks: joinFlight(serverHello, ...handshake.seal(identity)) };
  return start.suite;
}

/** The suite of the connection, or a REJECT. */
function* suiteFor(hello: ClientHello, options: SealedServerOptions): Handshaking<SuiteName> {
  const suite = chooseSuite(options.suites, hello.suites);
  if (suite !== undefined) return suite;
  yield { type: 'finalBytes', chunks: [encodeReject(1)] };
  const own = options.suites.join(', ');
  throw new SecureSocketError('NO_COMMON_SUITE', `the client offers none of the suites ${own}`);
}

/** A client that has proven to be who it says. */
interface Client {
  readonly auth: ClientAuth;
  readonly peer: PeerKey | null;
}

/** S3 to S5: the client's flight. Whatever is wrong with it is one and the same failure. */
function* authenticateClient(handshake: Handshake, options: SealedServerOptions): Handshaking<Client> {
  const { schedule, transcript } = handshake;
  const ciphertext = yield* read(handshake, decodeClientKey);
  schedule.mix(yield* decrypt(options, ciphertext));
  handshake.nextKeys('ahs');
  const signed = signatureInput(transcript.hash());
  const auth = yield* read(handshake, decodeClientAuth);
  const peer = yield* verifyProof(options, auth.proof, signed);
  schedule.mixZeros();
  const expected = schedule.finishedMac('c finished');
  const mac = yield* read(handshake, (message) => decodeFinished(message, MessageType.clientFinished));
  if (!options.backend.equal(mac, expected)) throw clientFailed();
  return { auth, peer };
}

/** The next message, which joins the transcript. */
function* read<Content>(
  handshake: Handshake,
  decode: (message: Uint8Array) => Content,
): Handshaking<Content> {
  const record = yield* handshake.readRecord();
  if (record === null) throw clientFailed();
  return maskFailure(() => {
    const message = handshakeMessage(record);
    const content = decode(message);
    handshake.transcript.add(message);
    return content;
  });
}

/**
 * DECRYPT: a ciphertext that does not decrypt continues with a random secret, so that the failure shows only as a
 * wrong tag of CLIENT_AUTH, as for any forged record. An error here, or a measurable difference, would be Manger's
 * oracle against OAEP. The random bytes are drawn before decrypting, so that both cases do the same work. Unlike in
 * classic (K2) they need not be derived from the ciphertext: the secret is mixed with this connection's transcript,
 * so repeating a ciphertext gives different keys anyway.
 */
function* decrypt({ backend, key }: SealedServerOptions, ciphertext: Uint8Array): Handshaking<Uint8Array> {
  // DECRYPT.1
  if (ciphertext.length !== key.modulusLength / 8) throw clientFailed();
  // DECRYPT.2
  const alternative = backend.randomBytes(RSA_SECRET_LENGTH);
  // DECRYPT.3
  try {
    const secret = yield* perform(() => key.decryptOaep(ciphertext, OAEP_LABEL), 'privateKey');
    return secret.length === RSA_SECRET_LENGTH ? secret : alternative;
  } catch (error) {
    // only the shell's own refusals, which have nothing to do with the ciphertext, look like this
    if (error instanceof SecureSocketError) throw error;
    return alternative;
  }
}

function* verifyProof(
  { backend, clientAuth }: SealedServerOptions,
  proof: ClientAuth['proof'],
  signed: Uint8Array,
): Handshaking<PeerKey | null> {
  if (proof === null) return null;
  if (clientAuth === 'none') throw clientFailed();
  const key = maskFailure(() => importPeerKey(backend, proof.spki));
  if (!(yield* isSignedBy(key, signed, proof.signature))) throw clientFailed();
  return { spki: proof.spki, fingerprint: fingerprintOf(backend, proof.spki) };
}

/**
 * Whether a client's proof is right. A platform imports the key with the first operation; one that it rejects is answered
 * like a wrong signature, as `verifyProof` answers it where keys are imported at once.
 */
function* isSignedBy(key: RsaPublicKey, signed: Uint8Array, signature: Uint8Array): Handshaking<boolean> {
  try {
    return yield* verifyPss(key, signed, signature);
  } catch (error) {
    if (key.later === undefined || error instanceof SecureSocketError) throw error;
    throw clientFailed();
  }
}

/** AUTHORIZE: the peer to report, or a refusal that the client can believe. */
function* admit(
  handshake: Handshake,
  options: SealedServerOptions,
  peer: PeerKey | null,
): Handshaking<PeerKey | null> {
  if (peer === null) {
    if (options.clientAuth !== 'required') return null;
    return yield* refuse(handshake, 'the client shows no identity, which is required', {});
  }
  const { spki, fingerprint } = peer;
  // E1: this key decrypts, so a client that shows it is this server itself
  if (isSame(spki, options.spki)) {
    const message = `the client shows this server's own key ${fingerprint}: one key must not be used at both ends`;
    return yield* refuse(handshake, message, { fingerprint });
  }
  let verdict: unknown;
  try {
    verdict = yield* perform(() => options.authorize?.(spki, fingerprint), 'decision');
  } catch (error) {
    const message = `it could not be decided whether to admit the client key ${fingerprint}`;
    return yield* refuse(handshake, message, { fingerprint, cause: error });
  }
  const admitted = readVerdict(verdict, peer);
  if (admitted) return admitted;
  return yield* refuse(handshake, `the client key ${fingerprint} is not authorised`, { fingerprint });
}

function* refuse(handshake: Handshake, message: string, details: ErrorDetails): Handshaking<never> {
  yield { type: 'finalBytes', chunks: handshake.sealClose(UNAUTHORIZED) };
  throw new SecureSocketError('UNAUTHORIZED_CLIENT', message, details);
}

/** S6: SERVER_FINISHED, with which the connection is open. */
function* finish(handshake: Handshake): Handshaking<ApplicationKeys> {
  const { schedule } = handshake;
  const receiving = handshake.key('c ap traffic');
  const finished = encodeFinished(MessageType.serverFinished, schedule.finishedMac('s finished'));
  yield { type: 'write', chunks: handshake.seal(finished) };
  const sending = handshake.key('s ap traffic');
  return { sending, receiving, exporterSecret: schedule.derive('exp master') };
}

/** From CLIENT_KEY to CLIENT_FINISHED the peer does not learn which check failed. */
function maskFailure<Result>(step: () => Result): Result {
  try {
    return step();
  } catch (error) {
    if (error instanceof SecureSocketError) throw clientFailed();
    throw error;
  }
}

function clientFailed(): SecureSocketError {
  return new SecureSocketError(
    'HANDSHAKE_FAILED',
    'the client did not complete the handshake: a key, a signature or a record of it is wrong',
  );
}
