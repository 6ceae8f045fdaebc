import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { decodeOaep, encodePss } from '../../backends/noble-padding.js';
import { crtKey, privatePower } from '../../backends/noble-power.js';
import { hex, keyNames, pattern, testKey } from '../helpers/backends.js';
import { power, toInteger, toOctets } from '../helpers/rsa.js';

describe("noble's RSA private operation", () => {
  it.each(keyNames)('is x^d mod n at the ends and in between, %s', (name) => {
    const numbers = testKey(name);
    const [n, p, q, e] = [numbers.n, numbers.p, numbers.q, numbers.e].map(toInteger) as Integers;
    const key = crtKey(numbers);
    for (const result of [0n, 1n, 2n, p, q, p * 2n, n - p, n - 1n, toInteger(pattern(60))])
      expect(privatePower(key, power(result, e, n))).toBe(result);
  });

  it.each(['dp', 'dq', 'qi'] as const)('releases no result that a fault in %s spoiled', (name) => {
    const numbers = testKey('2048');
    const spoiled = crtKey({ ...numbers, [name]: toOctets(toInteger(numbers[name]) ^ 1n) });
    expect(() => privatePower(spoiled, 2n)).toThrow('not released');
    expect(() => privatePower(crtKey(numbers), 2n)).not.toThrow();
  });
});

describe("noble's OAEP decoding", () => {
  const label = pattern(2);
  const message = pattern(5);
  /** lHash, ten bytes of padding, the separator, the message (RFC 8017 7.1.1 step 2c). */
  const block = Uint8Array.from([...sha256(label), ...new Uint8Array(10), 1, ...message]);
  const beforeMessage = block.length - message.length;

  it('opens what is right, and a changed message too, which OAEP alone does not protect', () => {
    expect(hex(decodeOaep(encodeOaep(block), label))).toBe(hex(message));
    for (let index = beforeMessage; index < block.length; index++) {
      const changed = flip(block, index, 0x40);
      expect(hex(decodeOaep(encodeOaep(changed), label))).toBe(hex(changed.subarray(beforeMessage)));
    }
    const empty = Uint8Array.from([...sha256(label), ...new Uint8Array(15), 1]);
    expect(decodeOaep(encodeOaep(empty), label)).toHaveLength(0);
    expect(decodeOaep(encodeOaep(Uint8Array.from([...sha256(label), 1])), label)).toHaveLength(0);
  });

  it('refuses every change in front of the message', () => {
    for (let index = 0; index < beforeMessage; index++)
      for (const mask of [2, 4, 0x80, 0xfe]) {
        expect(decodeOaep(encodeOaep(flip(block, index, mask)), label)).toBeNull();
        expect(decodeOaep(flip(encodeOaep(block), index, mask), label)).toBeNull();
      }
    expect(decodeOaep(encodeOaep(block, 1), label)).toBeNull();
    expect(decodeOaep(encodeOaep(block, 0x80), label)).toBeNull();
    expect(decodeOaep(encodeOaep(block), pattern(3))).toBeNull();
    expect(
      decodeOaep(encodeOaep(flip(block, beforeMessage - 1, 1).fill(0, beforeMessage)), label),
    ).toBeNull();
  });

  it('takes the first byte of 1 for the separator', () => {
    const early = flip(block, beforeMessage - 3, 1);
    expect(hex(decodeOaep(encodeOaep(early), label))).toBe(hex(block.subarray(beforeMessage - 2)));
  });
});

describe("noble's PSS encoding", () => {
  it('is as long as all bits of the modulus but one need', () => {
    for (const bits of [522, 523, 527, 528, 529, 530, 2047, 2048, 2049]) {
      const encoded = encodePss(pattern(3), pattern(32), bits);
      expect(encoded).toHaveLength(Math.ceil((bits - 1) / 8));
      expect(toInteger(encoded).toString(2).length).toBeLessThan(bits);
      expect(encoded.at(-1)).toBe(0xbc);
    }
  });
});

type Integers = [bigint, bigint, bigint, bigint];

/** EME-OAEP encoding (RFC 8017 7.1.1 step 2) of any data block, right or wrong. */
function encodeOaep(block: Uint8Array, first = 0): Uint8Array {
  const seed = pattern(32, 7);
  const maskedBlock = xor(block, mgf1(seed, block.length));
  return Uint8Array.from([first, ...xor(seed, mgf1(maskedBlock, 32)), ...maskedBlock]);
}

function mgf1(seed: Uint8Array, length: number): Uint8Array {
  const blocks = Array.from({ length: Math.ceil(length / 32) }, (_, counter) =>
    sha256(Uint8Array.from([...seed, 0, 0, 0, counter])),
  );
  return Uint8Array.from(Buffer.concat(blocks)).subarray(0, length);
}

function sha256(data: Uint8Array): Uint8Array {
  return createHash('sha256').update(data).digest();
}

function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, index) => byte ^ (b[index] as number));
}

function flip(data: Uint8Array, index: number, mask: number): Uint8Array {
  const copy = data.slice();
  copy[index] = (copy[index] as number) ^ mask;
  return copy;
}
