/** What either end can do wrong on an open connection. */
import { describeWire, type Wire } from './misbehaving-peer.js';
import {
  concat,
  flip,
  frame,
  type Keys,
  message,
  record,
  type,
  u8,
  u16,
  u24,
  u32,
} from './misbehaving-peer-crypto.js';

/** A peer past its handshake. */
export interface OpenPeer {
  readonly wire: Wire;
  sending: Keys;
  receiving: Keys | undefined;
  /** The last flight of its own, as it was sent. */
  readonly lastFlight: Buffer;
}

/** As in the handshake; besides, the messages that the end may still deliver. */
export interface OpenMisbehaviour {
  readonly name: string;
  readonly code: string | null;
  readonly wire: string;
  readonly delivered?: readonly string[];
  readonly play: (peer: OpenPeer) => Promise<string>;
}

/** The longest message that the end takes, and the longest payload of its records. */
export const MAX_MESSAGE: number = 2 ** 20;
export const MAX_RECORD: number = 2 ** 16;

/** Bytes upon an open connection. */
const bytes =
  (of: (peer: OpenPeer) => Uint8Array): OpenMisbehaviour['play'] =>
  async (peer) =>
    describeWire(await peer.wire.send(of(peer)), peer.receiving);

const one = (kind: number, payload?: Uint8Array): OpenMisbehaviour['play'] =>
  bytes(({ sending }) => sending.seal(kind, payload));
const data = ({ sending }: OpenPeer, text: string): Buffer => sending.seal(record.data, frame(text));

const NOTHING = Buffer.alloc(0);
const pad = ({ sending }: OpenPeer, content: Uint8Array, zeros = 0): Buffer =>
  sending.seal(record.padded, concat(u24(content.length), content, Buffer.alloc(zeros)));

const againstTheRules: [string, OpenMisbehaviour['play']][] = [
  ['a record of 0 bytes', bytes(() => u24(0))],
  ['a record of 16 bytes', bytes(() => u24(16))],
  ['a record a byte beyond max_record', bytes(() => u24(MAX_RECORD + 18))],
  ['a record of 16 MiB', bytes(() => u24(2 ** 24 - 1))],
  ['a hello, to shake hands again', bytes(() => message(type.clientHello, Buffer.alloc(71)))],
  ['a handshake message in a record', one(record.handshake, message(type.clientFinished, Buffer.alloc(32)))],
  ['a record of type 0', one(0)],
  ['TICKET, which was not asked for', one(record.ticket, Buffer.alloc(30, 1))],
  ['a record of type 9', one(9)],
  ['a record of type 255 with a payload', one(255, u16(7))],
  ['DATA without a byte', one(record.data)],
  ['PING with a payload', one(record.ping, u8(1))],
  ['PONG with a payload', one(record.pong, u8(1))],
  [
    'KEY_UPDATE with a payload',
    bytes((peer) => concat(data(peer, 'x'), peer.sending.seal(record.keyUpdate, u8(0)))),
  ],
  ['CLOSE without a code', one(record.close)],
  ['CLOSE with one byte', one(record.close, u8(0))],
  ['CLOSE with a text', one(record.close, concat(u16(0), Buffer.from('bye')))],
  ['PADDED without a payload', one(record.padded)],
  ['PADDED of two bytes', one(record.padded, u16(0))],
  ['PADDED with a byte less than it announces', one(record.padded, concat(u24(2), u8(0)))],
  ['PADDED that announces 16 MiB', one(record.padded, concat(u24(2 ** 24 - 1), frame('x')))],
  ['PADDED a byte beyond max_record', one(record.padded, concat(u24(0), Buffer.alloc(MAX_RECORD - 2)))],
  [
    'KEY_UPDATE as the first record behind one, with cover traffic before',
    bytes((peer) => concat(pad(peer, NOTHING), updateKey(peer), updateKey(peer))),
  ],
  ['KEY_UPDATE as the first record', one(record.keyUpdate)],
  ['KEY_UPDATE twice', bytes((peer) => concat(data(peer, 'x'), updateKey(peer), updateKey(peer)))],
];

