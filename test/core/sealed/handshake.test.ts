import { beforeAll, describe, expect, it } from 'vitest';
import { node } from '../../../backends/node.js';
import type { Backend, KeyEncapsulation } from '../../../src/backend.js';
import { encodeSpki } from '../../../src/core/encodings/der.js';
import { type SealedClientOptions, sealedClient } from '../../../src/core/sealed/client.js';
import { type SealedServerOptions, sealedServer } from '../../../src/core/sealed/server.js';
import { isLacking, type SuiteName, suiteNames } from '../../../src/core/sealed/suites.js';
import { clientFingerprint, serverFingerprint } from '../../helpers/handshake-ends.js';
import { cut, type Recorder } from '../../helpers/recorder.js';
import {
  backends,
  byteByByte,
  clientEnd,
  converse,
  identity,
  openPair,
  serverEnd,
  spkiOf,
  whole,
} from '../../helpers/sealed-ends.js';
import { hex, testKey } from '../../helpers/sealed-vectors.js';

const kems = new Map<string, KeyEncapsulation>();

beforeAll(async () => {
  for (const backend of backends) kems.set(backend.name, await backend.mlKem768());
});

const kemOf = (backend: Backend): KeyEncapsulation => kems.get(backend.name) as KeyEncapsulation;

describe('every pair of backends', () => {
  // what a mutant of the core breaks, it breaks with any of them
  const some = process.env.MUTATION === undefined ? backends : [node];
  const pairs = some.flatMap((client) => some.map((server) => ({ client, server })));
  const cases = pairs.flatMap(({ client, server }) =>
    suiteNames
      .filter((suite) => !isLacking(suite, client) && !isLacking(suite, server))
      .map((suite) => ({ client, server, suite })),
  );

  it.each(cases)('$client.name to $server.name over $suite', async ({ client, server, suite }) => {
    for (const known of [false, true]) {
      for (const cutting of [whole, byteByByte]) {
        const pair = await openPair(
          {
            ...{ backend: client, suites: [suite], mlKem768: kemOf(client) },
            ...(known && { identity: identity(client) }),
          },
          { backend: server, suites: [suite], mlKem768: kemOf(server) },
          cutting,
        );
        expectAgreement(pair, suite, known ? clientFingerprint : undefined);
        expectTalk(pair);
      }
    }
  });
});

type Pair = { client: Recorder; server: Recorder };

function expectAgreement({ client, server }: Pair, suite: SuiteName, shown: string | undefined): void {
  expect([client.code, server.code]).toEqual([undefined, undefined]);
  expect([client.opening?.suite, server.opening?.suite]).toEqual([suite, suite]);
  expect(client.opening?.peer).toEqual({ spki: spkiOf('server2048'), fingerprint: serverFingerprint });
  expect(server.opening?.peer?.fingerprint).toBe(shown);
  const [ours, theirs] = [client, server].map((end) =>
    end.opening?.keys?.exportKey('binding', new Uint8Array(3), 42),
  );
  expect(ours).toHaveLength(42);
  expect(theirs).toEqual(ours);
}

function expectTalk({ client, server }: Pair): void {
  const texts = ['', 'hello', 'x'.repeat(40000)];
  for (const [from, to] of [
    [client, server],
    [server, client],
  ] as const) {
    for (const text of texts) from.opening?.sender.stage(Buffer.from(text));
    for (const chunk of from.opening?.sender.close(0) ?? []) to.session.receive(chunk);
    expect(to.messages.map((message) => Buffer.from(message).toString())).toEqual(texts);
    expect(to.endCode).toBe(0);
  }
}

it('any cutting of the flights gives the same connection', async () => {
  for (let step = 1; step < 90; step += 11) {
    const pair = await openPair({ identity: identity(node) }, {}, (bytes) =>
      cut(
        bytes,
        Array.from({ length: bytes.length }, (_, i) => i * step),
      ),
    );
    expectAgreement(pair, 'X25519', clientFingerprint);
  }
});

