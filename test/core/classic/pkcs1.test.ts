import { createHash, createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { implicitRejection, privateExponentHash } from '../../../src/core/classic/pkcs1.js';

const backend = {
  sha256: (data: Uint8Array): Uint8Array => createHash('sha256').update(data).digest(),
  hmacSha256: (key: Uint8Array, data: Uint8Array): Uint8Array =>
    createHmac('sha256', key).update(data).digest(),
};

// Computed with hashlib and hmac of Python 3.11 for k = 64, d = 0x010203..3c, C = 0, 7, 14, ... (mod 256)
const k = 64;
const d = Uint8Array.from({ length: 60 }, (_, index) => index + 1);
const ciphertext = Uint8Array.from({ length: k }, (_, index) => 7 * index);
const hash = fromHex('58ee65412fd4a1717a7bf2e75c5ab9c16f300325c89efb2f1cc7cd4e2b445946');
const alternative = fromHex('77a85713bc33cae4f734cf5f0d90f5c222d2c25cab4fcaaef6e197140a6e1656');

const sessionKey = Uint8Array.from({ length: 32 }, (_, index) => 255 - index);
const keyLengths = [16, 24, 32] as const;
const anyKeyLength = fc.constantFrom(...keyLengths);

test('the hash of the private exponent covers its leading zeros', () => {
  expect(Uint8Array.from(privateExponentHash(backend, d, k))).toEqual(hash);
});

describe.each(keyLengths)('a key of %i bytes', (keyLength) => {
  const good = encode(sessionKey.subarray(0, keyLength));
  const separator = k - keyLength - 1;
  const damage = (index: number, value: number): Uint8Array =>
    good.map((byte, at) => (at === index ? value : byte));

  test('is taken out of a proper message', () => {
    expect(reject(good, keyLength)).toEqual(sessionKey.subarray(0, keyLength));
  });

  test('is taken out whatever it is, zeros included', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: keyLength, maxLength: keyLength }), (key) => {
        expect(reject(encode(key), keyLength)).toEqual(key);
      }),
    );
  });

  test.each([
    ['the first byte is not 0', 0, 1],
    ['only the top bit of the first byte is set', 0, 0x80],
    ['the second byte is 1', 1, 1],
    ['the second byte is 0', 1, 0],
    ['the second byte is 3', 1, 3],
    ['the separator is not 0', separator, 1],
    ['only the top bit of the separator is set', separator, 0x80],
    ...Array.from({ length: separator - 2 }, (_, at): [string, number, number] => [
      `byte ${at + 2} is 0`,
      at + 2,
      0,
    ]),
  ])('is replaced if %s', (_, index, value) => {
    expect(reject(damage(index, value), keyLength)).toEqual(alternative.subarray(0, keyLength));
  });

  test.each([
    ['only zeros', new Uint8Array(k)],
    ['only ones', new Uint8Array(k).fill(0xff)],
  ])('is replaced if the message has %s', (_, message) => {
    expect(reject(message, keyLength)).toEqual(alternative.subarray(0, keyLength));
  });
});

test('any message gives the key at its end or the alternative, as a plain reading of the rule says', () => {
  const nearly = fc
    .tuple(
      fc.constantFrom(0, 0, 0, 1),
      fc.constantFrom(2, 2, 2, 0),
      fc.uint8Array({ minLength: k - 2, maxLength: k - 2 }),
    )
    .map(([first, second, rest]) => Uint8Array.of(first, second, ...rest.map((byte) => byte || 1)));
  const withSeparator = fc.tuple(nearly, anyKeyLength, fc.boolean()).map(([message, keyLength, proper]) => {
    if (proper) message[k - keyLength - 1] = 0;
    return { message, keyLength };
  });
  fc.assert(
    fc.property(withSeparator, ({ message, keyLength }) => {
      const separator = k - keyLength - 1;
      const proper =
        message[0] === 0 &&
        message[1] === 2 &&
        message.indexOf(0, 2) === separator &&
        message[separator] === 0;
      expect(reject(message, keyLength)).toEqual(
        proper ? message.slice(-keyLength) : alternative.slice(0, keyLength),
      );
    }),
    { numRuns: 2000 },
  );
});

test('the alternative depends on the private key and the ciphertext, on nothing else', () => {
  const bad = new Uint8Array(k).fill(9);
  const other = new Uint8Array(k).fill(8);
  expect(implicitRejection(backend, hash, ciphertext, other, 32)).toEqual(reject(bad, 32));
  expect(implicitRejection(backend, hash, other, bad, 32)).not.toEqual(reject(bad, 32));
  expect(implicitRejection(backend, alternative, ciphertext, bad, 32)).not.toEqual(reject(bad, 32));
});

test('good and bad messages cost the same calls of the backend', () => {
  const calls = (message: Uint8Array): string[] => {
    const log: string[] = [];
    const counted = {
      ...backend,
      hmacSha256: (key: Uint8Array, data: Uint8Array): Uint8Array => {
        log.push(`${Buffer.from(key).toString('hex')} ${Buffer.from(data).toString('hex')}`);
        return backend.hmacSha256(key, data);
      },
    };
    implicitRejection(counted, hash, ciphertext, message, 32);
    return log;
  };
  const good = calls(encode(sessionKey));
  expect(good).toHaveLength(2);
  expect(calls(new Uint8Array(k))).toEqual(good);
});

function reject(encodedMessage: Uint8Array, keyLength: 16 | 24 | 32): Uint8Array {
  return implicitRejection(backend, hash, ciphertext, encodedMessage, keyLength);
}

/** 0, 2, bytes that are not zero, 0, key. */
function encode(key: Uint8Array): Uint8Array {
  const message = Uint8Array.from({ length: k }, (_, index) => (index % 255) + 1);
  message.set([0, 2]);
  message[k - key.length - 1] = 0;
  message.set(key, k - key.length);
  return message;
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'hex'));
}
