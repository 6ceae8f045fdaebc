import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { node } from '../../../backends/node.js';
import { fingerprintOf } from '../../../src/core/encodings/fingerprint.js';
import type { SealedClientOptions } from '../../../src/core/sealed/client.js';
import type { SealedServerOptions } from '../../../src/core/sealed/server.js';
import { isLacking, type SuiteName } from '../../../src/core/sealed/suites.js';
import { laterKem } from '../../helpers/later-kem.js';
import { PeerClient, PeerServer } from '../../helpers/misbehaving-peer.js';
import { CHACHA20, X25519 } from '../../helpers/misbehaving-peer-crypto.js';
import type { Misbehaviour, TestKeys } from '../../helpers/misbehaviour.js';
import { flightsOfClients } from '../../helpers/misbehaviours-in-flights.js';
import { hellos } from '../../helpers/misbehaviours-in-hellos.js';
import { flightsOfServers } from '../../helpers/misbehaviours-of-servers.js';
import { MAX_MESSAGE, MAX_RECORD, type OpenPeer, whenOpen } from '../../helpers/misbehaviours-when-open.js';
import type { Recorder } from '../../helpers/recorder.js';
import { clientEnd, converse, identity, serverEnd, settle, spkiOf } from '../../helpers/sealed-ends.js';
import { wireTo } from '../../helpers/sealed-wire.js';
import file from '../../vectors/sealed.json' with { type: 'json' };

const keys: TestKeys = {
  server: createPrivateKey(file.keys.server2048),
  client: createPrivateKey(file.keys.client2048),
  other: createPrivateKey(file.keys.other2048),
  weak: createPrivateKey(file.keys.weak1024),
};
const limits = { maxMessage: MAX_MESSAGE, maxRecord: MAX_RECORD };
const mlKem768 = await node.mlKem768();

const ciphers: { name: SuiteName; suite: number }[] = [
  { name: 'X25519', suite: X25519 },
  { name: 'X25519-CHACHA20', suite: CHACHA20 },
];
/** The suites that everything is tried with: one of each cipher that is there. The ends have them all. */
const tried = ciphers.filter(({ name }) => !isLacking(name, node));
const suites = tried.map(({ name }) => name);
/** Whether the peer, which is made of node:crypto as well, has the cipher that it takes. */
const isPossible = ({ name }: Misbehaviour): boolean =>
  tried.length === ciphers.length || !/ChaCha20|the other cipher that/.test(name);

const servers: Partial<Record<NonNullable<Misbehaviour['setUp']>, Partial<SealedServerOptions>>> = {
  hybrid: { suites: ['X25519MLKEM768', ...suites], mlKem768 },
  'clients none': { clientAuth: 'none' },
  'clients required': { clientAuth: 'required' },
  refusing: { authorize: () => false },
};

function server(setUp?: Misbehaviour['setUp']): Recorder {
  return start(serverEnd({ ...limits, suites, ...(setUp && servers[setUp]) }));
}

/** A client that has pinned the server's key. */
function client(setUp?: Misbehaviour['setUp']): Recorder {
  const pinned = fingerprintOf(node, spkiOf('server2048'));
  const isTrusting = setUp === 'trusting, with identity';
  const options: Partial<SealedClientOptions> = {
    ...limits,
    suites,
    decide: (_, met) => isTrusting || met === pinned,
  };
  const shown = setUp?.endsWith('with identity') ? { identity: identity(node) } : {};
  return start(clientEnd({ ...options, ...shown }));
}

/** A server with the hybrid suites whose platform computes ML-KEM elsewhere. */
function laterServer(): Recorder {
  const backend = { ...node, mlKem768Later: laterKem(mlKem768) };
  return start(serverEnd({ ...limits, ...servers.hybrid, backend, mlKem768: undefined }));
}

function start(end: Recorder): Recorder {
  end.session.start();
  return end;
}

it('there are at least sixty misbehaviours, each with a name of its own', () => {
  const names = [...hellos, ...flightsOfClients, ...flightsOfServers, ...whenOpen].map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(names.length).toBeGreaterThanOrEqual(60);
});

it('every check whose removal is an attack on the model has misbehaviours to miss it', () => {
  const names = [...flightsOfClients, ...flightsOfServers].map(({ name }) => name).join('\n');
  for (const mutant of ['nopin', 'norsasecret', 'nodh', 'nothash', 'sigweak', 'nosigcheck', 'earlydata']) {
    expect(names).toContain(`(mut_${mutant})`);
  }
});

