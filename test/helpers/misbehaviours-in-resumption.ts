/**
 * What a client can do wrong to a server with a ticket, and what a server has to make of a ticket (T1 to T5). One file,
 * because it is one table.
 */

import { type ClientLies, describeWire, PeerClient, type Wire } from './misbehaving-peer.js';
import {
  binder,
  concat,
  flip,
  frame,
  type Keys,
  lowOrderPoints,
  message,
  oaep,
  pss,
  record,
  signatureInput,
  spkiOf,
  type,
  u8,
  u16,
  u32,
  vec16,
} from './misbehaving-peer-crypto.js';
import {
  confirm,
  type Grant,
  isAccepted,
  makeResumingHello,
  type ResumingFlightLies,
  type ResumingHelloLies,
  resume,
  ticketPayload,
  ticketsIn,
} from './misbehaving-peer-resuming.js';
import { changeByte, extension, type TestKeys } from './misbehaviour.js';

/** Which ticket: one of the server under test, anonymous and made now, unless something else is said. */
export interface GrantOf {
  readonly secondsAgo?: number;
  /** The key that the client proved. */
  readonly spki?: Buffer;
  /** That of a server with another RSA key, under the same ticket key. */
  readonly isOfOtherServer?: boolean;
  /** Under a ticket key that the server under test does not have. */
  readonly isUnderOtherKey?: boolean;
}

/** What a play about tickets has at hand. */
export interface Stage {
  readonly wire: Wire;
  readonly keys: TestKeys;
  readonly grant: (of?: GrantOf) => Grant;
  /** Another server like the one under test. */
  readonly connect: () => Wire;
}

/** As in a full handshake; besides, what kind of connection there is then. */
export interface ResumptionMisbehaviour {
  readonly name: string;
  readonly code: string | null;
  readonly wire: string;
  readonly opened: 'resumed' | 'full' | 'no';
  readonly delivered?: readonly string[];
  readonly setUp?: 'refusing' | 'failing' | 'clients none' | 'clients required' | 'without tickets';
  readonly play: (stage: Stage) => Promise<string>;
}

type Play = ResumptionMisbehaviour['play'];

/** A hello with a ticket, and nothing else. */
const hello =
  (lies: ResumingHelloLies | ((grant: Grant, stage: Stage) => ResumingHelloLies), of?: GrantOf): Play =>
  async (stage) => {
    const grant = stage.grant(of);
    const client = new PeerClient(stage.wire);
    const told = typeof lies === 'function' ? lies(grant, stage) : lies;
    return describeWire(await stage.wire.send(makeResumingHello(client, grant, told)), undefined);
  };

/** A ticket that the server accepts, and a second flight. */
const flight =
  (lies: ResumingFlightLies | ((client: PeerClient, stage: Stage) => ResumingFlightLies)): Play =>
  async (stage) => {
    const grant = stage.grant();
    const client = new PeerClient(stage.wire);
    await resume(client, grant, makeResumingHello(client, grant));
    const written = await confirm(client, typeof lies === 'function' ? lies(client, stage) : lies);
    return describeWire(written, client.receiving);
  };

/** A ticket that the server does not accept, and the full handshake that follows. */
const inFull =
  (of: (stage: Stage) => Grant, lies: (stage: Stage) => ClientLies = () => ({})): Play =>
  async (stage) => {
    const client = new PeerClient(stage.wire);
    await client.greet(makeResumingHello(client, of(stage)));
    if (isAccepted(client.serverFlight)) return 'the ticket is accepted';
    const written = await client.prove(lies(stage));
    // tickets that follow are under other keys
    const first = written.subarray(0, 3 + written.readUIntBE(0, 3));
    return describeWire(first, client.authKeys?.[1]);
  };

const withTicket = (grant: Grant, change: (ticket: Buffer) => Buffer): Grant => ({
  ...{ psk: grant.psk, ticket: change(grant.ticket) },
});

/** With a ticket that the server cannot read, so that no binder is checked: the form alone is wrong. */
const sendMalformed = (lies: Parameters<typeof hello>[0]): Play => hello(lies, { isUnderOtherKey: true });

const unknownSecret = ({ ticket }: Grant): Grant => ({ ticket, psk: Buffer.alloc(32) });

