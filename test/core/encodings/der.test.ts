import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RsaPrivateNumbers } from '../../../src/backend.js';
import {
  decodePkcs1Private,
  decodePkcs8,
  decodeSpki,
  encodePkcs1Private,
  encodePkcs8,
  encodeSpki,
} from '../../../src/core/encodings/der.js';
import { SecureSocketError } from '../../../src/errors.js';

const sizes = [
  [512, 65537],
  [768, 3],
  [1023, 65537],
  [1024, 0x80000001],
  [2039, 65537],
  [2048, 65537],
  [3072, 65537],
  [4096, 65537],
];
// Deno makes no key whose exponent does not fit into 31 bits
const possible = sizes.filter(([, exponent = 0]) => !process.versions.deno || exponent < 2 ** 31);

const pairs = possible.map(([modulusLength = 0, publicExponent = 0]) => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength, publicExponent });
  const { n, e, d, p, q, dp, dq, qi } = privateKey.export({ format: 'jwk' });
  return {
    name: `${modulusLength} bits, e ${publicExponent}`,
    numbers: numbersOf({ n, e, d, p, q, dp, dq, qi }),
    spki: Uint8Array.from(publicKey.export({ type: 'spki', format: 'der' })),
    pkcs8: Uint8Array.from(privateKey.export({ type: 'pkcs8', format: 'der' })),
    pkcs1: Uint8Array.from(privateKey.export({ type: 'pkcs1', format: 'der' })),
  };
});
const small = pairs[0] ?? throwMissing();

describe.each(pairs)('$name: the same bytes as node:crypto', ({ numbers, spki, pkcs8, pkcs1 }) => {
  const { n, e } = numbers;

  test('SubjectPublicKeyInfo', () => {
    expect(encodeSpki(numbers)).toEqual(spki);
    expect(decodeSpki(spki)).toEqual({ n, e });
  });

  test('PKCS#8', () => {
    expect(encodePkcs8(numbers)).toEqual(pkcs8);
    expect(decodePkcs8(pkcs8)).toEqual(numbers);
  });

  test('PKCS#1', () => {
    expect(encodePkcs1Private(numbers)).toEqual(pkcs1);
    expect(decodePkcs1Private(pkcs1)).toEqual(numbers);
  });
});

test('a SubjectPublicKeyInfo of 3072 bits has 422 bytes', () => {
  expect(pairs.find(({ name }) => name.startsWith('3072'))?.spki).toHaveLength(422);
});

test('numbers share no memory with what they were read from, a Buffer too', () => {
  const buffer = Buffer.from(small.spki);
  const numbers = decodeSpki(buffer);
  buffer.fill(0);
  expect(numbers).toEqual({ n: small.numbers.n, e: small.numbers.e });
});

