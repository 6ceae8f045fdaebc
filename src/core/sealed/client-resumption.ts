import type { Backend } from '../../backend.js';
import type { PeerKey } from '../script.js';
import { malformedMessage } from './codec.js';
import { type Established, type Handshake, type Handshaking, handshakeMessage } from './handshake.js';
import { joinFlight } from './later.js';
import { decodeServerIdentity, encodeClientAuth, encodeFinished, MessageType } from './messages.js';
import type { OpenOptions } from './open.js';
import { binderOf, type HeldTicket, type IssuedTicket, TicketReceiver } from './resumption.js';
import { checkFinished, readRecord } from './server-flight.js';

/** Where a client has its tickets. */
export interface TicketStore {
  /** Takes a ticket of a server that is trusted now out of where they are kept, if there is one. */
  readonly takeTicket?: (() => HeldTicket | undefined) | undefined;
  /** Keeps tickets; absent: none are asked for. */
  readonly keepTicket?: ((ticket: IssuedTicket) => void) | undefined;
}

/** A client's tickets, and all that it does with them: code that a client without sessions does not load. */
export interface ClientResumption {
  /** Whether tickets are asked for. */
  readonly wantsTickets: boolean;
  /** A ticket to offer, if there is one. */
  take(): ResumptionOffer | undefined;
  /**
   * Where tickets go that come on this connection. Not before the whole transcript is there, with both FINISHED: a
   * secret over less could be the same on two connections of an attacker in the middle (the triple handshake, T2).
   */
  receiverOf(handshake: Handshake, backend: Backend, of: Origin): TicketReceiver | undefined;
}

/** A ticket that is offered. */
export interface ResumptionOffer extends HeldTicket {
  /** T2: proves that this side has the secret; over all of CLIENT_HELLO but its last bytes. */
  binder(backend: Backend, hello: Uint8Array): Uint8Array;
  /** T3: the rest of the handshake, once the server has accepted the ticket. */
  resume(handshake: Handshake, options: OpenOptions): Handshaking<Omit<Established, 'suite'>>;
}

interface Origin {
  readonly peer: PeerKey;
  readonly resumed: boolean;
}

/** What a client does with the tickets of a store. */
export function clientResumption({ takeTicket, keepTicket }: TicketStore): ClientResumption {
  const receiverOf: ClientResumption['receiverOf'] = ({ schedule }, backend, of) =>
    keepTicket && new TicketReceiver(backend, schedule.derive('res master'), of, keepTicket);
  const offer = (held: HeldTicket): ResumptionOffer => ({
    ...held,
    binder: (backend, hello) => binderOf(backend, held.psk, hello),
    *resume(handshake, options) {
      const established = yield* resume(handshake, options, held.peer);
      return { ...established, ticketReceiver: receiverOf(handshake, options.backend, established) };
    },
  });
  return {
    wantsTickets: keepTicket !== undefined,
    take() {
      const held = takeTicket?.();
      return held && offer(held);
    },
    receiverOf,
  };
}

/**
 * T3: the rest of a resumed handshake, which needs no RSA key: the ticket's secret is the proof. There is no refusal in
 * it: a server that does not let the client in does not accept the ticket.
 */
function* resume(
  handshake: Handshake,
  options: OpenOptions,
  peer: PeerKey,
): Handshaking<Omit<Established, 'suite'> & Origin> {
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
  return { ...application, peer, peerLimits: identity, resumed: true };
}
