import { randomBytes } from 'node:crypto';
import { type SecureClient, SecureSocketError } from '../../index.js';
import { closeCodes, stopOf } from './close-codes.js';
import type { StreamRelay } from './stream-relay.js';

// A stream of HTTP/2 costs more for bulk data than a sealed connection of its own, which each of few streams may have. A
// server that can do this tells its clients a token, in a PING when a session begins, which others leave unread. A client
// opens a connection, agrees on streams as for a carrier, and then sends the token and the number of the stream where a
// carrier has the preface of HTTP/2. The server answers with a message of no bytes, and both ends move (`StreamRelay`); or
// it closes with a code, if it has no such stream any more, and the stream goes on.

const NOTHING = new Uint8Array(0);

/** What a PING holds. */
const TOKEN_LENGTH = 8;

/** The preface of HTTP/2 begins with a P. */
const MOVE = 0;

function encodeMove(token: Uint8Array, id: number): Uint8Array {
  const message = Buffer.alloc(1 + TOKEN_LENGTH + 4, MOVE);
  message.set(token, 1);
  message.writeUInt32BE(id, 1 + TOKEN_LENGTH);
  return message;
}

/** Asks the server to move a stream to this connection, on which both have agreed on streams, and does so. */
export async function askToMove(
  sealed: SecureClient,
  relay: StreamRelay,
  token: Uint8Array,
  id: number,
): Promise<void> {
  relay.expectMove();
  try {
    await sealed.send(encodeMove(token, id));
    const answer = await sealed.recv();
    if (answer?.length === 0) moveTo(sealed, relay);
    else if (answer === null && sealed.closeCode === closeCodes.noMove) {
      relay.stay();
      await sealed.close();
    } else throw new Error('the server answered a request to move with something else');
  } catch (error) {
    // it may have moved, and then what its streams say means something else
    relay.cut(error);
    sealed.destroy();
  }
}

function moveTo(sealed: SecureClient, relay: StreamRelay): void {
  relay.move(sealed.toDuplex(), () => stopOf(sealed) === undefined);
}

/** The streams of a server's sessions that may move. */
export class MovableStreams {
  readonly #sessions = new Map<string, MovableSession>();

  /** Begins a session of a client. */
  begin(sealed: SecureClient): MovableSession {
    const token = randomBytes(TOKEN_LENGTH);
    const key = token.toString('hex');
    const session = { token, sealed, relays: new Map(), end: () => void this.#sessions.delete(key) };
    this.#sessions.set(key, session);
    return session;
  }

  /** Whether the first message on a connection asks to move a stream. If so, does that or refuses it. */
  async answer(sealed: SecureClient, first: Uint8Array): Promise<boolean> {
    if (first[0] !== MOVE) return false;
    const relay = this.#find(sealed, Buffer.from(first));
    if (relay === undefined || relay.isSettled) {
      await sealed.close({ code: closeCodes.noMove });
      return true;
    }
    await sealed.send(NOTHING);
    moveTo(sealed, relay);
    return true;
  }

  #find({ peer }: SecureClient, message: Buffer): StreamRelay | undefined {
    if (message.length !== 1 + TOKEN_LENGTH + 4)
      throw new SecureSocketError(
        'PROTOCOL',
        'the client asks to move a stream in a way that is not understood',
      );
    const session = this.#sessions.get(message.toString('hex', 1, 1 + TOKEN_LENGTH));
    // the token is known to the client of the session alone; the same key shows that it is the one that asks
    if (session === undefined || session.sealed.peer?.fingerprint !== peer?.fingerprint) return undefined;
    const id = message.readUInt32BE(1 + TOKEN_LENGTH);
    const relay = session.relays.get(id);
    session.relays.delete(id);
    return relay;
  }
}

/** A session of a server. */
export interface MovableSession {
  /** What its client is told. */
  readonly token: Uint8Array;
  readonly sealed: SecureClient;
  /** By the numbers of their streams. */
  readonly relays: Map<number, StreamRelay>;
  end(): void;
}
