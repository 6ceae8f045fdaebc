import { describe, expect, it } from 'vitest';
import { noble } from '../../backends/noble.js';
import { node } from '../../backends/node.js';
import { web } from '../../backends/web.js';
import { webClient } from '../../backends/web-client.js';
import type { KemSubtle, WebCryptoKey } from '../../backends/web-crypto.js';
import { platformMlKem768 } from '../../backends/web-platform-ml-kem.js';
import type { Backend, Encapsulated, LaterKeyEncapsulation } from '../../src/backend.js';
import { defaultSuites } from '../../src/core/sealed/suites.js';
import { bytes, hex, pattern } from '../helpers/backends.js';
import { laterKem } from '../helpers/later-kem.js';
import { clientOf, pair, portOf, rejection, startListening } from '../helpers/sockets.js';
import vectors from '../vectors/ml-kem-768.json' with { type: 'json' };

// The platform's own on Bun and Deno, and on every runtime platforms that fail as those two do.

const kem = await noble.mlKem768();
const isBunOrDeno = 'Bun' in globalThis || 'Deno' in globalThis;

interface FakeKey extends WebCryptoKey {
  readonly seed?: Uint8Array;
  readonly bytes: Uint8Array;
}

/** Web Cryptography with ML-KEM of noble. It says of a bad key what it is told to say, at the import or when it is used. */
function fake(failure: {
  atImport?: unknown;
  atUse?: unknown;
  atGeneration?: unknown;
}): LaterKeyEncapsulation {
  const own = (seed: Uint8Array): FakeKey => ({ type: 'private', seed, bytes: new Uint8Array(0) });
  const publicOf = ({ seed }: FakeKey): FakeKey => ({
    type: 'public',
    bytes: kem.keyPair(seed).encapsulationKey,
  });
  return platformMlKem768({
    async importKey(format: string, data: Uint8Array) {
      if (format === 'raw-seed') return own(data.slice());
      if (failure.atImport && kem.encapsulate(data) === null) throw failure.atImport;
      return { type: 'public', bytes: data.slice() };
    },
    async generateKey() {
      if (failure.atGeneration) throw failure.atGeneration;
      const privateKey = own(noble.randomBytes(64));
      return { privateKey, publicKey: publicOf(privateKey) };
    },
    getPublicKey: async (key: FakeKey) => publicOf(key),
    exportKey: async (_: string, key: FakeKey) => key.bytes.slice().buffer,
    async encapsulateBits(_: object, key: FakeKey) {
      const made = kem.encapsulate(key.bytes);
      if (made === null) throw failure.atUse;
      return { ciphertext: made.ciphertext.buffer, sharedKey: made.sharedSecret.buffer };
    },
    decapsulateBits: async (_: object, { seed }: FakeKey, ciphertext: Uint8Array) =>
      kem.keyPair(seed).decapsulate(ciphertext).buffer,
  } as unknown as KemSubtle);
}

const dataError = new DOMException('Invalid keyData', 'DataError');
const operationError = new DOMException('Encapsulation failed', 'OperationError');
const platforms: { name: string; later: LaterKeyEncapsulation }[] = [
  { name: 'one that refuses a bad key at its import', later: fake({ atImport: dataError }) },
  { name: 'one that refuses a bad key when it is used', later: fake({ atUse: operationError }) },
];
if (web.mlKem768Later) platforms.push({ name: 'this one', later: web.mlKem768Later });