describe('a SubjectPublicKeyInfo is refused', () => {
  const algorithm = '300d06092a864886f70d0101010500';
  const key = '3006020107020103';
  const good = `301a${algorithm}030900${key}`;

  test('not if it is as it should be', () => {
    expect(decodeSpki(fromHex(good))).toEqual({ n: Uint8Array.of(7), e: Uint8Array.of(3) });
  });

  test.each([
    ['nothing', '', 'ends too early'],
    ['a byte behind it', `${good}00`, 'canonical'],
    ['another tag outside', good.replace(/^30/, '31'), 'expected tag 0x30'],
    ['a length of indefinite form', `3080${good.slice(4)}0000`, 'not definite'],
    ['a length in long form for no reason', `30811a${good.slice(4)}`, 'not minimal'],
    ['a length with a leading zero', `3082001a${good.slice(4)}`, 'not minimal'],
    ['a length of 256 in three bytes', `3083000100${good.slice(4)}`, 'not minimal'],
    ['a length of 5 bytes', `3085000000001a${good.slice(4)}`, '32 bits'],
    ['a length of 4 GiB', '3084ffffffff', 'longer than'],
    ['a length of 127 bytes', `30ff${good.slice(4)}`, '32 bits'],
    ['a length cut short', '3082', 'ends too early'],
    ['a length one too long', `301b${good.slice(4)}`, 'longer than'],
    ['a length one too short', `3019${good.slice(4)}`, 'longer than'],
    ['another algorithm, RSASSA-PSS', good.replace('0101010500', '01010a0500'), 'rsaEncryption'],
    ['no NULL', `3018${'300b06092a864886f70d010101'}030900${key}`, 'rsaEncryption'],
    ['unused bits', good.replace('030900', '030901'), 'unused bits'],
    ['no byte for unused bits', `3011${algorithm}0300`, 'ends too early'],
    ['an OCTET STRING in place of the BIT STRING', good.replace('030900', '040900'), 'expected tag 0x03'],
    ['a byte behind the key', `301b${algorithm}030a00${key}00`, 'behind the last element'],
    ['a byte behind e', `301b${algorithm}030a00300702010702010300`, 'behind the last element'],
    ['a byte behind the BIT STRING', `301b${algorithm}030900${key}00`, 'behind the last element'],
    ['a modulus of no bytes', `3019${algorithm}03080030050200020103`, 'zero'],
    ['a modulus of zero', good.replace('020107', '020100'), 'zero'],
    ['a negative modulus', good.replace('020107', '020187'), 'negative'],
    ['the smallest negative modulus', good.replace('020107', '020180'), 'negative'],
    ['a modulus with a superfluous zero', `301b${algorithm}030a00300702020007020103`, 'not minimal'],
    [
      'an exponent with two superfluous zeros',
      `301c${algorithm}030b003008020107020300${'00'}03`,
      'not minimal',
    ],
    ['no exponent', `3017${algorithm}0306003003020107`, 'ends too early'],
  ])('for %s', (_, hex, text) => {
    expect(() => decodeSpki(fromHex(hex))).toThrow(
      expect.objectContaining({ code: 'BAD_KEY', message: expect.stringContaining(text) }),
    );
  });
});

describe('a private key is refused', () => {
  const multiPrime = small.pkcs1.slice();
  multiPrime[small.pkcs1.indexOf(2) + 2] = 1;

  test('as a private key, and a public key as a public one', () => {
    const nothing = new Uint8Array(0);
    for (const [decode, kind] of [
      [decodeSpki, 'public'],
      [decodePkcs8, 'private'],
      [decodePkcs1Private, 'private'],
    ] as const)
      expect(() => decode(nothing)).toThrow(`malformed DER of an RSA ${kind} key: ends too early`);
  });

  test.each([
    ['PKCS#1 of version 1', decodePkcs1Private, multiPrime, 'two primes'],
    ['PKCS#1 where PKCS#8 is expected', decodePkcs8, small.pkcs1, 'rsaEncryption'],
    ['PKCS#8 where PKCS#1 is expected', decodePkcs1Private, small.pkcs8, 'expected tag 0x02'],
    ['a public key', decodePkcs8, small.spki, 'version 0'],
    ['an EC key', decodePkcs8, ecKey(), 'rsaEncryption'],
    ['an RSA-PSS key', decodePkcs8, pssKey(), 'rsaEncryption'],
    ['PKCS#8 with attributes', decodePkcs8, withAttributes(), 'behind the last element'],
    ['a ninth number', decodePkcs1Private, withNinthNumber(), 'behind the last element'],
    ['a byte behind PKCS#8', decodePkcs8, Uint8Array.of(...small.pkcs8, 0), 'canonical'],
    ['a byte behind PKCS#1', decodePkcs1Private, Uint8Array.of(...small.pkcs1, 0), 'canonical'],
  ])('%s', (_, decode, der, text) => {
    expect(() => decode(der)).toThrow(
      expect.objectContaining({ code: 'BAD_IDENTITY', message: expect.stringContaining(text) }),
    );
  });
});

