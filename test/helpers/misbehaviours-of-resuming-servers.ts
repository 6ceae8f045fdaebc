/** What a server can do wrong to a client that offers a ticket, and with the tickets that it gives (T3, T4). */

import { describeWire, PeerServer, type ServerLies } from './misbehaving-peer.js';
import {
  concat,
  flip,
  frame,
  type Keys,
  lowOrderPoints,
  message,
  record,
  spkiOf,
  u8,
  u16,
  vec16,
} from './misbehaving-peer-crypto.js';
import { ResumingServer, type ResumingServerLies, ticketPayload } from './misbehaving-peer-resuming.js';
import { changeByte, extension, extensions, type TestKeys } from './misbehaviour.js';
import type { ResumptionMisbehaviour, Stage } from './misbehaviours-in-resumption.js';

/** The same for a client; `offers` says whether it has a ticket. */
export type ClientMisbehaviour = Omit<ResumptionMisbehaviour, 'setUp'> & {
  /** Default true. */
  readonly offers?: boolean;
  /** Whether it asks for tickets; default true. */
  readonly asks?: boolean;
  /** How many tickets it has kept in the end; none if absent. */
  readonly kept?: number;
};

type Play = ResumptionMisbehaviour['play'];

const NOTHING = Buffer.alloc(0);
const accepted = extension(0xfffe);

/** A flight that resumes, with lies. */
const resumeWith =
  (
    lies: ResumingServerLies | ((keys: TestKeys) => ResumingServerLies),
    of?: (stage: Stage) => Buffer,
  ): Play =>
  async (stage) => {
    const hello = await stage.wire.send(NOTHING);
    const told = typeof lies === 'function' ? lies(stage.keys) : lies;
    const server = new ResumingServer(stage.wire, of?.(stage) ?? stage.grant().psk, told);
    return describeWire(await stage.wire.send(server.answer(hello)), undefined);
  };

/** A full handshake that does not go on as it should. */
const full =
  (lies: ServerLies, key: keyof TestKeys = 'server'): Play =>
  async ({ wire, keys }) => {
    const server = new PeerServer(wire, keys[key], lies);
    return describeWire(await server.accept(await wire.send(NOTHING)), undefined);
  };

const rules: [string, Play][] = [
  ['RESUME with content', resumeWith({ extensions: extensions(extension(0xfffe, 'x')) })],
  ['RESUME twice', resumeWith({ extensions: extensions(accepted, accepted) })],
  ['RESUME before a smaller number', resumeWith({ extensions: extensions(accepted, extension(7)) })],
  ['a suite that was not offered', resumeWith({ suite: 0x0104 })],
  ['a suite that does not exist', resumeWith({ suite: 0x0201 })],
  ...lowOrderPoints
    .slice(0, 2)
    .map((share): [string, Play] => [`the low-order key ${share.toString('hex')}`, resumeWith({ share })]),
  ['SERVER_IDENTITY with its key', resumeWith(({ server }) => ({ spki: spkiOf(server) }))],
  ['SERVER_IDENTITY with one byte for a key', resumeWith({ spki: u8(0) })],
  [
    'SERVER_IDENTITY with a byte too many',
    resumeWith({ identity: (good) => message(3, good.subarray(8), u8(0)) }),
  ],
  [
    'SERVER_IDENTITY with max_message 1023',
    resumeWith({ identity: (good) => changeByte(changeByte(good, 9, 0), 11, 0) }),
  ],
  ['SERVER_FINISHED in its place', resumeWith({ records: ({ finished }) => finished() })],
  [
    'data in place of SERVER_IDENTITY',
    resumeWith({ records: (_, { keys }) => (keys as [Keys, Keys])[0].seal(record.data, frame('early')) }),
  ],
];

