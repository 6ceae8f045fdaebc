/** What a server can do wrong to a client before the connection is open. */

import { describeWire, PeerServer, type ServerLies } from './misbehaving-peer.js';
import {
  CHACHA20,
  concat,
  flip,
  frame,
  HYBRID,
  HYBRID_CHACHA20,
  type Keys,
  lowOrderPoints,
  message,
  record,
  spkiOf,
  type,
  u8,
  u16,
  u32,
  vec16,
  X25519,
} from './misbehaving-peer-crypto.js';
import {
  badKeys,
  extension,
  extensions,
  type Misbehaviour,
  type Play,
  type TestKeys,
} from './misbehaviour.js';

const NOTHING = Buffer.alloc(0);

/** Bytes in answer to the client's hello. */
const answer =
  (of: (hello: Buffer) => Uint8Array): Play =>
  async (wire) =>
    describeWire(await wire.send(of(await wire.send(NOTHING))), undefined);

/** A first flight with lies. */
const greet =
  (lies: ServerLies | ((keys: TestKeys) => ServerLies)): Play =>
  async (wire, keys) => {
    const server = new PeerServer(wire, keys.server, typeof lies === 'function' ? lies(keys) : lies);
    return describeWire(await wire.send(server.makeGreeting(await wire.send(NOTHING))), undefined);
  };

/** Both flights, with lies. */
const handshake =
  (lies: ServerLies | ((keys: TestKeys) => ServerLies), key: keyof TestKeys = 'server'): Play =>
  async (wire, keys) => {
    const server = new PeerServer(wire, keys[key], typeof lies === 'function' ? lies(keys) : lies);
    return describeWire(await server.accept(await wire.send(NOTHING)), undefined);
  };

const notSealed: [string, string][] = [
  ['a classic server, protocol 3 and up', '8003637273612e6b6579'],
  ['a classic server, protocol 0', '63727361'],
  ['an SSH server', '5353482d322e30'],
  ['a TLS alert', '15030300020228'],
];

const rejects: [string, string, Uint8Array][] = [
  ['for want of a suite', 'NO_COMMON_SUITE', message(type.reject, u8(1))],
  ['because it is busy', 'BUSY', message(type.reject, u8(2))],
  ['with an unknown code', 'PROTOCOL', message(type.reject, u8(3))],
  ['without a code', 'PROTOCOL', message(type.reject)],
  ['with a byte too many', 'PROTOCOL', message(type.reject, u8(1), u8(0))],
];

const hellos: [string, Play][] = [
  ["the client's own hello, reflected", answer((hello) => hello)],
  [
    'SERVER_HELLO of another layout',
    greet({ serverHello: (good) => concat(good.subarray(0, 5), u8(2), good.subarray(6)) }),
  ],
  [
    'SERVER_HELLO of an unknown type',
    greet({ serverHello: (good) => concat(good.subarray(0, 4), u8(9), good.subarray(5)) }),
  ],
  [
    'SERVER_IDENTITY in the open',
    greet({ serverHello: (good) => concat(good.subarray(0, 4), u8(3), good.subarray(5)) }),
  ],
  ['SERVER_HELLO with a body beyond 4096 bytes', answer(() => Buffer.from('5345414c02011001', 'hex'))],
  [
    'SERVER_HELLO with a byte too many',
    greet({ serverHello: (good) => message(type.serverHello, good.subarray(8), u8(0)) }),
  ],
  [
    'SERVER_HELLO with a byte too few',
    greet({ serverHello: (good) => message(type.serverHello, good.subarray(8, -1)) }),
  ],
  ['a suite that was not offered', greet({ hello: { suite: HYBRID, kemCiphertext: Buffer.alloc(1088) } })],
  [
    'the suite of the other cipher that was not offered',
    greet({ hello: { suite: HYBRID_CHACHA20, kemCiphertext: Buffer.alloc(1088) } }),
  ],
  ['an unknown suite', greet({ hello: { suite: 0x0201 } })],
  [
    'the GREASE suite that was offered',
    answer((hello) =>
      message(
        type.serverHello,
        Buffer.alloc(32),
        hello.subarray(41, 43),
        Buffer.alloc(32, 9),
        vec16(NOTHING),
      ),
    ),
  ],
  ['a ciphertext of the hybrid suite in another', greet({ hello: { kemCiphertext: Buffer.alloc(1088) } })],
  ...lowOrderPoints.map((share): [string, Play] => [
    `the low-order key ${share.toString('hex')}`,
    greet({ hello: { share }, dh: Buffer.alloc(32) }),
  ]),
];