const hellos: [string, Play][] = [
  ['TICKET_REQUEST with content', sendMalformed({ request: u8(0) })],
  ['a ticket of no bytes', sendMalformed({ ticket: vec16(Buffer.alloc(0)) })],
  ['a ticket of 2049 bytes', sendMalformed({ ticket: vec16(Buffer.alloc(2049)) })],
  [
    'a ticket that ends behind its extension',
    sendMalformed(({ ticket }) => ({ ticket: concat(u16(999), ticket) })),
  ],
  ['RESUME with a byte too many', sendMalformed({ binder: (good) => concat(good, u8(0)) })],
  ['RESUME with a byte too few', sendMalformed({ binder: (good) => good.subarray(1) })],
  ['RESUME without a binder', sendMalformed({ binder: () => Buffer.alloc(0) })],
  ['RESUME that is not the last extension', sendMalformed({ after: extension(0xffff) })],
  ['RESUME before another extension', sendMalformed({ after: extension(7) })],
  ['RESUME twice', sendMalformed((grant) => ({ before: extensionOf(grant) }))],
  ...lowOrderPoints
    .slice(0, 2)
    .map((share): [string, Play] => [
      `a ticket with the low-order key ${share.toString('hex')}`,
      sendMalformed({ share }),
    ]),
];

function extensionOf({ ticket }: Grant): Buffer {
  return concat(u16(0xfffe), vec16(concat(vec16(ticket), Buffer.alloc(32))));
}

const binders: [string, Play][] = [
  ['a changed binder', hello({ binder: (good) => flip(good, 31) })],
  ['a binder of zeros', hello({ binder: () => Buffer.alloc(32) })],
  ['the binder of another ticket', binderWith((stage) => stage.grant().psk)],
  ['a binder made with zeros in place of the secret', binderWith(() => Buffer.alloc(32))],
  ['a binder under another label', hello(({ psk }) => ({ binder: (_, all) => own(psk, all, 'ext binder') }))],
  ['a binder over the hello with its place', hello(({ psk }) => ({ binder: (_, all) => binder(psk, all) }))],
  [
    'a binder over the hello without its frame',
    hello(({ psk }) => ({ binder: (_, all) => binder(psk, all.subarray(8, -32)) })),
  ],
  [
    'a binder over less of the hello',
    hello(({ psk }) => ({ binder: (_, all) => binder(psk, all.subarray(0, -33)) })),
  ],
  [
    'the binder of another hello',
    hello((grant, stage) => ({
      binder: () => makeResumingHello(new PeerClient(stage.wire), grant).subarray(-32),
    })),
  ],
  [
    'a hello that was changed behind the making of its binder',
    async (stage) => {
      const good = makeResumingHello(new PeerClient(stage.wire), stage.grant());
      return describeWire(await stage.wire.send(flip(good, 20)), undefined);
    },
  ],
  [
    'a ticket whose secret was derived before SERVER_FINISHED',
    async (stage) => {
      const first = new PeerClient(stage.connect());
      await first.greet(first.hello({ extensions: vec16(extension(0xff01)) }));
      const written = await first.prove();
      const before = first.schedule.transcript;
      first.finish(written);
      const [grant] = ticketsIn(first, written.subarray(3 + written.readUIntBE(0, 3)));
      const psk = first.schedule.ticketSecret(Buffer.alloc(8), before);
      const bad = makeResumingHello(new PeerClient(stage.wire), { ticket: grant?.ticket as Buffer, psk });
      return describeWire(await stage.wire.send(bad), undefined);
    },
  ],
];

function own(psk: Buffer, all: Buffer, label: string): Buffer {
  return binder(psk, all.subarray(0, -32), label);
}

function binderWith(psk: (stage: Stage) => Buffer): Play {
  return hello((_, stage) => ({ binder: (__, all) => binder(psk(stage), all.subarray(0, -32)) }));
}