const unreadable: [string, OpenMisbehaviour['play']][] = [
  ['a changed byte', bytes((peer) => flip(data(peer, 'x'), 5))],
  ['a changed tag', bytes((peer) => flip(data(peer, 'x'), -1))],
  ['a changed zero of PADDED', bytes((peer) => flip(pad(peer, frame('x'), 30), 25))],
  ['PADDED without its zeros', bytes((peer) => shorten(pad(peer, frame('x'), 30)))],
  ['a changed length', bytes((peer) => concat(flip(data(peer, 'abc'), 2), u8(0)))],
  ['a record left out', bytes((peer) => data(peer, 'lost') && data(peer, 'x'))],
  ['records in another order', bytes((peer) => concat(...[data(peer, 'a'), data(peer, 'b')].reverse()))],
  ['random bytes of a right length', bytes(() => concat(u24(20), Buffer.alloc(20, 0x5a)))],
  ['the last flight of the handshake again', bytes(({ lastFlight }) => lastFlight)],
  [
    'the keys of the other direction',
    async (peer) => {
      const pong = await peer.wire.send(peer.sending.seal(record.ping));
      return describeWire(await peer.wire.send(pong), peer.receiving);
    },
  ],
  ['a new key that was not announced', bytes((peer) => peer.sending.next().seal(record.data, frame('x')))],
  [
    'the old key after a KEY_UPDATE',
    bytes((peer) => {
      const old = peer.sending;
      return concat(data(peer, 'x'), updateKey(peer), old.seal(record.data, frame('y')));
    }),
  ],
];

/** A record without the last 16 bytes of its ciphertext, and a length that fits. */
function shorten(sealed: Buffer): Buffer {
  return concat(u24(sealed.length - 19), sealed.subarray(3, -32), sealed.subarray(-16));
}

const tooBig: [string, OpenMisbehaviour['play']][] = [
  ['a message a byte beyond max_message', one(record.data, u32(MAX_MESSAGE + 1))],
  ['a message a byte beyond max_message, in PADDED', bytes((peer) => pad(peer, u32(MAX_MESSAGE + 1), 30))],
  ['a message of 4 GiB', one(record.data, u32(2 ** 32 - 1))],
  ['a message of 2 GiB, a negative number to the careless', one(record.data, u32(2 ** 31))],
  [
    'a message beyond max_message, its length in two records',
    bytes(({ sending }) =>
      concat(
        sending.seal(record.data, Buffer.from([0x7f, 0xff])),
        sending.seal(record.data, Buffer.from([0xff, 0xff])),
      ),
    ),
  ],
];

const unfinishedInPadded: [string, OpenMisbehaviour['play']][] = [
  [
    'CLOSE 0 inside a message that began in PADDED',
    bytes((peer) => concat(pad(peer, concat(u32(5), u8(1)), 20), peer.sending.seal(record.close, u16(0)))),
  ],
  [
    'a message whose rest stands in the zeros of PADDED',
    bytes(({ sending }) =>
      concat(sending.seal(record.padded, concat(u24(5), frame('hello'))), sending.seal(record.close, u16(0))),
    ),
  ],
];

const unfinished: [string, OpenMisbehaviour['play']][] = [
  [
    'CLOSE 0 inside a message',
    bytes(({ sending }) =>
      concat(sending.seal(record.data, concat(u32(5), u8(1))), sending.seal(record.close, u16(0))),
    ),
  ],
  [
    'CLOSE 1 inside the length of a message',
    bytes(({ sending }) =>
      concat(sending.seal(record.data, Buffer.alloc(3)), sending.seal(record.close, u16(1))),
    ),
  ],
  [
    'CLOSE of an application inside a message',
    bytes(({ sending }) =>
      concat(sending.seal(record.data, u32(1)), sending.seal(record.close, u16(0x4000))),
    ),
  ],
  [
    'the end of the stream without CLOSE',
    async ({ wire, receiving }) => describeWire(await wire.end(), receiving),
  ],
  [
    'the end of the stream inside a record',
    async (peer) => {
      await peer.wire.send(data(peer, 'x').subarray(0, 9));
      return describeWire(await peer.wire.end(), peer.receiving);
    },
  ],
  [
    'the end of the stream inside a message',
    async ({ wire, sending, receiving }) => {
      await wire.send(sending.seal(record.data, concat(u32(9), u8(1))));
      return describeWire(await wire.end(), receiving);
    },
  ],
];

const closed = [2, 3, 4, 5, 6, 7, 0x3fff];

