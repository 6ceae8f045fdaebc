/** What a client can do wrong to a server in its second flight. One file, because it is one table. */

import { type ClientLies, describeWire, PeerClient } from './misbehaving-peer.js';
import {
  concat,
  flip,
  frame,
  type Keys,
  message,
  modulusOf,
  oaep,
  pkcs1,
  pss,
  rawRsa,
  record,
  signatureInput,
  signPkcs1,
  spkiOf,
  type,
  u8,
  u16,
  u32,
  vec16,
} from './misbehaving-peer-crypto.js';
import {
  badKeys,
  changeByte,
  extension,
  extensions,
  type Misbehaviour,
  type Play,
  type TestKeys,
} from './misbehaviour.js';

/** A second flight with lies; if it is taken, the connection is open. */
const flight =
  (lies: ClientLies | ((client: PeerClient, keys: TestKeys) => ClientLies)): Play =>
  async (wire, keys) => {
    const client = new PeerClient(wire);
    await client.greet();
    const written = await client.prove(typeof lies === 'function' ? lies(client, keys) : lies);
    return describeWire(written, client.authKeys?.[1]);
  };

const flights: [string, Play][] = [
  [
    'CLIENT_HELLO again',
    async (wire) => {
      const client = new PeerClient(wire);
      await client.greet();
      return describeWire(await wire.send(client.hello()), undefined);
    },
  ],
  [
    'CLIENT_KEY in the open',
    flight({
      records: (_, client) => message(type.clientKey, vec16(oaep(client.serverSpki, Buffer.alloc(32)))),
    }),
  ],
  [
    'early data in place of CLIENT_KEY',
    flight({
      records: (_, client) => (client.handshakeKeys as [Keys, Keys])[0].seal(record.data, frame('early')),
    }),
  ],
  [
    'CLOSE in place of CLIENT_KEY',
    flight({ records: (_, client) => (client.handshakeKeys as [Keys, Keys])[0].seal(record.close, u16(0)) }),
  ],
  ['CLIENT_KEY left out', flight({ records: ({ auth, finished }) => concat(auth(), finished()) })],
  [
    'CLIENT_KEY twice',
    flight({ records: ({ key, auth, finished }) => concat(key(), key(), auth(), finished()) }),
  ],
  [
    'CLIENT_KEY with a changed tag',
    flight({ records: ({ key, auth, finished }) => concat(flip(key(), -1), auth(), finished()) }),
  ],
  [
    'CLIENT_KEY with a changed length',
    flight({ records: ({ key, auth, finished }) => concat(flip(key(), 2), auth(), finished()) }),
  ],
  [
    'CLIENT_KEY with a changed byte',
    flight({ records: ({ key, auth, finished }) => concat(flip(key(), 20), auth(), finished()) }),
  ],
  ['a record of 16 bytes', flight({ records: () => Buffer.from([0, 0, 16]) })],
  ['a record of 4122 bytes', flight({ records: () => Buffer.from([0, 0x10, 0x1a]) })],
  [
    "the server's own flight, reflected",
    flight({ records: (_, client) => client.serverFlight.subarray(8 + client.serverFlight.readUInt16BE(6)) }),
  ],
  [
    'CLIENT_KEY with a byte too many',
    flight({ clientKey: (good) => message(type.clientKey, good.subarray(8), u8(0)) }),
  ],
  [
    'CLIENT_KEY of another layout',
    flight({ clientKey: (good) => concat(good.subarray(0, 5), u8(2), good.subarray(6)) }),
  ],
  ['CLIENT_KEY with another magic', flight({ clientKey: (good) => flip(good, 3) })],
  ['CLIENT_KEY with a wrong length', flight({ clientKey: (good) => flip(good, 7) })],
  ['CLIENT_AUTH left out', flight({ records: ({ key, finished }) => concat(key(), finished()) })],
  [
    'CLIENT_AUTH twice',
    flight({ records: ({ key, auth, finished }) => concat(key(), auth(), auth(), finished()) }),
  ],
  [
    'CLIENT_AUTH with a changed byte',
    flight({ records: ({ key, auth, finished }) => concat(key(), flip(auth(), 12), finished()) }),
  ],
  [
    'CLIENT_FINISHED before CLIENT_AUTH',
    flight({ records: ({ key, auth, finished }) => concat(key(), finished(), auth()) }),
  ],
  [
    'data in place of CLIENT_FINISHED',
    flight({
      records: ({ key, auth }, client) =>
        concat(key(), auth(), (client.authKeys as [Keys, Keys])[0].seal(record.data, frame('early'))),
    }),
  ],
  [
    'CLIENT_FINISHED with a changed byte',
    flight({ records: ({ key, auth, finished }) => concat(key(), auth(), flip(finished(), -1)) }),
  ],
  ['CLIENT_FINISHED with a wrong MAC', flight({ finished: (good) => flip(good, -1) })],
  [
    'CLIENT_FINISHED a byte short',
    flight({ finished: (good) => message(type.clientFinished, good.subarray(8, -1)) }),
  ],
  [
    'CLIENT_FINISHED a byte long',
    flight({ finished: (good) => message(type.clientFinished, good.subarray(8), u8(0)) }),
  ],
  [
    'CLIENT_FINISHED with the MAC that a server makes',
    flight((client) => ({
      finished: () => message(type.clientFinished, client.schedule.finishedMac('s finished')),
    })),
  ],
  [
    'CLIENT_FINISHED with a MAC over less',
    flight((client) => ({
      finished: () =>
        message(
          type.clientFinished,
          client.schedule.finishedMac('c finished', client.schedule.transcript.subarray(0, -40)),
        ),
    })),
  ],
  [
    'CLIENT_FINISHED as SERVER_FINISHED',
    flight({ finished: (good) => message(type.serverFinished, good.subarray(8)) }),
  ],
];