describe.each(platforms)('ML-KEM-768 of a platform, $name,', ({ later }) => {
  it.each(vectors.cases)('decapsulates as recorded, and rejects implicitly', async (vector) => {
    const key = await later.keyPair(bytes(vector.seed));
    expect(hex(noble.sha256(key.encapsulationKey))).toBe(vector.encapsulationKeySha256);
    const ciphertext = bytes(vector.ciphertext);
    expect(hex(await key.decapsulate(ciphertext))).toBe(vector.sharedSecret);
    ciphertext[vector.damagedByte] = (ciphertext[vector.damagedByte] as number) ^ vector.damagedMask;
    expect(hex(await key.decapsulate(ciphertext))).toBe(vector.rejectionSecret);
  });

  it.each([noble, node])('agrees with $name', async (backend) => {
    const other = await backend.mlKem768();
    const [ours, theirs] = [await later.keyPair(), other.keyPair()];
    const there = (await later.encapsulate(theirs.encapsulationKey)) as Encapsulated;
    expect(hex(theirs.decapsulate(there.ciphertext))).toBe(hex(there.sharedSecret));
    const back = other.encapsulate(ours.encapsulationKey) as Encapsulated;
    expect(hex(await ours.decapsulate(back.ciphertext))).toBe(hex(back.sharedSecret));
  });

  it('makes a fresh key and a fresh secret every time, in memory of their own', async () => {
    const [one, two] = [await later.keyPair(), await later.keyPair()];
    expect(hex(one.encapsulationKey)).not.toBe(hex(two.encapsulationKey));
    const first = (await later.encapsulate(one.encapsulationKey)) as Encapsulated;
    const second = (await later.encapsulate(one.encapsulationKey)) as Encapsulated;
    expect(hex(first.sharedSecret)).not.toBe(hex(second.sharedSecret));
    const results = [one.encapsulationKey, first.ciphertext, first.sharedSecret, second.sharedSecret];
    for (const result of results) expect(Object.getPrototypeOf(result)).toBe(Uint8Array.prototype);
    expect(new Set(results.map(({ buffer }) => buffer)).size).toBe(results.length);
    expect(results.map(({ length }) => length)).toEqual([1184, 1088, 32, 32]);
  });

  it('gives null for a key with a coefficient that is not reduced, wherever it is', async () => {
    const { encapsulationKey } = await later.keyPair(pattern(64));
    for (const at of [0, 3, 384, 1149]) {
      const wrong = encapsulationKey.slice();
      wrong.set([0xff, (wrong[at + 1] as number) | 0x0f], at);
      expect(await later.encapsulate(wrong)).toBeNull();
    }
    expect(await later.encapsulate(new Uint8Array(1184).fill(0xff))).toBeNull();
    expect(await later.encapsulate(encapsulationKey.slice().fill(0xff, 1152))).not.toBeNull();
  });

  it('refuses lengths that are wrong, and no ciphertext of the right one', async () => {
    const key = await later.keyPair();
    for (const length of [0, 63, 65, 32])
      await expect(later.keyPair(new Uint8Array(length))).rejects.toThrow(RangeError);
    for (const length of [0, 1183, 1185, 800])
      await expect(later.encapsulate(new Uint8Array(length))).rejects.toThrow(RangeError);
    for (const length of [0, 1087, 1089, 768])
      await expect(key.decapsulate(new Uint8Array(length))).rejects.toThrow(RangeError);
    for (const fill of [0, 0xff])
      expect(await key.decapsulate(new Uint8Array(1088).fill(fill))).toHaveLength(32);
  });

  it('lets everything given be overwritten after the call', async () => {
    const same = await later.keyPair(pattern(64));
    const seed = pattern(64);
    const making = later.keyPair(seed);
    seed.fill(0);
    const key = await making;
    expect(hex(key.encapsulationKey)).toBe(hex(same.encapsulationKey));
    const lent = key.encapsulationKey.slice();
    const encapsulating = later.encapsulate(lent);
    lent.fill(0);
    const { ciphertext, sharedSecret } = (await encapsulating) as Encapsulated;
    const decapsulating = key.decapsulate(ciphertext);
    ciphertext.fill(0);
    expect(hex(await decapsulating)).toBe(hex(sharedSecret));
  });
});

describe('a platform that fails for another reason than the key', () => {
  const failure = new DOMException('out of memory', 'QuotaExceededError');
  const bad = new Uint8Array(1184).fill(0xff);

  it.each([
    ['at the import', fake({ atImport: failure }), failure],
    ['at the import, with the error of the other step', fake({ atImport: operationError }), operationError],
    ['when it encapsulates', fake({ atUse: failure }), failure],
    ['when it encapsulates, with the error of the other step', fake({ atUse: dataError }), dataError],
  ])('%s rejects with that', async (_, later, expected) => {
    await expect(later.encapsulate(bad)).rejects.toBe(expected);
  });

  it('lets the connection fail with that, and not as if the peer had done wrong', async () => {
    const backend: Backend = { ...node, mlKem768Later: fake({ atGeneration: failure }) };
    const suites = ['X25519MLKEM768'] as const;
    const server = await startListening('sealed', { suites });
    const client = clientOf(server, { backend, suites });
    const error = await rejection(client.connect({ port: portOf(server), host: '127.0.0.1' }));
    expect(error).toBe(failure);
    await server.close();
  });
});

describe('where the platform has ML-KEM', () => {
  const hybrids = ['X25519MLKEM768', 'X25519MLKEM768-CHACHA20'];

  it('is where Bun and Deno run it; Node has it in node:crypto, and warns of this one', () => {
    for (const { mlKem768Later } of [node, web, webClient])
      expect(mlKem768Later !== undefined).toBe(isBunOrDeno);
  });

  it('connections use that instead of the other form', async () => {
    const never = async (): Promise<never> => {
      throw new Error('the immediate form is not to be loaded');
    };
    const backend: Backend = { ...web, mlKem768: never, mlKem768Later: laterKem(kem) };
    await using ends = await pair('sealed', { client: { backend }, server: { backend } });
    expect([ends.client.suite, ends.peer.suite]).toEqual(['X25519MLKEM768', 'X25519MLKEM768']);
    await ends.client.send(Uint8Array.of(1, 2, 3));
    expect(await ends.peer.recv()).toEqual(Uint8Array.of(1, 2, 3));
  });

  it.each([node, web, webClient])('$name prefers the hybrids by default', async (backend) => {
    const suites = defaultSuites({ ...backend, mlKem768Later: laterKem(kem) });
    const possible = hybrids.filter((name) => !(backend.lacks?.length && name.endsWith('CHACHA20')));
    expect(suites.slice(0, possible.length).toSorted()).toEqual(possible);
  });

  it.runIf(isBunOrDeno).each([node, web])('$name opens a hybrid connection by default', async (backend) => {
    await using ends = await pair('sealed', { client: { backend }, server: { backend } });
    const [suite] = defaultSuites(backend);
    expect(hybrids).toContain(suite);
    expect([ends.client.suite, ends.peer.suite]).toEqual([suite, suite]);
  });
});
