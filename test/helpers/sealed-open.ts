import { createHash } from 'node:crypto';
import { node } from '../../backends/node.js';
import type { AeadName, Backend } from '../../src/backend.js';
import type { Established, Handshaking } from '../../src/core/sealed/handshake.js';
import { type OpenOptions, sealedConnection } from '../../src/core/sealed/open.js';
import { RecordType, TrafficKey } from '../../src/core/sealed/records.js';
import type { TicketReceiver } from '../../src/core/sealed/resumption.js';
import { Recorder } from './recorder.js';
import { MAX_MESSAGE, MAX_RECORD } from './sealed-ends.js';

/** The traffic secret of both directions where a test does not care. */
export const SECRET: Uint8Array = new Uint8Array(32).fill(7);

/** What a test wants otherwise. */
export interface OpenWishes extends Partial<OpenOptions> {
  readonly backend?: Backend;
  readonly secret?: Uint8Array;
  readonly cipher?: AeadName;
  /** The count of records received before. */
  readonly sequence?: number;
  readonly peerMaxMessage?: number;
  readonly peerMaxRecord?: number;
  /** What takes the tickets that the end asked for; absent: it asked for none. */
  readonly ticketReceiver?: TicketReceiver;
}

/** An end that is open from the start, with given secrets in place of a handshake. */
export function openEnd(wishes: OpenWishes = {}): Recorder {
  const backend = wishes.backend ?? node;
  const end = new Recorder(
    sealedConnection(() => establish(backend, wishes), {
      ...{ backend, maxMessage: MAX_MESSAGE, maxRecord: MAX_RECORD, ...wishes },
    }),
  );
  end.session.start();
  return end;
}

function* establish(backend: Backend, wishes: OpenWishes): Handshaking<Established> {
  const { secret = SECRET, cipher = 'aesGcm' } = wishes;
  yield { type: 'write', chunks: [] };
  return {
    ...(wishes.ticketReceiver && { ticketReceiver: wishes.ticketReceiver }),
    ...{ suite: 'X25519', peer: null, resumed: false, exporterSecret: SECRET },
    sending: new TrafficKey(backend, cipher, secret.slice()),
    receiving: new TrafficKey(backend, cipher, secret.slice(), wishes.sequence),
    peerLimits: {
      maxMessage: wishes.peerMaxMessage ?? MAX_MESSAGE,
      maxRecord: wishes.peerMaxRecord ?? MAX_RECORD,
    },
  };
}

/** The peer of such an end: seals what it is told to. */
export class RecordPeer {
  readonly key: TrafficKey = new TrafficKey(node, 'aesGcm', SECRET.slice());

  record(type: number, payload: Uint8Array = new Uint8Array(0)): Uint8Array {
    const sealed = Buffer.concat(this.key.seal([Uint8Array.of(type), payload], 1 + payload.length));
    if (type === RecordType.keyUpdate) this.key.update();
    return new Uint8Array(sealed);
  }
}

/** Messages as their lengths and hashes: long ones are compared a thousand times faster so. */
export function digests(messages: readonly Uint8Array[]): string[] {
  return messages.map((message) => `${message.length} ${createHash('sha256').update(message).digest('hex')}`);
}
