import type { Backend } from '../../backend.js';
import { SecureSocketError } from '../../errors.js';
import type { PeerKey } from '../script.js';
import type { SealedClientOptions } from './client-options.js';
import { malformedMessage } from './codec.js';
import { type Established, type Handshake, type Handshaking, handshakeMessage } from './handshake.js';
import { joinFlight } from './later.js';
import {
  decodeFinished,
  decodeServerIdentity,
  encodeClientAuth,
  encodeFinished,
  MessageType,
} from './messages.js';
import { TicketReceiver } from './resumption.js';

/**
 * T3: the rest of a resumed handshake, which needs no RSA key: the ticket's secret is the proof. There is no refusal in
 * it: a server that does not let the client in does not accept the ticket.
 */
export function* resume(
  handshake: Handshake,
  options: SealedClientOptions,
  peer: PeerKey,
): Handshaking<Omit<Established, 'suite'>> {
  const { schedule, transcript } = handshake;
  const { maxMessage, maxRecord } = options;
  const message = handshakeMessage(yield* readRecord(handshake));
  const identity = decodeServerIdentity(message);
  if (identity.spki.length > 0)
    throw malformedMessage('SERVER_IDENTITY', 'it shows a key in a resumed handshake');
  transcript.add(message);
  schedule.mixZeros();
  schedule.mixZeros();
  transcript.add(checkFinished(handshake, options.backend, yield* readRecord(handshake)));
  const clientAuth = handshake.seal(encodeClientAuth({ maxMessage, maxRecord, proof: null }));
  const finished = encodeFinished(MessageType.clientFinished, schedule.finishedMac('c finished'));
  yield { type: 'write', chunks: joinFlight(...clientAuth, ...handshake.seal(finished)) };
  const application = {
    sending: handshake.key('c ap traffic'),
    receiving: handshake.key('s ap traffic'),
    exporterSecret: schedule.derive('exp master'),
  };
  const ticketReceiver = receiverOf(handshake, options, { peer, resumed: true });
  return { ...application, peer, peerLimits: identity, resumed: true, ticketReceiver };
}

/**
 * Where tickets go that come on this connection. Not before the whole transcript is there, with both FINISHED: a secret
 * over less could be the same on two connections of an attacker in the middle (the triple handshake, T2).
 */
export function receiverOf(
  { schedule }: Handshake,
  { backend, keepTicket }: SealedClientOptions,
  of: { readonly peer: PeerKey; readonly resumed: boolean },
): TicketReceiver | undefined {
  return keepTicket && new TicketReceiver(backend, schedule.derive('res master'), of, keepTicket);
}

/** The next record of the server. */
export function* readRecord(handshake: Handshake): Handshaking<Uint8Array> {
  const record = yield* handshake.readRecord();
  if (record !== null) return record;
  throw new SecureSocketError(
    'HANDSHAKE_FAILED',
    'the server does not have the keys of this connection, or bytes were changed',
  );
}

/** SERVER_FINISHED in a record, once its MAC is right. */
export function checkFinished(handshake: Handshake, backend: Backend, record: Uint8Array): Uint8Array {
  const { message, mac } = readFinished(record);
  if (backend.equal(mac, handshake.schedule.finishedMac('s finished'))) return message;
  throw new SecureSocketError(
    'HANDSHAKE_FAILED',
    "the server's view of the handshake differs from this side's",
  );
}

function readFinished(record: Uint8Array): { message: Uint8Array; mac: Uint8Array } {
  try {
    const message = handshakeMessage(record);
    return { message, mac: decodeFinished(message, MessageType.serverFinished) };
  } catch (error) {
    if (!(error instanceof SecureSocketError)) throw error;
    throw new SecureSocketError('HANDSHAKE_FAILED', error.message, { cause: error });
  }
}