describe('suites', () => {
  const both: SuiteName[] = ['X25519', 'X25519MLKEM768'];
  const hybridFirst: SuiteName[] = ['X25519MLKEM768', 'X25519'];

  const choices: [readonly SuiteName[], readonly SuiteName[], SuiteName][] = [
    [both, hybridFirst, 'X25519MLKEM768'],
    [hybridFirst, both, 'X25519'],
    [hybridFirst, ['X25519'], 'X25519'],
    [['X25519'], hybridFirst, 'X25519'],
    // between two that differ in the cipher alone the client's order decides
    [['X25519-CHACHA20', 'X25519'], ['X25519', 'X25519-CHACHA20'], 'X25519-CHACHA20'],
    [['X25519', 'X25519-CHACHA20'], ['X25519-CHACHA20', 'X25519'], 'X25519'],
    [['X25519-CHACHA20'], ['X25519', 'X25519-CHACHA20'], 'X25519-CHACHA20'],
    [['X25519', 'X25519-CHACHA20'], ['X25519-CHACHA20'], 'X25519-CHACHA20'],
    [suiteNames, suiteNames, 'X25519'],
    [suiteNames, [...suiteNames].reverse(), 'X25519MLKEM768'],
    [[...suiteNames].reverse(), suiteNames, 'X25519-CHACHA20'],
  ];

  it.each(choices.filter((choice) => !choice.flat().some((name) => isLacking(name as SuiteName, node))))(
    'client %j and server %j agree on %s',
    async (client, server, suite) => {
      const mlKem768 = kemOf(node);
      const pair = await openPair({ suites: client, mlKem768 }, { suites: server, mlKem768 });
      expectAgreement(pair, suite, undefined);
      expectTalk(pair);
    },
  );

  it('none in common is NO_COMMON_SUITE at both ends', async () => {
    const mlKem768 = kemOf(node);
    const { client, server } = await openPair({}, { suites: ['X25519MLKEM768'], mlKem768 });
    expect(server.code).toBe('NO_COMMON_SUITE');
    expect(hex(Buffer.concat(server.finalBytes as Uint8Array[]))).toBe('5345414c0f01000101');
    expect(String(server.error)).toContain('the client offers none of the suites X25519MLKEM768');
    client.session.receive(Buffer.concat(server.finalBytes as Uint8Array[]));
    expect(client.code).toBe('NO_COMMON_SUITE');
    expect(String(client.error)).toContain('compare the option suites of both ends');
  });

  it('a client offers a suite that does not exist, and another one each time', () => {
    const offered = Array.from({ length: 40 }, () => {
      const client = clientEnd();
      client.session.start();
      return hex(client.takeWritten().subarray(41, 43));
    });
    for (const id of offered) expect(id).toMatch(/^(.a)\1$/);
    expect(new Set(offered).size).toBeGreaterThan(3);
  });

  it('that cannot be are refused before anything is sent', () => {
    const build = (suites: unknown, mlKem768?: KeyEncapsulation): (() => unknown) => {
      const backend = { ...node, mlKem768Later: undefined };
      const options = { backend, suites, mlKem768 } as unknown as SealedClientOptions & SealedServerOptions;
      return () => [sealedClient(options), sealedServer(options)];
    };
    for (const wrong of [[], ['X25519', 'X25519'], ['X448'], ['X25519MLKEM768']]) {
      expect(build(wrong)).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
    }
    expect(build(['X25519MLKEM768'], kemOf(node))).not.toThrow();
  });
});

it('a busy server says so instead of hello, and does no work', () => {
  let exchanges = 0;
  const backend: Backend = {
    ...node,
    x25519: () => {
      exchanges++;
      return node.x25519();
    },
  };
  const [client, server] = [clientEnd(), serverEnd({ backend, busy: () => true })];
  client.session.start();
  server.session.start();
  server.session.receive(client.takeWritten());
  expect(server.code).toBe('BUSY');
  expect(String(server.error)).toContain('a client was refused: too many handshakes are in progress');
  expect(exchanges).toBe(0);
  expect(hex(server.finalBytes?.[0] as Uint8Array)).toBe('5345414c0f01000102');
  client.session.receive(server.finalBytes?.[0] as Uint8Array);
  expect(client.code).toBe('BUSY');
  expect(String(client.error)).toContain(
    'the server has too many connections or handshakes: try again later',
  );
});