/** Flights that break the rules under the right keys; there is no CLOSE under the keys of the handshake. */
const rules: [string, Play][] = [
  [
    'CLIENT_AUTH that shows a key, with its signature',
    flight((client, { keys }) => ({ auth: () => proof(client, keys) })),
  ],
  [
    'CLIENT_AUTH that shows a key anonymously',
    flight((_, { keys }) => ({ auth: () => clientAuth(0, spkiOf(keys.client)) })),
  ],
  ['CLIENT_AUTH with a signature of no key', flight({ auth: () => clientAuth(0, Buffer.alloc(0), u8(1)) })],
  ['CLIENT_AUTH of an unknown mode', flight({ auth: (good) => changeByte(good, 16, 2) })],
  ['CLIENT_AUTH with a byte too many', flight({ auth: (good) => message(5, good.subarray(8), u8(0)) })],
  ['CLIENT_AUTH with max_record 16383', flight({ auth: (good) => changeByte(good, 14, 0x3f) })],
  ['CLIENT_AUTH left out', flight({ records: ({ finished }) => finished() })],
  ['CLIENT_AUTH twice', flight({ records: ({ auth }) => concat(auth(), auth()) })],
  [
    'CLIENT_KEY in place of CLIENT_AUTH',
    flight((client, { keys }) => ({
      records: () =>
        handshakeKeys(client).seal(
          record.handshake,
          message(type.clientKey, vec16(oaep(spkiOf(keys.server), Buffer.alloc(32)))),
        ),
    })),
  ],
  [
    'data in place of CLIENT_AUTH',
    flight({ records: (_, client) => handshakeKeys(client).seal(record.data, frame('early')) }),
  ],
  [
    'data in place of CLIENT_FINISHED',
    flight({
      records: ({ auth }, client) => concat(auth(), handshakeKeys(client).seal(record.data, frame('early'))),
    }),
  ],
  [
    'CLOSE in place of CLIENT_FINISHED',
    flight({
      records: ({ auth }, client) => concat(auth(), handshakeKeys(client).seal(record.close, u16(0))),
    }),
  ],
  [
    'CLIENT_FINISHED before CLIENT_AUTH',
    flight({ records: ({ auth, finished }) => concat(finished(), auth()) }),
  ],
  ['CLIENT_FINISHED as SERVER_FINISHED', flight({ finished: (good) => message(7, good.subarray(8)) })],
  ['CLIENT_FINISHED a byte short', flight({ finished: (good) => message(6, good.subarray(8, -1)) })],
];

/** Flights of a client that does not have the keys, or did not see the same handshake. */
const unproven: [string, Play][] = [
  ['CLIENT_FINISHED with a wrong MAC', flight({ finished: (good) => flip(good, -1) })],
  [
    'CLIENT_FINISHED with the MAC that a server makes',
    flight((client) => ({
      finished: () => message(6, client.schedule.finishedMac('s finished')),
    })),
  ],
  [
    'CLIENT_FINISHED with a MAC over less',
    flight((client) => {
      const before = client.schedule.transcript;
      return { finished: () => message(6, client.schedule.finishedMac('c finished', before)) };
    }),
  ],
  [
    'CLIENT_AUTH with a changed byte',
    flight({ records: ({ auth, finished }) => concat(flip(auth(), 12), finished()) }),
  ],
  [
    'CLIENT_FINISHED with a changed tag',
    flight({ records: ({ auth, finished }) => concat(auth(), flip(finished(), -1)) }),
  ],
  [
    'the secret of the ticket without that of X25519 (mutr_nodh)',
    async (stage) => {
      const grant = stage.grant();
      const client = new PeerClient(stage.wire);
      const answer = await stage.wire.send(makeResumingHello(client, grant));
      const { schedule } = client;
      schedule.startWith(grant.psk);
      schedule.add(answer.subarray(0, 8 + answer.readUInt16BE(6)));
      schedule.mix(Buffer.alloc(32));
      client.handshakeKeys = [schedule.keys('c hs traffic'), schedule.keys('s hs traffic')];
      return describeWire(await confirm(client), undefined);
    },
  ],
  [
    'both flights of another connection, replayed',
    async (stage) => {
      const recorded = new PeerClient(stage.connect());
      const grant = stage.grant();
      const hello = makeResumingHello(recorded, grant);
      await resume(recorded, grant, hello);
      await confirm(recorded, { data: ({ sending }) => sending.seal(record.data, frame('again')) });
      const answer = await stage.wire.send(hello);
      if (!isAccepted(answer)) return 'the replayed hello is not answered';
      return describeWire(await stage.wire.send(recorded.lastFlight), undefined);
    },
  ],
];

