import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { RsaPrivateNumbers } from '../../../src/backend.js';
import { decodePkcs8 } from '../../../src/core/encodings/der.js';
import { checkClassicKey, checkPrivateKey, checkSealedKey } from '../../../src/core/encodings/rsa-key.js';
import { bitLength } from '../../../src/numbers.js';

const f4 = Uint8Array.of(1, 0, 1);

/** An odd number of so many bits. */
function modulus(bits: number): Uint8Array {
  const n = new Uint8Array(Math.ceil(bits / 8)).fill(0x55);
  n[0] = 1 << ((bits - 1) % 8);
  return n;
}

test.each([
  ['', 0],
  ['00', 0],
  ['01', 1],
  ['02', 2],
  ['7f', 7],
  ['80', 8],
  ['ff', 8],
  ['0100', 9],
  ['8000', 16],
  ['0000ff', 8],
])('0x%s has %i bits', (hex, bits) => {
  expect(bitLength(Uint8Array.from(Buffer.from(hex, 'hex')))).toBe(bits);
});

describe('sealed', () => {
  test.each([2048, 2056, 3072, 4088, 4096])('takes %i bits', (bits) => {
    expect(() => checkSealedKey({ n: modulus(bits), e: f4 })).not.toThrow();
  });

  test.each([512, 1024, 2040, 2047, 2049, 3071, 4097, 4104])('refuses %i bits', (bits) => {
    expect(() => checkSealedKey({ n: modulus(bits), e: f4 })).toThrow(badKey(`modulus of ${bits} bits`));
  });

  test('refuses an even modulus', () => {
    expect(() => checkSealedKey({ n: modulus(2048).fill(0x56, 1), e: f4 })).toThrow(badKey('even'));
  });

  test.each(['03', '010003', '01000001', '65537000'])('refuses the exponent 0x%s', (hex) => {
    expect(() => checkSealedKey({ n: modulus(2048), e: Uint8Array.from(Buffer.from(hex, 'hex')) })).toThrow(
      badKey('65537'),
    );
  });
});

describe('classic', () => {
  test.each([
    [2048, 2048],
    [2049, 2048],
    [4096, 2048],
    [512, 512],
    [513, 512],
  ])('takes %i bits where %i are enough', (bits, min) => {
    expect(() => checkClassicKey({ n: modulus(bits), e: f4 }, min)).not.toThrow();
  });

  test('names the option that would admit a small key', () => {
    expect(() => checkClassicKey({ n: modulus(1024), e: f4 }, 2048)).toThrow(
      badKey('{ minModulusBits: 1024 }'),
    );
  });

  test.each([
    [511, 0],
    [256, 512],
  ])('refuses %i bits even where %i are enough', (bits, min) => {
    expect(() => checkClassicKey({ n: modulus(bits), e: f4 }, min)).toThrow(badKey('below 512'));
  });

  test('refuses 4097 bits', () => {
    expect(() => checkClassicKey({ n: modulus(4097), e: f4 }, 512)).toThrow(badKey('at most 4096'));
  });

  test('refuses an even modulus', () => {
    expect(() => checkClassicKey({ n: modulus(2048).fill(0x56, 1), e: f4 }, 2048)).toThrow(badKey('even'));
  });

  test.each(['03', '11', '010001', '80000001', 'ffffffff'])('takes the exponent 0x%s', (hex) => {
    expect(() =>
      checkClassicKey({ n: modulus(2048), e: Uint8Array.from(Buffer.from(hex, 'hex')) }, 2048),
    ).not.toThrow();
  });

  test.each(['01', '02', '04', '010000', '0100000001'])('refuses the exponent 0x%s', (hex) => {
    expect(() =>
      checkClassicKey({ n: modulus(2048), e: Uint8Array.from(Buffer.from(hex, 'hex')) }, 2048),
    ).toThrow(badKey('exponent'));
  });
});