const identities: [string, ServerLies][] = [
  ['an unknown mode of client authentication', { mode: 3 }],
  ['max_message 1023', { limits: concat(u32(1023), u32(16384)) }],
  ['max_message 2^31', { limits: concat(u32(2 ** 31), u32(16384)) }],
  ['max_record 16383', { limits: concat(u32(1024), u32(16383)) }],
  ['max_record 1052673', { limits: concat(u32(1024), u32(1052673)) }],
  ['extensions out of order', { extensions: extensions(extension(2), extension(1)) }],
  ['a byte too many', { identity: (good) => message(type.serverIdentity, good.subarray(8), u8(0)) }],
  ['a byte too few', { identity: (good) => message(type.serverIdentity, good.subarray(8, -1)) }],
  ['another magic', { identity: (good) => flip(good, 0) }],
  ['another layout', { identity: (good) => concat(good.subarray(0, 5), u8(2), good.subarray(6)) }],
  ['another type', { identity: (good) => concat(good.subarray(0, 4), u8(7), good.subarray(5)) }],
];

const identityRecords: [string, ServerLies][] = [
  ['with a changed byte', { identityRecord: (good) => flip(good, 30) }],
  ['with a changed tag', { identityRecord: (good) => flip(good, -1) }],
  ['of 16 bytes', { identityRecord: () => Buffer.from([0, 0, 16]) }],
  ['of 4122 bytes', { identityRecord: () => Buffer.from([0, 0x10, 0x1a]) }],
  ['under ChaCha20-Poly1305 in a suite of AES', { hello: { suite: X25519 }, cipher: 'chacha20-poly1305' }],
  ['under AES in a suite of ChaCha20-Poly1305', { hello: { suite: CHACHA20 }, cipher: 'aes-256-gcm' }],
  ['under keys without the Diffie-Hellman secret (mut_nodh)', { dh: Buffer.alloc(32) }],
  ['of one that saw another hello (mut_nothash)', { seenHello: Buffer.alloc(81, 1) }],
];

/** The record that stands in place of SERVER_FINISHED. */
const lastRecords: [string, NonNullable<ServerLies['finishedRecord']>][] = [
  ['SERVER_FINISHED with a changed byte', (good) => flip(good(), 15)],
  ['a record of 16 bytes', () => Buffer.from([0, 0, 16])],
  ['a record of 4122 bytes', () => Buffer.from([0, 0x10, 0x1a])],
  ['data', (_, server) => authKey(server).seal(record.data, frame('early'))],
  ['a PING', (_, server) => authKey(server).seal(record.ping)],
  ['CLOSE 0', (_, server) => authKey(server).seal(record.close, u16(0))],
  ['CLOSE 5', (_, server) => authKey(server).seal(record.close, u16(5))],
  ['CLOSE 2 with a byte too many', (_, server) => authKey(server).seal(record.close, Buffer.from([0, 2, 0]))],
  ["the client's own records, reflected", (_, server) => server.clientFlight],
  ['CLOSE 2 in the open', () => concat(Buffer.from([0, 0, 19]), u8(6), u16(2), Buffer.alloc(16))],
  [
    'SERVER_FINISHED under the keys of the application',
    (_, server) => server.sending.seal(record.handshake, server.serverFinished),
  ],
];

const finishes: [string, NonNullable<ServerLies['finished']>][] = [
  ['with a wrong MAC', (good) => flip(good, -1)],
  ['a byte short', (good) => message(type.serverFinished, good.subarray(8, -1))],
  ['a byte long', (good) => message(type.serverFinished, good.subarray(8), u8(0))],
  ['as CLIENT_FINISHED', (good) => message(type.clientFinished, good.subarray(8))],
];