const handshakeKeys = (client: PeerClient): Keys => (client.handshakeKeys as [Keys, Keys])[0];

function clientAuth(mode: number, spki: Buffer, signature: Buffer = Buffer.alloc(0)): Buffer {
  const limits = concat(u32(2 ** 24), u32(2 ** 20 + 4096));
  return message(type.clientAuth, limits, u8(mode), vec16(spki), vec16(signature), u16(0));
}

function proof({ schedule }: PeerClient, { client }: TestKeys): Buffer {
  return clientAuth(1, spkiOf(client), pss(client, signatureInput(schedule.transcript)));
}

/** Tickets that a server ignores: a full handshake follows. */
const ignored: [string, (stage: Stage) => Grant][] = [
  ['of a server with another key', ({ grant }) => grant({ isOfOtherServer: true })],
  ['under a ticket key that was forgotten', ({ grant }) => grant({ isUnderOtherKey: true })],
  ['whose chain has ended', ({ grant }) => grant({ secondsAgo: 3601 })],
  ['of a clock that is an hour ahead', ({ grant }) => grant({ secondsAgo: -3600 })],
  // the binder is looked at behind these, so a wrong one does not show
  ['whose chain has ended, with a wrong binder', ({ grant }) => unknownSecret(grant({ secondsAgo: 3601 }))],
  ['of another server, with a wrong binder', ({ grant }) => unknownSecret(grant({ isOfOtherServer: true }))],
  ['of one byte', ({ grant }) => withTicket(grant(), () => u8(7))],
  ['of 2048 bytes', ({ grant }) => withTicket(grant(), () => Buffer.alloc(2048, 7))],
  ['cut short', ({ grant }) => withTicket(grant(), (ticket) => ticket.subarray(0, -1))],
  ['cut to its name and salt', ({ grant }) => withTicket(grant(), (ticket) => ticket.subarray(0, 48))],
  ['with a byte behind', ({ grant }) => withTicket(grant(), (ticket) => concat(ticket, u8(0)))],
  ['with a changed key name', ({ grant }) => withTicket(grant(), (ticket) => flip(ticket, 0))],
  ['with a changed salt', ({ grant }) => withTicket(grant(), (ticket) => flip(ticket, 20))],
  ['with a changed secret', ({ grant }) => withTicket(grant(), (ticket) => flip(ticket, 50))],
  ['with a changed tag', ({ grant }) => withTicket(grant(), (ticket) => flip(ticket, -1))],
  [
    'put together from two',
    ({ grant }) =>
      withTicket(grant(), (ticket) => concat(ticket.subarray(0, 48), grant().ticket.subarray(48))),
  ],
];

const grantToClient = ({ grant, keys }: Stage): Grant => grant({ spki: spkiOf(keys.client) });
const showIdentity = ({ keys }: Stage): ClientLies => ({ identity: keys.client });

/** Who is not let in any more gets a full handshake, which says so. */
const notAdmitted: ResumptionMisbehaviour[] = [
  {
    ...{ name: 'the ticket of a client that is no longer authorised', setUp: 'refusing', opened: 'no' },
    ...{ code: 'UNAUTHORIZED_CLIENT', wire: 'CLOSE 2', play: inFull(grantToClient, showIdentity) },
  },
  {
    ...{ name: 'the ticket of such a client, with a changed binder', setUp: 'refusing', opened: 'no' },
    ...{ code: 'PROTOCOL', wire: 'nothing' },
    play: async (stage) => {
      const lies = { binder: (good: Buffer) => flip(good, 31) };
      const bad = makeResumingHello(new PeerClient(stage.wire), grantToClient(stage), lies);
      return describeWire(await stage.wire.send(bad), undefined);
    },
  },
  {
    ...{ name: 'the ticket of a client about which nothing can be decided', setUp: 'failing', opened: 'no' },
    ...{ code: 'UNAUTHORIZED_CLIENT', wire: 'CLOSE 2', play: inFull(grantToClient, showIdentity) },
  },
  {
    ...{ name: 'the ticket of an identity where none is asked for any more', setUp: 'clients none' },
    ...{ code: null, wire: 'handshake', opened: 'full', play: inFull(grantToClient) },
  },
  {
    ...{ name: 'an anonymous ticket where an identity is required now', setUp: 'clients required' },
    ...{ code: 'UNAUTHORIZED_CLIENT', wire: 'CLOSE 2', opened: 'no', play: inFull(({ grant }) => grant()) },
  },
  {
    ...{ name: 'any ticket where none are taken', setUp: 'without tickets', code: null, wire: 'handshake' },
    ...{ opened: 'full', play: inFull(({ grant }) => grant()) },
  },
];

