import { describe, expect, it } from 'vitest';
import { isAesFast } from '../../../backends/node-processor.js';
import type { Backend } from '../../../src/backend.js';
import {
  checkSuites,
  chooseSuite,
  defaultSuites,
  greaseOf,
  hasHybrid,
  isHybridId,
  type SuiteName,
  suiteNameOf,
  suiteNames,
  suites,
} from '../../../src/core/sealed/suites.js';
import { backends } from '../../helpers/sealed-ends.js';

it('suites have the numbers of the specification', () => {
  expect(suites).toEqual({
    X25519: { id: 0x0101, isHybrid: false, cipher: 'aesGcm' },
    X25519MLKEM768: { id: 0x0102, isHybrid: true, cipher: 'aesGcm' },
    'X25519-CHACHA20': { id: 0x0103, isHybrid: false, cipher: 'chaCha20Poly1305' },
    'X25519MLKEM768-CHACHA20': { id: 0x0104, isHybrid: true, cipher: 'chaCha20Poly1305' },
  });
  expect([0x0101, 0x0102, 0x0103, 0x0104].map(suiteNameOf)).toEqual(suiteNames);
  expect([0, 0x0100, 0x0105, 0x0a0a, 0x0201].map(suiteNameOf)).toEqual(new Array(5).fill(undefined));
});

it('the hybrid ones are those with ML-KEM', () => {
  expect([0x0101, 0x0102, 0x0103, 0x0104, 0x0a0a].map(isHybridId)).toEqual([false, true, false, true, false]);
  expect(hasHybrid(['X25519', 'X25519-CHACHA20'])).toBe(false);
  expect(hasHybrid(['X25519', 'X25519MLKEM768-CHACHA20'])).toBe(true);
});

describe('by default', () => {
  const [native, javascript] = [{ native: true }, { native: false }];
  const [own, other] = [{ fallbacks: {} }, { fallbacks: { mlKem768: 'another library' } }];
  const mlKem768Later = {} as NonNullable<Backend['mlKem768Later']>;
  const [aes, chacha] = [{ preferredAead: 'aesGcm' }, { preferredAead: 'chaCha20Poly1305' }] as const;

  it.each([
    {
      backend: { ...native, ...own, ...aes },
      expected: ['X25519MLKEM768', 'X25519MLKEM768-CHACHA20', 'X25519', 'X25519-CHACHA20'],
    },
    {
      backend: { ...native, ...own, ...chacha },
      expected: ['X25519MLKEM768-CHACHA20', 'X25519MLKEM768', 'X25519-CHACHA20', 'X25519'],
    },
    { backend: { ...native, ...other, ...aes }, expected: ['X25519', 'X25519-CHACHA20'] },
    { backend: { ...native, ...other, ...chacha }, expected: ['X25519-CHACHA20', 'X25519'] },
    {
      backend: { ...native, ...own, ...aes, lacks: ['chaCha20Poly1305'] as const },
      expected: ['X25519MLKEM768', 'X25519'],
    },
    {
      backend: { ...native, ...other, ...aes, mlKem768Later },
      expected: ['X25519MLKEM768', 'X25519MLKEM768-CHACHA20', 'X25519', 'X25519-CHACHA20'],
    },
    {
      backend: { ...javascript, ...other, ...aes, mlKem768Later },
      expected: ['X25519MLKEM768', 'X25519MLKEM768-CHACHA20', 'X25519', 'X25519-CHACHA20'],
    },
    { backend: { ...javascript, ...own, ...chacha }, expected: ['X25519-CHACHA20', 'X25519'] },
  ])(
    'the cipher of the backend comes first, and hybrids only where ML-KEM is native: $expected',
    ({ backend, expected }) => {
      expect(defaultSuites(backend)).toEqual(expected);
    },
  );

  it.each(backends)('$name prefers what it is faster with', ({ name, preferredAead }) => {
    // the platform has AES-GCM for large records, whatever the processor
    const isAes = name === 'web' || (name === 'node' && isAesFast());
    const expected = isAes ? 'aesGcm' : 'chaCha20Poly1305';
    expect(preferredAead).toBe(expected);
  });
});

it.each(backends)('$name has every cipher here, but for node:crypto on Bun', ({ name, lacks = [] }) => {
  expect(lacks).toEqual(name === 'node' && process.versions.bun ? ['chaCha20Poly1305'] : []);
});