it('the peer of these tests takes nothing from the library', () => {
  for (const name of ['misbehaving-peer', 'misbehaving-peer-crypto']) {
    const text = readFileSync(new URL(`../../helpers/${name}.ts`, import.meta.url), 'utf8');
    const imported = [...text.matchAll(/from '(.*)'/g)].map(([, from]) => from);
    expect(
      imported.filter((from) => from !== 'node:crypto' && from !== './misbehaving-peer-crypto.js'),
    ).toEqual([]);
  }
});

describe.each(
  tried.flatMap((one) => [
    { ...one, whom: 'a server', make: server, misbehaviours: [...hellos, ...flightsOfClients] },
    {
      ...{ ...one, whom: 'a server with ML-KEM of its platform', make: laterServer },
      misbehaviours: hellos.filter(({ setUp }) => setUp === 'hybrid'),
    },
    { ...one, whom: 'a client', make: client, misbehaviours: flightsOfServers.filter(isPossible) },
  ]),
)('to $whom over $name:', ({ suite, make, misbehaviours }) => {
  it.each(misbehaviours)('$name: $code, $wire', async ({ code, wire, play, setUp }) => {
    const end = make(setUp);
    const seen = await play(wireTo(end, suite), keys, () => wireTo(make(setUp), suite));
    expect({ code: end.code ?? null, wire: seen }).toEqual({ code, wire });
    expectWords(end);
    if (code !== 'DECRYPT_FAILED') expect(end.opening !== undefined).toBe(code === null);
    expect(end.messages).toEqual([]);
  });
});

describe.each(
  tried.flatMap((one) => [
    { ...one, whom: 'a server', open: openServer },
    { ...one, whom: 'a client', open: openClient },
  ]),
)('to $whom that is open over $name:', ({ suite, open }) => {
  it.each(whenOpen)('$name: $code, $wire', async ({ code, wire, play, delivered = [] }) => {
    const { end, peer } = await open(suite);
    const seen = await play(peer);
    expect({ code: end.code ?? null, wire: seen }).toEqual({ code, wire });
    expectWords(end);
    const texts = end.messages
      .map((message) => Buffer.from(message).toString())
      .filter((text) => text !== 'x');
    expect(texts).toEqual(delivered);
  });
});