const tolerated: ResumptionMisbehaviour[] = [
  expectResumed('none: a ticket is resumed', 'ticket', flight({})),
  expectResumed('data right behind CLIENT_FINISHED', 'ticket', flight({ data: dataOf('at once') }), [
    'at once',
  ]),
  expectResumed('an unknown extension before RESUME', 'ticket', async (stage) => {
    const [grant, client] = [stage.grant(), new PeerClient(stage.wire)];
    await resume(client, grant, makeResumingHello(client, grant, { before: extension(7, 'x') }));
    return describeWire(await confirm(client), client.receiving);
  }),
  expectResumed('no request for tickets, so that none come', 'nothing', async (stage) => {
    const [grant, client] = [stage.grant(), new PeerClient(stage.wire)];
    await resume(client, grant, makeResumingHello(client, grant, { wantsTickets: false }));
    return describeWire(await confirm(client), client.receiving);
  }),
  expectResumed('a ticket of a resumed connection is resumed, and so on', 'ticket', async (stage) => {
    let grant = stage.grant();
    for (let i = 0; i < 3; i++) {
      const client = new PeerClient(stage.connect());
      await resume(client, grant, makeResumingHello(client, grant));
      [grant] = ticketsIn(client, await confirm(client)) as [Grant];
    }
    const last = new PeerClient(stage.wire);
    await resume(last, grant, makeResumingHello(last, grant));
    return describeWire(await confirm(last), last.receiving);
  }),
  expectResumed('both tickets of a full handshake are resumed', 'ticket', async (stage) => {
    const first = new PeerClient(stage.connect());
    await first.greet(first.hello({ extensions: vec16(extension(0xff01)) }));
    const written = await first.prove();
    first.finish(written);
    const grants = ticketsIn(first, written.subarray(3 + written.readUIntBE(0, 3)));
    if (grants.length !== 2) return `${grants.length} tickets`;
    const clients = [new PeerClient(stage.connect()), new PeerClient(stage.wire)];
    const seen: string[] = [];
    for (const [i, client] of clients.entries()) {
      await resume(client, grants[i] as Grant, makeResumingHello(client, grants[i] as Grant));
      seen.push(describeWire(await confirm(client), client.receiving));
    }
    return seen[1] as string;
  }),
];

function dataOf(text: string): (client: PeerClient) => Buffer {
  return ({ sending }) => sending.seal(record.data, frame(text));
}

function expectResumed(
  name: string,
  wire: string,
  play: Play,
  delivered: readonly string[] = [],
): ResumptionMisbehaviour {
  return { name: `tolerated: ${name}`, code: null, wire, opened: 'resumed', delivered, play };
}

const expectFailure =
  (code: string, opened: 'resumed' | 'no', wire: string) =>
  ([name, play]: [string, Play]): ResumptionMisbehaviour => ({ name, code, wire, opened, play });

/** All of them. */
export const resumingClients: readonly ResumptionMisbehaviour[] = [
  ...hellos.map(expectFailure('PROTOCOL', 'no', 'nothing')),
  ...binders.map(expectFailure('PROTOCOL', 'no', 'nothing')),
  ...rules.map(expectFailure('PROTOCOL', 'no', 'nothing')),
  ...unproven.map(expectFailure('HANDSHAKE_FAILED', 'no', 'nothing')),
  ...ignored.map(
    ([name, of]): ResumptionMisbehaviour => ({
      ...{ name: `a ticket ${name}`, code: null, wire: 'handshake', opened: 'full', play: inFull(of) },
    }),
  ),
  ...notAdmitted,
  ...tolerated,
  expectFailure(
    'PROTOCOL',
    'resumed',
    'ticket, CLOSE 6',
  )([
    'TICKET from a client',
    flight({ data: ({ sending }) => sending.seal(record.ticket, ticketPayload()) }),
  ]),
];