type Encrypt = (spki: Buffer, keys: TestKeys) => Buffer;
const NOTHING = Buffer.alloc(0);

/** Ciphertexts that do not hold a secret for the server; the client goes on as if they held 32 zeros, or what is said. */
const oaepFailures: [string, Encrypt, Buffer?][] = [
  ['no bytes', () => Buffer.alloc(0)],
  ['a byte too few', (spki) => oaep(spki, Buffer.alloc(32)).subarray(1)],
  ['a byte too many', (spki) => concat(u8(0), oaep(spki, Buffer.alloc(32)))],
  ['the number 0', (spki) => numberLike(spki, () => 0n)],
  ['the number 1', (spki) => numberLike(spki, () => 1n)],
  ['the modulus less one', (spki) => numberLike(spki, (n) => n - 1n)],
  ['the modulus', (spki) => numberLike(spki, (n) => n)],
  ['the modulus and one', (spki) => numberLike(spki, (n) => n + 1n)],
  ['all ones', (spki) => Buffer.alloc(modulusOf(spki).length, 255)],
  ['random bytes', (spki) => concat(u8(0), Buffer.alloc(modulusOf(spki).length - 1, 0x5a))],
  ['another label', (spki) => oaep(spki, Buffer.alloc(32), Buffer.from('sealed v1 client key'))],
  ['no label', (spki) => oaep(spki, Buffer.alloc(32), Buffer.alloc(0))],
  ['31 bytes', (spki) => oaep(spki, Buffer.alloc(31, 1)), Buffer.alloc(31, 1)],
  ['33 bytes', (spki) => oaep(spki, Buffer.alloc(33, 1)), Buffer.alloc(33, 1)],
  ['no message', (spki) => oaep(spki, NOTHING), NOTHING],
  ['the padding of PKCS#1 v1.5', (spki) => pkcs1(spki, Buffer.alloc(32))],
  [
    'a block that begins with 1',
    (spki) => rawRsa(spki, concat(u8(1), Buffer.alloc(modulusOf(spki).length - 1, 7))),
  ],
  ['a secret encrypted to another key', (_, { other }) => oaep(spkiOf(other), Buffer.alloc(32))],
];

/** A number as long as the modulus. */
function numberLike(spki: Buffer, of: (modulus: bigint) => bigint): Buffer {
  const modulus = modulusOf(spki);
  const digits = of(BigInt(`0x${modulus.toString('hex')}`)).toString(16);
  return Buffer.from(digits.padStart(2 * modulus.length, '0'), 'hex');
}