/** An error says what happened: in words, lowercase but for names, and to the end. */
function expectWords({ error }: Recorder): void {
  if (error !== undefined)
    expect((error as Error).message).toMatch(/^(?!.*undefined)(?=.* .* )[a-z].*[A-Za-z0-9)?']$/);
}

interface Opened {
  readonly end: Recorder;
  readonly peer: OpenPeer;
}

async function openServer(suite: number): Promise<Opened> {
  const end = server();
  const peer = new PeerClient(wireTo(end, suite));
  await peer.connect();
  expect(end.opening).toBeDefined();
  return { end, peer };
}

async function openClient(suite: number): Promise<Opened> {
  const end = client();
  const peer = new PeerServer(wireTo(end, suite), keys.server);
  await peer.accept(await peer.wire.send(Buffer.alloc(0)));
  expect(end.opening).toBeDefined();
  return { end, peer };
}

it('a ciphertext of a wrong length costs no RSA operation', async () => {
  for (const ciphertext of [
    Buffer.alloc(0),
    Buffer.alloc(255, 1),
    Buffer.alloc(257, 1),
    Buffer.alloc(384, 1),
  ]) {
    const end = server();
    const liar = new PeerClient(wireTo(end));
    await liar.greet();
    await liar.prove({
      ciphertext: () => ciphertext,
      records: ({ key }) => {
        end.session.receive(key());
        expect([end.tasks, end.code]).toEqual([[], 'HANDSHAKE_FAILED']);
        return Buffer.alloc(0);
      },
    });
    expect(end.code).toBe('HANDSHAKE_FAILED');
  }
});

describe('an active attacker', () => {
  /** Carries the flights of a client and a server, changed by what is between them. */
  async function between(
    change: (bytes: Uint8Array, from: 'client' | 'server') => Uint8Array,
    suites: readonly SuiteName[] = ['X25519MLKEM768', 'X25519'],
  ): Promise<[Recorder, Recorder]> {
    const ends: [Recorder, Recorder] = [
      start(clientEnd({ identity: identity(node), suites, mlKem768 })),
      start(serverEnd({ suites, mlKem768 })),
    ];
    await Promise.all(ends.map((end) => settle(end)));
    const pass = (from: 0 | 1, name: 'client' | 'server'): void => {
      const bytes = ends[from].takeWritten();
      if (bytes.length > 0) ends[1 - from]?.session.receive(change(bytes, name));
    };
    for (let flight = 0; flight < 4; flight++) {
      pass(flight % 2 === 0 ? 0 : 1, flight % 2 === 0 ? 'client' : 'server');
      await Promise.all(ends.map((end) => settle(end)));
    }
    return ends;
  }

  it('who changes nothing is not noticed', async () => {
    const ends = await between((bytes) => bytes);
    expect(ends.map((end) => end.opening?.suite)).toEqual(['X25519MLKEM768', 'X25519MLKEM768']);
  });

  it.each([
    ['takes the better suite away (mut_nothash)', (hello: Buffer) => withoutHybrid(hello)],
    ['takes the GREASE away (mut_nothash)', (hello: Buffer) => withoutGrease(hello)],
    ['adds an extension (mut_nothash)', (hello: Buffer) => withExtension(hello)],
    ['changes the random of the client (mut_nothash)', (hello: Buffer) => change(hello, 8)],
  ])('who %s lets no connection open', async (_, change) => {
    const ends = await between((bytes, from) =>
      from === 'client' && bytes[0] === 0x53 ? change(Buffer.from(bytes)) : bytes,
    );
    expect(ends.map((end) => end.opening)).toEqual([undefined, undefined]);
    expect(ends[0].code).toBe('HANDSHAKE_FAILED');
  });

  it.skipIf(tried.length < ciphers.length).each([
    ['takes one cipher away', (suites: Buffer) => suites.subarray(0, 4)],
    ['turns the order of two ciphers round', (suites: Buffer) => swap(suites)],
  ])('who %s lets no connection open (mut_nothash)', async (_, change) => {
    const ends = await between(
      (bytes, from) => {
        if (from !== 'client' || bytes[0] !== 0x53) return bytes;
        const hello = Buffer.from(bytes);
        return rebuilt(hello, change(hello.subarray(41, 47)), hello.subarray(47));
      },
      ['X25519-CHACHA20', 'X25519'],
    );
    expect(ends.map((end) => end.opening)).toEqual([undefined, undefined]);
    expect(ends[0].code).toBe('HANDSHAKE_FAILED');
  });

  it('who relays to a server with another key is found out by the pin', async () => {
    const ends: [Recorder, Recorder] = [client(), start(serverEnd({ spki: spkiOf('server3072') }))];
    await converse(...ends);
    expect(ends[0].code).toBe('UNTRUSTED_SERVER');
    expect(ends[1].opening).toBeUndefined();
  });
});

function rebuilt(hello: Buffer, suites: Buffer, rest: Buffer): Buffer {
  const body = Buffer.concat([hello.subarray(8, 40), Buffer.from([suites.length / 2]), suites, rest]);
  const header = Buffer.from(hello.subarray(0, 8));
  header.writeUInt16BE(body.length, 6);
  return Buffer.concat([header, body]);
}

/** GREASE, the hybrid suite, X25519: then the share, the key of the hybrid suite, no extensions. */
function withoutHybrid(hello: Buffer): Buffer {
  const [suites, share] = [hello.subarray(41, 47), hello.subarray(47, 79)];
  return rebuilt(
    hello,
    Buffer.concat([suites.subarray(0, 2), suites.subarray(4)]),
    Buffer.concat([share, Buffer.alloc(4)]),
  );
}

/** GREASE, and two suites the other way round. */
function swap(suites: Buffer): Buffer {
  return Buffer.concat([suites.subarray(0, 2), suites.subarray(4), suites.subarray(2, 4)]);
}

function withoutGrease(hello: Buffer): Buffer {
  return rebuilt(hello, hello.subarray(43, 47), hello.subarray(47));
}

function withExtension(hello: Buffer): Buffer {
  return rebuilt(
    hello,
    hello.subarray(41, 47),
    Buffer.concat([hello.subarray(47, -2), Buffer.from([0, 4, 0, 9, 0, 0])]),
  );
}

function change(hello: Buffer, place: number): Buffer {
  const other = Buffer.from(hello);
  other[place] = (other[place] as number) ^ 1;
  return other;
}
