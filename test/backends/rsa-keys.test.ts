import { describe, expect, it } from 'vitest';
import type { Backend, RsaPrivateNumbers } from '../../src/backend.js';
import { backends, bytes, hex, keyNames, pattern, testKey } from '../helpers/backends.js';
import { power, toInteger, toOctets, unpadPkcs1 } from '../helpers/rsa.js';
import { both, LABEL } from './rsa-test-keys.js';

describe.each(backends)('$name: RSA keys', (backend) => {
  it.each(keyNames)('tell their size, %s', (name) => {
    const bits = Number.parseInt(name, 10);
    expect(backend.rsaPublicKey(testKey(name)).modulusLength).toBe(bits);
    expect(backend.rsaPrivateKey(testKey(name)).modulusLength).toBe(bits);
  });

  it.each([
    ['an even modulus', { n: bytes(`80${'00'.repeat(63)}`) }],
    ['no modulus', { n: new Uint8Array(0) }],
    ['a modulus with a leading zero', { n: bytes(`00${'ff'.repeat(64)}`) }],
    ['a modulus of 511 bits', { n: bytes(`7f${'ff'.repeat(63)}`) }],
    ['a modulus of 16385 bits', { n: bytes(`01${'ff'.repeat(2048)}`) }],
    ['no exponent', { e: new Uint8Array(0) }],
    ['an exponent of 1', { e: bytes('01') }],
    ['an even exponent', { e: bytes('010000') }],
    ['an exponent with a leading zero', { e: bytes('00010001') }],
    ['an exponent of 65 bits', { e: bytes('010000000000000001') }],
  ])('cannot have %s', (_, change) => {
    const numbers = { ...testKey('512'), ...change };
    expect(() => backend.rsaPublicKey(numbers)).toThrow(NO_KEY);
    expectNoKey(backend, numbers);
  });

  it.each(['n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi'] as const)('must have a fitting %s', (name) => {
    const numbers = testKey('512');
    const next = toOctets(toInteger(numbers[name]) + 2n);
    const others = [next, new Uint8Array(0), Uint8Array.of(0), new Uint8Array([0, ...numbers[name]])];
    others.push(Uint8Array.of(1), toOctets(toInteger(numbers[name]) + toInteger(numbers.n) * 2n));
    for (const other of others) expectNoKey(backend, { ...numbers, [name]: other });
  });

  it('must not have 1 for a prime', () => {
    const { n, e, p } = testKey('512');
    const one = Uint8Array.of(1);
    expectNoKey(backend, { n, e, d: e, p: n, q: one, dp: e, dq: one, qi: one });
    expectNoKey(backend, { n, e, d: e, p: one, q: n, dp: one, dq: e, qi: one });
    expectNoKey(backend, { ...testKey('512'), q: p });
  });

  it('must have the smallest of each number that would do', () => {
    const numbers = testKey('512');
    const [p, q, d, qi] = [numbers.p, numbers.q, numbers.d, numbers.qi].map(toInteger) as Integers;
    expectNoKey(backend, { ...numbers, d: toOctets(d + 2n * (p - 1n) * (q - 1n)) });
    expectNoKey(backend, { ...numbers, qi: toOctets(qi + p) });
  });

  it('are not kept by reference, nor is what they are given', async () => {
    const numbers = testKey('2048');
    const [publicKey, privateKey] = [backend.rsaPublicKey(numbers), backend.rsaPrivateKey(numbers)];
    expect(numbers).toEqual(testKey('2048'));
    for (const number of Object.values(numbers)) number.fill(0);
    const lent = { message: pattern(32), label: LABEL.slice() };
    const [forOaep, forRaw] = [
      publicKey.encryptOaep(lent.message, lent.label),
      publicKey.encryptPkcs1(lent.message),
    ];
    expect(lent).toEqual({ message: pattern(32), label: LABEL });
    const results = [
      ...[privateKey.decryptOaep(forOaep, lent.label), privateKey.decryptRaw(forRaw)],
      privateKey.signPss(lent.message),
    ];
    for (const given of [forOaep, forRaw, lent.message, lent.label]) given.fill(0);
    const [opened, raw, signature] = (await Promise.all(results)) as [Uint8Array, Uint8Array, Uint8Array];
    expect(hex(opened)).toBe(hex(pattern(32)));
    expect(hex(unpadPkcs1(raw))).toBe(hex(pattern(32)));
    expect(publicKey.verifyPss(pattern(32), signature)).toBe(true);
    for (const result of [
      opened,
      raw,
      signature,
      publicKey.encryptPkcs1(LABEL),
      publicKey.encryptOaep(LABEL, LABEL),
    ]) {
      expect(Object.getPrototypeOf(result)).toBe(Uint8Array.prototype);
      expect(result.buffer.byteLength).toBe(result.length);
    }
  });

  it('do several private operations at once', async () => {
    const { publicKey, privateKey } = both(backend, '1025');
    const messages = Array.from({ length: 9 }, (_, index) => pattern(index, index));
    const opened = messages.map((message) =>
      privateKey.decryptOaep(publicKey.encryptOaep(message, LABEL), LABEL),
    );
    const raw = messages.map((message) => privateKey.decryptRaw(publicKey.encryptPkcs1(message)));
    expect((await Promise.all(opened)).map(hex)).toEqual(messages.map(hex));
    expect((await Promise.all(raw)).map((encoded) => hex(unpadPkcs1(encoded)))).toEqual(messages.map(hex));
  });
});

describe.each(backends)('$name: RSA key generation', (backend) => {
  it.each([512, 520, 1024, 2048])('%i bits, and the event loop has its turns', async (bits) => {
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const numbers = await backend.generateRsaKey(bits).finally(() => clearInterval(timer));
    if (bits === 2048) expect(turns).toBeGreaterThan(1);
    for (const number of Object.values(numbers)) {
      expect(Object.getPrototypeOf(number)).toBe(Uint8Array.prototype);
      expect(number[0]).toBeGreaterThan(0);
    }
    expect(hex(numbers.e)).toBe('010001');
    expect(toInteger(numbers.n).toString(2)).toHaveLength(bits);
    for (const prime of [numbers.p, numbers.q].map(toInteger)) expect(power(3n, prime - 1n, prime)).toBe(1n);
    for (const other of backends) {
      const ciphertext = other.rsaPublicKey(numbers).encryptPkcs1(LABEL);
      expect(hex(unpadPkcs1(await other.rsaPrivateKey(numbers).decryptRaw(ciphertext)))).toBe(hex(LABEL));
    }
  });

  it('makes another key every time', async () => {
    const [one, two] = await Promise.all([backend.generateRsaKey(512), backend.generateRsaKey(512)]);
    expect(hex(one.n)).not.toBe(hex(two.n));
  });

  it.each([0, 504, 513, 1000.5, 16392, Number.NaN])('refuses %d bits', async (bits) => {
    await expect(backend.generateRsaKey(bits)).rejects.toThrow(RangeError);
  });
});

type Integers = [bigint, bigint, bigint, bigint];

/** Not just any RangeError: BigInt throws them too, for a division by zero. */
const NO_KEY = expect.objectContaining({ name: 'RangeError', message: expect.stringMatching(/^RSA /) });

function expectNoKey(backend: Backend, numbers: RsaPrivateNumbers): void {
  expect(() => backend.rsaPrivateKey(numbers)).toThrow(NO_KEY);
}
