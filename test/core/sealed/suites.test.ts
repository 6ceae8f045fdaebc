import { describe, expect, it } from 'vitest';
import {
  checkSuites,
  greaseOf,
  type SuiteName,
  suiteIds,
  suiteNameOf,
} from '../../../src/core/sealed/suites.js';

it('suites have the numbers of the specification', () => {
  expect(suiteIds).toEqual({ X25519: 0x0101, X25519MLKEM768: 0x0102 });
  expect([0x0101, 0x0102].map(suiteNameOf)).toEqual(['X25519', 'X25519MLKEM768']);
  expect([0, 0x0100, 0x0103, 0x0a0a, 0x0201].map(suiteNameOf)).toEqual(new Array(5).fill(undefined));
});

it('GREASE is one of the sixteen values of RFC 8701, whatever the random byte', () => {
  const all = Array.from({ length: 256 }, (_, byte) => greaseOf(byte));
  const expected = Array.from({ length: 16 }, (_, i) => 0x0a0a + i * 0x1010);
  expect([...new Set(all)].sort((a, b) => a - b)).toEqual(expected);
  for (const value of expected) expect(all.filter((each) => each === value)).toHaveLength(16);
});

describe('a list of suites', () => {
  const check = (suites: unknown, mlKem768?: unknown) => () => checkSuites(suites as SuiteName[], mlKem768);

  it.each([
    ['is empty', []],
    ['names one twice', ['X25519', 'X25519']],
    ['names one that does not exist', ['X25519', 'X448']],
    ['names nothing that exists', ['x25519']],
  ])('that %s is refused', (_, suites) => {
    expect(check(suites, {})).toThrow(
      expect.objectContaining({
        code: 'BAD_ARGUMENT',
        message: `suites must be different names out of X25519, X25519MLKEM768, not '${suites.join(', ')}'`,
      }),
    );
  });

  it('with ML-KEM-768 needs it', () => {
    const needs = expect.objectContaining({
      code: 'BAD_ARGUMENT',
      message: 'the suite X25519MLKEM768 needs a backend with ML-KEM-768',
    });
    expect(check(['X25519MLKEM768'])).toThrow(needs);
    expect(check(['X25519', 'X25519MLKEM768'])).toThrow(needs);
    expect(check(['X25519', 'X25519MLKEM768'], {})).not.toThrow();
    expect(check(['X25519'])).not.toThrow();
  });
});