/** What a server without the ticket's secret would send, or one that saw another handshake. */
const unproven: [string, Play][] = [
  ['a server that cannot read the ticket', resumeWith({}, () => Buffer.alloc(32))],
  [
    'the secret of another ticket',
    resumeWith({}, (stage) => Buffer.from(stage.grant().psk.map((byte) => byte ^ 1))),
  ],
  ['the secret without that of X25519 (mutr_nodh)', resumeWith({ dh: Buffer.alloc(32) })],
  [
    'another hello than was sent',
    async (stage) => {
      const hello = await stage.wire.send(NOTHING);
      const lies = { seenHello: flip(hello, 9) };
      const server = new ResumingServer(stage.wire, stage.grant().psk, lies);
      return describeWire(await stage.wire.send(server.answer(hello)), undefined);
    },
  ],
  ['the cipher of another suite', cipherOfAnother()],
  ['SERVER_FINISHED with a wrong MAC', resumeWith({ finished: (good) => flip(good, -1) })],
  [
    'SERVER_FINISHED with the MAC that a client makes',
    resumeWith({ finished: (_, { schedule }) => message(7, schedule.finishedMac('c finished')) }),
  ],
  [
    'SERVER_FINISHED with a MAC over the hellos only',
    resumeWith({
      finished: (_, { schedule }) =>
        message(7, schedule.finishedMac('s finished', schedule.transcript.subarray(0, -29))),
    }),
  ],
  ['SERVER_FINISHED as CLIENT_FINISHED', resumeWith({ finished: (good) => message(6, good.subarray(8)) })],
  ['SERVER_FINISHED a byte short', resumeWith({ finished: (good) => message(7, good.subarray(8, -1)) })],
  [
    'SERVER_FINISHED with a changed tag',
    resumeWith({ records: ({ identity, finished }) => concat(identity(), flip(finished(), -1)) }),
  ],
  ['SERVER_IDENTITY twice', resumeWith({ records: ({ identity }) => concat(identity(), identity()) })],
  [
    'data before SERVER_FINISHED',
    resumeWith({
      records: ({ identity, finished }, { keys }) =>
        concat(identity(), (keys as [Keys, Keys])[0].seal(record.data, frame('early')), finished()),
    }),
  ],
  [
    'CLOSE in place of SERVER_FINISHED',
    resumeWith({
      records: ({ identity }, { keys }) =>
        concat(identity(), (keys as [Keys, Keys])[0].seal(record.close, u16(2))),
    }),
  ],
];

function cipherOfAnother(): Play {
  return async (stage) => {
    const cipher = stage.wire.suite === 0x0103 ? 'aes-256-gcm' : 'chacha20-poly1305';
    return await resumeWith({ cipher })(stage);
  };
}

/** A connection that was resumed, and some records of its server. */
const sendWhenOpen =
  (records: (sending: Keys) => Buffer): Play =>
  async (stage) => {
    const server = new ResumingServer(stage.wire, stage.grant().psk);
    await server.accept(await stage.wire.send(NOTHING));
    return describeWire(await stage.wire.send(records(server.sending as Keys)), server.receiving);
  };

const ticket = (sending: Keys, fields: Parameters<typeof ticketPayload>[0] = {}): Buffer =>
  sending.seal(record.ticket, ticketPayload(fields));
const tickets = (sending: Keys, count: number): Buffer =>
  concat(...Array.from({ length: count }, (_, i) => ticket(sending, { nonce: Buffer.alloc(8, i) })));

const badTickets: [string, (sending: Keys) => Buffer, number?][] = [
  ['a fifth ticket', (sending) => tickets(sending, 5), 4],
  ['a nonce twice', (sending) => concat(ticket(sending), ticket(sending)), 1],
  ['a lifetime of no seconds', (sending) => ticket(sending, { seconds: 0 })],
  ['a lifetime of a day and a second', (sending) => ticket(sending, { seconds: 86_401 })],
  ['a lifetime of 2^32-1 seconds', (sending) => ticket(sending, { seconds: 2 ** 32 - 1 })],
  ['a ticket of no bytes', (sending) => ticket(sending, { ticket: NOTHING })],
  ['a ticket of 2049 bytes', (sending) => ticket(sending, { ticket: Buffer.alloc(2049) })],
  ['TICKET without a payload', (sending) => sending.seal(record.ticket)],
  ['TICKET cut short', (sending) => sending.seal(record.ticket, ticketPayload().subarray(0, -1))],
  ['TICKET with a byte too many', (sending) => sending.seal(record.ticket, concat(ticketPayload(), u8(0)))],
];