describe('a server chooses', () => {
  const ids = (names: readonly SuiteName[]): number[] => names.map((name) => suites[name].id);
  const [AES, CHACHA, HYBRID, HYBRID_CHACHA] = [
    'X25519',
    'X25519-CHACHA20',
    'X25519MLKEM768',
    'X25519MLKEM768-CHACHA20',
  ] as const;

  it.each([
    // its own order between key exchanges
    { own: [AES, HYBRID], offered: [HYBRID, AES], chosen: AES },
    { own: [HYBRID, AES], offered: [AES, HYBRID], chosen: HYBRID },
    // the client's between ciphers
    { own: [AES, CHACHA], offered: [CHACHA, AES], chosen: CHACHA },
    { own: [CHACHA, AES], offered: [AES, CHACHA], chosen: AES },
    // the client's first suite is not taken for its cipher if it differs in the exchange
    { own: [AES, HYBRID, HYBRID_CHACHA], offered: [HYBRID_CHACHA, AES], chosen: AES },
    {
      own: [HYBRID, CHACHA, AES, HYBRID_CHACHA],
      offered: [AES, HYBRID_CHACHA, HYBRID],
      chosen: HYBRID_CHACHA,
    },
    // what only one of them has plays no part
    { own: [AES], offered: [CHACHA, AES], chosen: AES },
    { own: [AES, CHACHA], offered: [HYBRID_CHACHA, AES], chosen: AES },
    { own: [HYBRID], offered: [HYBRID_CHACHA, AES], chosen: undefined },
  ] as { own: SuiteName[]; offered: SuiteName[]; chosen: SuiteName | undefined }[])(
    '$chosen, having $own, of $offered',
    ({ own, offered, chosen }) => {
      expect(chooseSuite(own, ids(offered))).toBe(chosen);
      expect(chooseSuite(own, [0x0a0a, 0x0201, ...ids(offered)])).toBe(chosen);
    },
  );
});

it('GREASE is one of the sixteen values of RFC 8701, whatever the random byte', () => {
  const all = Array.from({ length: 256 }, (_, byte) => greaseOf(byte));
  const expected = Array.from({ length: 16 }, (_, i) => 0x0a0a + i * 0x1010);
  expect([...new Set(all)].sort((a, b) => a - b)).toEqual(expected);
  for (const value of expected) expect(all.filter((each) => each === value)).toHaveLength(16);
});

describe('a list of suites', () => {
  const check =
    (suites: unknown, mlKem768?: unknown, backend: Pick<Backend, 'lacks' | 'mlKem768Later'> = {}) =>
    () =>
      checkSuites(suites as SuiteName[], backend, mlKem768);

  it.each([
    ['is empty', []],
    ['names one twice', ['X25519', 'X25519']],
    ['names one that does not exist', ['X25519', 'X448']],
    ['names nothing that exists', ['x25519']],
  ])('that %s is refused', (_, suites) => {
    expect(check(suites, {})).toThrow(
      expect.objectContaining({
        code: 'BAD_ARGUMENT',
        message: `suites must be different names out of ${suiteNames.join(', ')}, not '${suites.join(', ')}'`,
      }),
    );
  });

  it('with a cipher that the backend lacks is refused', () => {
    const without = { lacks: ['chaCha20Poly1305'] } as const;
    const needs = expect.objectContaining({
      code: 'BAD_ARGUMENT',
      message: 'the suite X25519-CHACHA20 needs a cipher that the backend does not have here',
    });
    expect(check(['X25519', 'X25519-CHACHA20'], {}, without)).toThrow(needs);
    expect(check(['X25519', 'X25519MLKEM768'], {}, without)).not.toThrow();
  });

  it('with ML-KEM-768 needs it', () => {
    const needs = expect.objectContaining({
      code: 'BAD_ARGUMENT',
      message: 'the suite X25519MLKEM768 needs a backend with ML-KEM-768',
    });
    expect(check(['X25519MLKEM768'])).toThrow(needs);
    expect(check(['X25519', 'X25519MLKEM768'])).toThrow(needs);
    expect(check(['X25519', 'X25519MLKEM768'], {})).not.toThrow();
    const mlKem768Later = {} as NonNullable<Backend['mlKem768Later']>;
    expect(check(['X25519', 'X25519MLKEM768'], undefined, { mlKem768Later })).not.toThrow();
    expect(check(['X25519-CHACHA20', 'X25519'])).not.toThrow();
    expect(check(['X25519', 'X25519MLKEM768-CHACHA20'])).toThrow(
      expect.objectContaining({
        message: 'the suite X25519MLKEM768-CHACHA20 needs a backend with ML-KEM-768',
      }),
    );
  });
});