const wrong = (name: string, code: string | null, play: Play): Misbehaviour => ({
  name,
  code,
  wire: 'nothing',
  play,
});

/** All of them. */
export const flightsOfServers: readonly Misbehaviour[] = [
  ...notSealed.map(([name, digits]) =>
    wrong(
      name,
      'NOT_SEALED',
      answer(() => Buffer.from(digits, 'hex')),
    ),
  ),
  ...rejects.map(([name, code, bytes]) =>
    wrong(
      `REJECT ${name}`,
      code,
      answer(() => bytes),
    ),
  ),
  ...hellos.map(([name, play]) => wrong(`flight 2: ${name}`, 'PROTOCOL', play)),
  ...identities.map(([name, lies]) => wrong(`SERVER_IDENTITY: ${name}`, 'PROTOCOL', greet(lies))),
  ...badKeys.map(([name, encode]) =>
    wrong(
      `SERVER_IDENTITY: a key ${name}`,
      'PROTOCOL',
      greet(({ server, weak }) => ({ spki: encode(server, weak) })),
    ),
  ),
  ...identityRecords.map(([name, lies]) =>
    wrong(`SERVER_IDENTITY: a record ${name}`, 'HANDSHAKE_FAILED', greet(lies)),
  ),
  wrong(
    'SERVER_IDENTITY: a key that is not pinned (mut_nopin)',
    'UNTRUSTED_SERVER',
    greet(({ other }) => ({ spki: spkiOf(other) })),
  ),
  {
    ...wrong(
      "SERVER_IDENTITY: the client's own key",
      'UNTRUSTED_SERVER',
      greet(({ client }) => ({ spki: spkiOf(client) })),
    ),
    setUp: 'trusting, with identity',
  },
  wrong(
    'SERVER_FINISHED: the pinned key, but not its private half (mut_norsasecret)',
    'HANDSHAKE_FAILED',
    handshake(({ server }) => ({ spki: spkiOf(server), secret: Buffer.alloc(32) }), 'other'),
  ),
  ...finishes.map(([name, finished]) =>
    wrong(`SERVER_FINISHED: ${name}`, 'HANDSHAKE_FAILED', handshake({ finished })),
  ),
  ...lastRecords.map(([name, finishedRecord]) =>
    wrong(`in place of SERVER_FINISHED: ${name}`, 'HANDSHAKE_FAILED', handshake({ finishedRecord })),
  ),
  wrong(
    'in place of SERVER_FINISHED: CLOSE 2, a refusal that is authentic',
    'UNAUTHORIZED_CLIENT',
    handshake({ finishedRecord: (_, server) => authKey(server).seal(record.close, u16(2)) }),
  ),
  wrong(
    'SERVER_FINISHED that never comes: the client says nothing more (mut_earlydata)',
    'HANDSHAKE_FAILED',
    async (wire, keys) => {
      const server = new PeerServer(wire, keys.server);
      server.makeFinish(await wire.send(server.makeGreeting(await wire.send(NOTHING))));
      const more = await wire.send(NOTHING);
      return describeWire(concat(more, await wire.end()), undefined);
    },
  ),
  wrong(
    'SERVER_FINISHED twice',
    'DECRYPT_FAILED',
    handshake({ finishedRecord: (good) => concat(good(), good()) }),
  ),
  wrong(
    'none: unknown extensions are ignored',
    null,
    handshake({ extensions: extensions(extension(1), extension(9, 'x')) }),
  ),
  {
    ...wrong('none: an identity is not shown to a server that does not ask', null, async (wire, keys) => {
      const server = new PeerServer(wire, keys.server, { mode: 0 });
      const written = await server.accept(await wire.send(NOTHING));
      const isAnonymous = server.clientAuth.length === 23 && server.clientAuth[16] === 0;
      return isAnonymous ? describeWire(written, undefined) : 'an identity';
    }),
    setUp: 'with identity',
  },
  wrong('none: a good server', null, handshake({})),
];

function authKey(server: PeerServer): Keys {
  return (server.authKeys as [Keys, Keys])[0];
}