describe('a peer of another protocol', () => {
  it.each([0, 1, 2, 3])('is found out at its first differing byte, %i', (place) => {
    for (const end of [clientEnd(), serverEnd()]) {
      end.session.start();
      const greeting = Buffer.from('SEAL');
      greeting[place] = 0x21;
      end.session.receive(greeting.subarray(0, place));
      expect(end.code).toBeUndefined();
      end.session.receive(greeting.subarray(place, place + 1));
      expect(end.code).toBe('NOT_SEALED');
      expect(end.finalBytes).toBeUndefined();
    }
  });

  it.each([0x80, 0x28, 0x63])('that begins with %i seems to speak classic', (byte) => {
    const client = clientEnd();
    client.session.start();
    client.session.receive(Uint8Array.of(byte));
    expect(String(client.error)).toContain(
      `the peer does not speak SEALED (unexpected byte 0x${byte.toString(16)}): the peer seems to speak CLASSIC, ` +
        "for which both ends need protocol: 'classic'",
    );
  });

  it('that speaks something else is not said to speak classic', () => {
    const server = serverEnd();
    server.session.start();
    server.session.receive(Buffer.from('GET / HTTP/1.1\r\n'));
    expect(server.code).toBe('NOT_SEALED');
    expect(String(server.error)).toContain('(unexpected byte 0x47): is there another service on this port?');
    const other = serverEnd();
    other.session.start();
    other.session.receive(Uint8Array.of(7));
    expect(String(other.error)).toContain('(unexpected byte 0x07)');
  });
});

describe('the stream ends', () => {
  it('before the connection is open: HANDSHAKE_FAILED at either end, wherever it is', async () => {
    const flight = await firstFlights();
    for (const [end, bytes] of [
      [serverEnd, flight.client],
      [clientEnd, flight.server],
    ] as const) {
      for (let length = 0; length < bytes.length; length += 7) {
        const cutShort = end();
        cutShort.session.start();
        cutShort.session.receive(bytes.subarray(0, length));
        cutShort.session.endOfStream();
        expect(cutShort.code).toBe('HANDSHAKE_FAILED');
        expect(cutShort.finalBytes).toBeUndefined();
      }
    }
  });
});

async function firstFlights(): Promise<{ client: Uint8Array; server: Uint8Array }> {
  const [client, server] = [clientEnd(), serverEnd()];
  client.session.start();
  server.session.start();
  const hello = client.takeWritten();
  server.session.receive(hello);
  return { client: hello, server: server.takeWritten().subarray(0, 76) };
}

it('a client that meets itself, or a server itself, gets no connection', async () => {
  const [one, two] = [clientEnd(), clientEnd()];
  one.session.start();
  two.session.start();
  await converse(one, two);
  expect([one.code, two.code]).toEqual(['PROTOCOL', 'PROTOCOL']);
});

it('limits that the ends announce are kept by the other', async () => {
  const { client, server } = await openPair(
    { maxMessage: 2000, maxRecord: 16384 },
    { maxMessage: 5000, maxRecord: 20000 },
  );
  expect(client.opening?.sender.maxMessage).toBe(5000);
  expect(server.opening?.sender.maxMessage).toBe(2000);
});

it('secrets of a handshake are overwritten once it is over, or given up', async () => {
  for (const outcome of ['open', 'failed'] as const) {
    const secrets: Uint8Array[] = [];
    const spied: Backend = {
      ...node,
      hkdfExtract: (salt, input) => remember(secrets, node.hkdfExtract(salt, input)),
      hkdfExpand: (key, info, length) => remember(secrets, node.hkdfExpand(key, info, length)),
    };
    const { client, server } = await openPair(
      { backend: spied, identity: identity(node) },
      { backend: spied, authorize: () => outcome === 'open' },
    );
    client.opening?.sender.close(0);
    server.opening?.sender.close(0);
    client.session.stop();
    server.session.stop();
    const left = secrets.filter((secret) => secret.some((byte) => byte !== 0));
    // what is kept is for exportKey, at both ends
    expect(left).toHaveLength(outcome === 'open' ? 2 : 0);
    expect(secrets.length).toBeGreaterThan(30);
  }
});

function remember(list: Uint8Array[], secret: Uint8Array): Uint8Array {
  list.push(secret);
  return secret;
}

it('the test keys are what the tests say they are', () => {
  expect(encodeSpki(testKey('server4096'))).toHaveLength(550);
});