/** All of them. */
export const whenOpen: readonly OpenMisbehaviour[] = [
  ...againstTheRules.map(([name, play]) => ({ name, code: 'PROTOCOL', wire: 'CLOSE 6', play })),
  ...unreadable.map(([name, play]) => ({ name, code: 'DECRYPT_FAILED', wire: 'nothing', play })),
  ...tooBig.map(([name, play]) => ({ name, code: 'MESSAGE_TOO_BIG', wire: 'CLOSE 3', play })),
  ...[...unfinished, ...unfinishedInPadded].map(([name, play]) => ({
    name,
    code: 'TRUNCATED',
    wire: 'nothing',
    play,
  })),
  ...closed.map((code) => ({
    ...{ name: `CLOSE ${code}`, code: 'PEER_CLOSED', wire: 'CLOSE 0', play: one(record.close, u16(code)) },
  })),
  {
    ...{ name: 'CLOSE 5 inside a message', code: 'PEER_CLOSED', wire: 'CLOSE 0', delivered: ['whole'] },
    play: bytes(({ sending }) =>
      concat(sending.seal(record.data, concat(frame('whole'), u32(9))), sending.seal(record.close, u16(5))),
    ),
  },
  {
    ...{ name: 'messages, and one beyond the limit behind them', code: 'MESSAGE_TOO_BIG', wire: 'CLOSE 3' },
    delivered: ['one', 'two'],
    play: one(record.data, concat(frame('one'), frame('two'), u32(MAX_MESSAGE + 1), Buffer.from('three'))),
  },
  {
    ...{
      name: 'messages, and a changed record behind them',
      code: 'DECRYPT_FAILED',
      wire: 'nothing',
      delivered: ['one'],
    },
    play: bytes((peer) => concat(data(peer, 'one'), flip(data(peer, 'two'), -1))),
  },
  {
    ...{ name: 'data after CLOSE is discarded', code: null, wire: 'nothing', delivered: ['one'] },
    play: bytes((peer) =>
      concat(data(peer, 'one'), peer.sending.seal(record.close, u16(0)), data(peer, 'two'), Buffer.alloc(50)),
    ),
  },
  { name: 'a PONG that was not asked for is ignored', code: null, wire: 'nothing', play: one(record.pong) },
  {
    ...{ name: 'a PING inside a message is answered', code: null, wire: 'pong', delivered: ['ping'] },
    play: bytes(({ sending }) =>
      concat(
        sending.seal(record.data, frame('ping').subarray(0, 5)),
        sending.seal(record.ping),
        sending.seal(record.data, frame('ping').subarray(5)),
      ),
    ),
  },
  {
    ...{ name: 'a KEY_UPDATE after every record is followed', code: null, wire: 'nothing' },
    delivered: Array.from({ length: 50 }, (_, i) => `${i}`),
    play: bytes((peer) =>
      concat(...Array.from({ length: 50 }, (_, i) => concat(data(peer, `${i}`), updateKey(peer)))),
    ),
  },
  {
    ...{ name: 'PADDED with something else than zeros is taken', code: null, wire: 'nothing' },
    delivered: ['whole'],
    play: bytes(({ sending }) =>
      sending.seal(record.padded, concat(u24(9), frame('whole'), Buffer.alloc(50, 0xff))),
    ),
  },
  {
    ...{ name: 'a message over PADDED and DATA is put together', code: null, wire: 'nothing' },
    delivered: ['padded', ''],
    play: bytes((peer) =>
      concat(
        pad(peer, frame('padded').subarray(0, 2), 30),
        peer.sending.seal(record.data, frame('padded').subarray(2, 7)),
        pad(peer, NOTHING, 100),
        pad(peer, concat(frame('padded').subarray(7), frame('')), 1),
      ),
    ),
  },
  {
    ...{ name: 'cover traffic is nothing, and the largest record of it is taken', code: null, wire: 'pong' },
    play: bytes((peer) =>
      concat(
        ...Array.from({ length: 50 }, () => pad(peer, NOTHING, 7)),
        pad(peer, NOTHING, MAX_RECORD - 3),
        peer.sending.seal(record.ping),
      ),
    ),
  },
  {
    ...{
      name: 'a record for every byte is put together',
      code: null,
      wire: 'nothing',
      delivered: ['slowly', ''],
    },
    play: bytes(({ sending }) =>
      concat(...[...concat(frame('slowly'), frame(''))].map((byte) => sending.seal(record.data, u8(byte)))),
    ),
  },
];

/** A KEY_UPDATE, upon which the peer goes on with the next key. */
function updateKey(peer: OpenPeer): Buffer {
  const announcement = peer.sending.seal(record.keyUpdate);
  peer.sending = peer.sending.next();
  return announcement;
}
