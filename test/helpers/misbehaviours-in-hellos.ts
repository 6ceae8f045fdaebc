/** What a client can do wrong to a server in its first message. */

import { describeWire, type HelloFields, PeerClient } from './misbehaving-peer.js';
import {
  concat,
  HYBRID,
  HYBRID_CHACHA20,
  lowOrderPoints,
  message,
  type,
  u8,
  u16,
  vec16,
  X25519,
} from './misbehaving-peer-crypto.js';
import { extension, extensions, type Misbehaviour, type Play } from './misbehaviour.js';

const raw =
  (bytes: Uint8Array): Play =>
  async (wire) =>
    describeWire(await wire.send(bytes), undefined);

const hello =
  (fields: HelloFields): Play =>
  async (wire) =>
    describeWire(await wire.send(new PeerClient(wire).hello(fields)), undefined);

const alterHello =
  (change: (hello: Buffer) => Buffer): Play =>
  async (wire) =>
    describeWire(await wire.send(change(new PeerClient(wire).hello())), undefined);

const kemKey = (length: number): Buffer => Buffer.alloc(length);

/** A whole handshake after such a hello. */
const greet =
  (fields: HelloFields): Play =>
  async (wire) => {
    const client = new PeerClient(wire);
    await client.greet(client.hello(fields));
    return describeWire(await client.prove(), client.authKeys?.[1]);
  };

const notSealed: Misbehaviour[] = [
  ['a TLS ClientHello', '160301020001000f'],
  ['an HTTP request', '474554202f20485454502f312e31'],
  ['a magic with a wrong last letter', '5345414b0101'],
  ['a classic greeting', '800363'],
].map(([name, digits]) => ({
  ...{
    name: `CLIENT_HELLO: ${name}`,
    code: 'NOT_SEALED',
    wire: 'nothing',
    play: raw(Buffer.from(digits as string, 'hex')),
  },
}));

const badHellos: [string, Play, ('hybrid' | undefined)?][] = [
  ['another layout', alterHello((good) => concat(good.subarray(0, 5), u8(2), good.subarray(6)))],
  ['the type of SERVER_HELLO', alterHello((good) => concat(good.subarray(0, 4), u8(2), good.subarray(5)))],
  ['an unknown type', alterHello((good) => concat(good.subarray(0, 4), u8(0), good.subarray(5)))],
  ['a body beyond 4096 bytes', alterHello((good) => concat(good.subarray(0, 6), u16(4097)))],
  ['a byte too many', alterHello((good) => message(type.clientHello, good.subarray(8), u8(0)))],
  ['a byte too few', alterHello((good) => message(type.clientHello, good.subarray(8, -1)))],
  ['an empty body', alterHello(() => message(type.clientHello))],
  ['no suite', hello({ suites: [] })],
  ['nine suites', hello({ suites: [X25519, 0x201, 0x301, 0x401, 0x501, 0x601, 0x701, 0x801, 0x901] })],
  ['a suite twice', hello({ suites: [X25519, X25519] })],
  ['a count of suites that is too high', hello({ countOfSuites: 2 })],
  ['the hybrid suite without its key', hello({ suites: [HYBRID, X25519] })],
  ['the hybrid suite of the other cipher without its key', hello({ suites: [X25519, HYBRID_CHACHA20] })],
  ['a key of that hybrid suite a byte short', hello({ suites: [HYBRID_CHACHA20], kemKey: kemKey(1183) })],
  ['the key of the hybrid suite without the suite', hello({ kemKey: kemKey(1184) })],
  ['a key of the hybrid suite a byte short', hello({ suites: [HYBRID], kemKey: kemKey(1183) }), 'hybrid'],
  ['a key of the hybrid suite a byte long', hello({ suites: [HYBRID], kemKey: kemKey(1185) }), 'hybrid'],
  [
    'a key of the hybrid suite that is not reduced',
    hello({ suites: [HYBRID], kemKey: kemKey(1184).fill(255) }),
    'hybrid',
  ],
  ['extensions out of order', hello({ extensions: extensions(extension(2), extension(1)) })],
  ['an extension twice', hello({ extensions: extensions(extension(1), extension(1)) })],
  ['an extension longer than the block', hello({ extensions: vec16(concat(u16(1), u16(5), u8(0))) })],
  ['an extension block cut short', hello({ extensions: u16(4) })],
  ...lowOrderPoints.map((share): [string, Play] => [
    `the low-order key ${share.toString('hex')}`,
    hello({ share }),
  ]),
];

const toleratedHellos: [string, HelloFields][] = [
  ['seven GREASE suites', { suites: [0x0a0a, 0x1a1a, 0x2a2a, 0x3a3a, 0x4a4a, 0xfafa, 0xeaea, X25519] }],
  [
    'unknown extensions',
    { extensions: extensions(extension(1, 'one'), extension(0x7a7a), extension(0xffff, 'last')) },
  ],
];

/** What a client can do wrong in its first message. */
export const hellos: readonly Misbehaviour[] = [
  ...notSealed,
  ...badHellos.map(([name, play, setUp]) => ({
    ...{ name: `CLIENT_HELLO: ${name}`, code: 'PROTOCOL', wire: 'nothing', play, ...(setUp && { setUp }) },
  })),
  {
    ...{ name: 'CLIENT_HELLO: only suites that do not exist', code: 'NO_COMMON_SUITE', wire: 'REJECT 1' },
    play: hello({ suites: [0x0a0a, 0x0201] }),
  },
  ...toleratedHellos.map(([name, fields]) => ({
    ...{ name: `CLIENT_HELLO: ${name} are ignored`, code: null, wire: 'handshake', play: greet(fields) },
  })),
];