describe('private numbers', () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const key = decodePkcs8(privateKey.export({ type: 'pkcs8', format: 'der' }));

  test('that belong together are taken', () => {
    expect(() => checkPrivateKey(key)).not.toThrow();
  });

  test.each(['n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi'] as const)(
    'of which %s is off by two are refused',
    (name) => {
      expect(() => checkPrivateKey({ ...key, [name]: offByTwo(key[name]) })).toThrow(unfit);
    },
  );

  test.each(['n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi'] as const)(
    'of which %s is zero or one are refused',
    (name) => {
      expect(() => checkPrivateKey({ ...key, [name]: new Uint8Array(0) })).toThrow(unfit);
      expect(() => checkPrivateKey({ ...key, [name]: Uint8Array.of(1) })).toThrow(unfit);
    },
  );

  test('with p and q exchanged are refused, for then qi is another', () => {
    const exchanged: RsaPrivateNumbers = { ...key, p: key.q, q: key.p, dp: key.dq, dq: key.dp };
    expect(() => checkPrivateKey(exchanged)).toThrow(unfit);
  });

  test('with an exponent that is right for one prime only are refused', () => {
    const [d, p, q] = [toBigInt(key.d), toBigInt(key.p), toBigInt(key.q)];
    const wrongForQ = d + p - 1n;
    const wrongForP = d + q - 1n;
    expect(() =>
      checkPrivateKey({ ...key, d: fromBigInt(wrongForQ), dq: fromBigInt(wrongForQ % (q - 1n)) }),
    ).toThrow(unfit);
    expect(() =>
      checkPrivateKey({ ...key, d: fromBigInt(wrongForP), dp: fromBigInt(wrongForP % (p - 1n)) }),
    ).toThrow(unfit);
  });

  test('with an exponent that does not belong to what it leaves for one of the primes are refused', () => {
    const [d, p, q] = [toBigInt(key.d), toBigInt(key.p), toBigInt(key.q)];
    for (const wrong of [d + p - 1n, d + q - 1n])
      expect(() => checkPrivateKey({ ...key, d: fromBigInt(wrong) })).toThrow(unfit);
  });

  test('of which dp, dq or qi is right but not reduced are refused', () => {
    const [p, q] = [toBigInt(key.p), toBigInt(key.q)];
    for (const [name, by] of [
      ['dp', p - 1n],
      ['dq', q - 1n],
      ['qi', p],
    ] as const)
      expect(() => checkPrivateKey({ ...key, [name]: fromBigInt(toBigInt(key[name]) + by) })).toThrow(unfit);
  });

  test('with one factor twice are refused', () => {
    const p = toBigInt(key.p);
    const square: RsaPrivateNumbers = { ...key, n: fromBigInt(p * p), q: key.p, dq: key.dp };
    for (const qi of [0n, 1n, p - 1n])
      expect(() => checkPrivateKey({ ...square, qi: fromBigInt(qi) })).toThrow(unfit);
  });

  test('with factors that are none are refused', () => {
    const one = Uint8Array.of(1);
    expect(() => checkPrivateKey({ ...key, p: one, q: key.n })).toThrow(unfit);
    expect(() => checkPrivateKey({ ...key, p: key.n, q: one, dp: key.d })).toThrow(unfit);
  });

  test('with an exponent beyond the modulus are refused', () => {
    const [d, p, q] = [toBigInt(key.d), toBigInt(key.p), toBigInt(key.q)];
    expect(() => checkPrivateKey({ ...key, d: fromBigInt(d + 2n * (p - 1n) * (q - 1n)) })).toThrow(unfit);
  });

  const unfit = expect.objectContaining({
    code: 'BAD_IDENTITY',
    message: 'the components of the private key are inconsistent',
  });
});

function offByTwo(number: Uint8Array): Uint8Array {
  return number.map((byte, index) => (index === number.length - 1 ? byte ^ 2 : byte));
}

function toBigInt(number: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(number).toString('hex')}`);
}

function fromBigInt(number: bigint): Uint8Array {
  const digits = number.toString(16);
  return Uint8Array.from(Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex'));
}

function badKey(text: string): unknown {
  return expect.objectContaining({ code: 'BAD_KEY', message: expect.stringContaining(text) });
}