describe.each([
  { name: 'SubjectPublicKeyInfo', decode: decodeSpki, encode: encodeSpki, der: small.spki, code: 'BAD_KEY' },
  { name: 'PKCS#8', decode: decodePkcs8, encode: encodePkcs8, der: small.pkcs8, code: 'BAD_IDENTITY' },
  {
    name: 'PKCS#1',
    decode: decodePkcs1Private,
    encode: encodePkcs1Private,
    der: small.pkcs1,
    code: 'BAD_IDENTITY',
  },
])('damage to $name', ({ decode, encode, der, code }) => {
  /** Refused, or read as another key that has exactly these bytes. */
  function expectStrict(bytes: Uint8Array): void {
    try {
      const numbers = decode(bytes) as RsaPrivateNumbers;
      expect(Buffer.from(encode(numbers)).equals(bytes)).toBe(true);
      expect(Object.values(numbers).some(([first]) => first === 0 || first === undefined)).toBe(false);
    } catch (error) {
      if (!(error instanceof SecureSocketError)) throw error;
      expect(error.code).toBe(code);
    }
  }

  test('every beginning is refused', () => {
    for (let length = 0; length < der.length; length += 1) {
      expect(() => decode(der.subarray(0, length))).toThrow(SecureSocketError);
    }
  });

  test('every byte changed', () => {
    for (let index = 0; index < der.length; index += 1) {
      for (const change of [1, 2, 0x80, 0xff]) {
        expectStrict(der.map((byte, at) => (at === index ? byte ^ change : byte)));
      }
    }
  });

  test('every byte doubled or left out', () => {
    for (let index = 0; index < der.length; index += 1) {
      expectStrict(Uint8Array.of(...der.subarray(0, index + 1), ...der.subarray(index)));
      expectStrict(Uint8Array.of(...der.subarray(0, index), ...der.subarray(index + 1)));
    }
  });

  test('random bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), expectStrict), { numRuns: 1000 });
  });
});

test('Node reads what is written for any numbers that fit', () => {
  const { pkcs8, spki } = pairs.at(-1) ?? throwMissing();
  const privateKey = createPrivateKey({
    key: Buffer.from(encodePkcs8(decodePkcs8(pkcs8))),
    format: 'der',
    type: 'pkcs8',
  });
  expect(Uint8Array.from(createPublicKey(privateKey).export({ type: 'spki', format: 'der' }))).toEqual(spki);
});

function numbersOf(jwk: Record<keyof RsaPrivateNumbers, string | undefined>): RsaPrivateNumbers {
  const read = (name: keyof RsaPrivateNumbers): Uint8Array => {
    const bytes = Uint8Array.from(Buffer.from(jwk[name] ?? '', 'base64url'));
    return bytes.subarray(bytes.findIndex((byte) => byte !== 0));
  };
  return {
    ...{ n: read('n'), e: read('e'), d: read('d'), p: read('p') },
    ...{ q: read('q'), dp: read('dp'), dq: read('dq'), qi: read('qi') },
  };
}

function ecKey(): Uint8Array {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return Uint8Array.from(privateKey.export({ type: 'pkcs8', format: 'der' }));
}

/** What Node writes for a key of the kind 'rsa-pss' without parameters, which Bun and Deno cannot make. */
function pssKey(): Uint8Array {
  const { length } = small.pkcs1;
  const algorithm = Buffer.from('300b06092a864886f70d01010a', 'hex');
  const key = [0x04, 0x82, length >> 8, length, ...small.pkcs1];
  const content = Uint8Array.of(0x02, 1, 0, ...algorithm, ...key);
  return Uint8Array.of(0x30, 0x82, content.length >> 8, content.length, ...content);
}

/** RFC 5958 allows an empty set of attributes, [0], behind the key. */
function withAttributes(): Uint8Array {
  const content = Uint8Array.of(...small.pkcs8.subarray(4), 0xa0, 0);
  return Uint8Array.of(0x30, 0x82, content.length >> 8, content.length, ...content);
}

function withNinthNumber(): Uint8Array {
  const content = Uint8Array.of(...small.pkcs1.subarray(4), 2, 1, 1);
  return Uint8Array.of(0x30, 0x82, content.length >> 8, content.length, ...content);
}

function throwMissing(): never {
  throw new Error('there are no keys');
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'hex'));
}