/** A server that gives a ticket that was not asked for, behind either handshake. */
const acceptUnasked: Play = async (stage) => {
  const server = new PeerServer(stage.wire, stage.keys.server);
  await server.accept(await stage.wire.send(NOTHING));
  return describeWire(await stage.wire.send(ticket(server.sending)), server.receiving);
};

const CLOSED = { code: 'PROTOCOL', wire: 'CLOSE 6', opened: 'resumed' } as const;
const TAKEN = { code: null, opened: 'resumed' } as const;

const tolerated: ClientMisbehaviour[] = [
  ...[0, 1, 2].map((mode) => ({
    ...{ name: `tolerated: the mode ${mode} of client authentication, which says nothing here` },
    ...{ ...TAKEN, wire: 'handshake, handshake', play: handshake({ mode }) },
  })),
  {
    ...{ name: 'tolerated: an unknown extension before RESUME', ...TAKEN, wire: 'handshake, handshake' },
    play: handshake({ extensions: extensions(extension(7, 'x'), accepted) }),
  },
  {
    ...{ name: 'tolerated: a ticket inside a message, and four of them', ...TAKEN, wire: 'nothing' },
    ...{ delivered: ['whole'], kept: 4 },
    play: sendWhenOpen((sending) =>
      concat(
        sending.seal(record.data, frame('whole').subarray(0, 6)),
        tickets(sending, 4),
        sending.seal(record.data, frame('whole').subarray(6)),
      ),
    ),
  },
  {
    ...{ name: 'tolerated: a full handshake in answer to a ticket', code: null, wire: 'handshake 3 records' },
    ...{ opened: 'full', play: fullAnswer() },
  },
];

/** The client's second flight, as its peer sees it. */
function handshake(lies: ResumingServerLies): Play {
  return async (stage) => {
    const server = new ResumingServer(stage.wire, stage.grant().psk, lies);
    const written = await stage.wire.send(server.answer(await stage.wire.send(NOTHING)));
    const seen = describeWire(written, server.keys?.[1]);
    return seen;
  };
}

function fullAnswer(): Play {
  return async ({ wire, keys }) => {
    const server = new PeerServer(wire, keys.server);
    await server.accept(await wire.send(NOTHING));
    let count = 0;
    for (let rest = server.clientFlight; rest.length > 0; rest = rest.subarray(3 + rest.readUIntBE(0, 3)))
      count++;
    return `handshake ${count} records`;
  };
}

/** All of them. */
export const resumingServers: readonly ClientMisbehaviour[] = [
  ...rules.map(([name, play]) => ({ ...expectedFailure('PROTOCOL'), name, play })),
  ...unproven.map(([name, play]) => ({ ...expectedFailure('HANDSHAKE_FAILED'), name, play })),
  {
    ...{ ...expectedFailure('PROTOCOL'), name: 'RESUME that was not offered', offers: false },
    play: resumeWith({}, () => Buffer.alloc(32)),
  },
  {
    ...{
      ...expectedFailure('UNTRUSTED_SERVER'),
      name: 'a full handshake of another server in answer to a ticket',
    },
    play: full({}, 'other'),
  },
  {
    ...{ ...expectedFailure('HANDSHAKE_FAILED'), name: 'RESUME, and then a full handshake with its key' },
    play: full({ hello: { extensions: vec16(accepted) } }),
  },
  {
    ...{
      ...expectedFailure('PROTOCOL'),
      name: 'RESUME that was not offered, and a full handshake',
      offers: false,
    },
    play: full({ hello: { extensions: vec16(accepted) } }),
  },
  ...badTickets.map(([name, records, kept = 0]) => ({ ...CLOSED, name, kept, play: sendWhenOpen(records) })),
  {
    ...CLOSED,
    name: 'a ticket that was not asked for',
    asks: false,
    play: sendWhenOpen((sending) => ticket(sending)),
  },
  {
    ...{ ...CLOSED, name: 'a ticket that was not asked for, behind a full handshake', opened: 'full' },
    ...{ asks: false, offers: false, play: acceptUnasked },
  },
  ...tolerated,
];

function expectedFailure(code: string): { code: string; wire: string; opened: 'no' } {
  return { code, wire: 'nothing', opened: 'no' };
}
