import type { Backend } from '../../backend.js';
import { SecureSocketError } from '../../errors.js';
import { type Handshake, type Handshaking, handshakeMessage } from './handshake.js';
import { decodeFinished, MessageType } from './messages.js';

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