const proofs: [string, (client: PeerClient, keys: TestKeys) => ClientLies][] = [
  [
    'a signature with another key (mut_nosigcheck)',
    (_, { client, other }) => ({
      spki: spkiOf(client),
      signature: (transcript) => pss(other, signatureInput(transcript)),
    }),
  ],
  [
    'a changed signature (mut_nosigcheck)',
    (_, { client }) => ({
      spki: spkiOf(client),
      signature: (transcript) => flip(pss(client, signatureInput(transcript)), 9),
    }),
  ],
  ['no signature (mut_nosigcheck)', (_, { client }) => ({ spki: spkiOf(client) })],
  ['a signature of zeros', (_, { client }) => ({ spki: spkiOf(client), signature: () => Buffer.alloc(256) })],
  [
    'a signature a byte short',
    (_, { client }) => ({
      spki: spkiOf(client),
      signature: (transcript) => pss(client, signatureInput(transcript)).subarray(1),
    }),
  ],
  [
    'a signature over the client random only (mut_sigweak)',
    (own, { client }) => ({ spki: spkiOf(client), signature: () => pss(client, signatureInput(own.random)) }),
  ],
  [
    'a signature over less of the transcript (mut_sigweak)',
    (_, { client }) => ({
      spki: spkiOf(client),
      signature: (transcript) => pss(client, signatureInput(transcript.subarray(0, 79))),
    }),
  ],
  [
    'a signature with the text of another role',
    (_, { client }) => ({
      spki: spkiOf(client),
      signature: (transcript) => pss(client, signatureInput(transcript, 'server')),
    }),
  ],
  [
    'a signature over the bare hash',
    (_, { client }) => ({ spki: spkiOf(client), signature: (transcript) => pss(client, transcript) }),
  ],
  [
    'a signature with the padding of PKCS#1 v1.5',
    (_, { client }) => ({
      spki: spkiOf(client),
      signature: (transcript) => signPkcs1(client, signatureInput(transcript)),
    }),
  ],
  [
    'a signature with a salt of 20 bytes',
    (_, { client }) => ({
      spki: spkiOf(client),
      signature: (transcript) => pss(client, signatureInput(transcript), 20),
    }),
  ],
  ['an unknown mode', () => ({ clientAuth: (good) => changeByte(good, 16, 2) })],
  [
    'a key shown anonymously',
    (_, { client }) => ({ identity: client, clientAuth: (good) => changeByte(good, 16, 0) }),
  ],
  ['max_message 1023', () => ({ limits: concat(u32(1023), u32(16384)) })],
  ['max_message 2^31', () => ({ limits: concat(u32(2 ** 31), u32(16384)) })],
  ['max_record 16383', () => ({ limits: concat(u32(1024), u32(16383)) })],
  ['max_record 1052673', () => ({ limits: concat(u32(1024), u32(1052673)) })],
  ['extensions out of order', () => ({ extensions: extensions(extension(2), extension(1)) })],
  ['a byte too many', () => ({ clientAuth: (good) => message(type.clientAuth, good.subarray(8), u8(0)) })],
  ['a byte too few', () => ({ clientAuth: (good) => message(type.clientAuth, good.subarray(8, -1)) })],
];

/** What a client can do wrong in its second flight. */
export const flightsOfClients: readonly Misbehaviour[] = [
  ...flights.map(([name, play]) => expectFailure(`flight 3: ${name}`, play)),
  ...oaepFailures.map(([name, encrypt, derivedFrom = Buffer.alloc(32)]) =>
    expectFailure(
      `CLIENT_KEY: RSA ciphertext of ${name}`,
      flight((_, keys) => ({ ciphertext: (spki) => encrypt(spki, keys), derivedFrom })),
    ),
  ),
  expectFailure(
    'CLIENT_KEY: keys without the RSA secret (mut_norsasecret)',
    flight({ derivedFrom: Buffer.alloc(32) }),
  ),
  expectFailure('flight 3 of another connection, replayed', async (wire, _, connect) => {
    const [recorded, client] = [new PeerClient(connect()), new PeerClient(wire)];
    const hello = recorded.hello();
    await recorded.greet(hello);
    await recorded.prove();
    await client.wire.send(hello);
    return describeWire(await client.wire.send(recorded.lastFlight), undefined);
  }),
  ...proofs.map(([name, lies]) => expectFailure(`CLIENT_AUTH: ${name}`, flight(lies))),
  ...badKeys.map(([name, encode]) =>
    expectFailure(
      `CLIENT_AUTH: a key ${name}`,
      flight((_, { client, weak }) => ({ identity: client, spki: encode(client, weak) })),
    ),
  ),
  expectFailure(
    'CLIENT_AUTH: a key of 1024 bits and its own signature',
    flight((_, { weak }) => ({ identity: weak })),
  ),
  {
    ...expectFailure(
      'CLIENT_AUTH: an identity that was not asked for',
      flight((_, { client }) => ({ identity: client })),
    ),
    setUp: 'clients none',
  },
  {
    ...{
      name: 'CLIENT_AUTH: no identity where one is required',
      code: 'UNAUTHORIZED_CLIENT',
      wire: 'CLOSE 2',
    },
    ...{ setUp: 'clients required', play: flight({}) },
  },
  {
    ...{
      name: 'CLIENT_AUTH: an identity that is not authorised',
      code: 'UNAUTHORIZED_CLIENT',
      wire: 'CLOSE 2',
    },
    ...{ setUp: 'refusing', play: flight((_, { client }) => ({ identity: client })) },
  },
  {
    ...{ name: "CLIENT_AUTH: the server's own key", code: 'UNAUTHORIZED_CLIENT', wire: 'CLOSE 2' },
    play: flight((_, { server }) => ({ identity: server })),
  },
  {
    ...{ name: 'CLIENT_AUTH: unknown extensions are ignored', code: null, wire: 'handshake' },
    play: flight((_, { client }) => ({ identity: client, extensions: extensions(extension(3, 'x')) })),
  },
  { name: 'none: an anonymous client is served', code: null, wire: 'handshake', play: flight({}) },
];

function expectFailure(name: string, play: Play): Misbehaviour {
  return { name, code: 'HANDSHAKE_FAILED', wire: 'nothing', play };
}
