import { describe, expect, it } from 'vitest';
import type { DecapsulationKey, KeyAgreement } from '../../src/backend.js';
import { backends, bytes, hex, pairs, pattern } from '../helpers/backends.js';
import kemVectors from '../vectors/ml-kem-768.json' with { type: 'json' };
import x25519Vectors from '../vectors/x25519.json' with { type: 'json' };

/** Points of small order: RFC 7748 6.1 makes of each a secret that is all zero. */
const SMALL_ORDER = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
];

describe.each(backends)('$name: X25519', (backend) => {
  it.each(x25519Vectors.products)('scalar $scalar', ({ scalar, point, result }) => {
    expect(hex(backend.x25519(bytes(scalar)).agree(bytes(point)))).toBe(result);
  });

  it.each(x25519Vectors.iterated)('iterated $rounds times', ({ rounds, result }) => {
    let scalar = bytes('09'.padEnd(64, '0'));
    let point = scalar;
    for (let round = 0; round < rounds; round++)
      [scalar, point] = [backend.x25519(scalar).agree(point) as Uint8Array, scalar];
    expect(hex(scalar)).toBe(result);
  });

  it('agrees as in RFC 7748 6.1', () => {
    const { alicePrivate, alicePublic, bobPrivate, bobPublic, shared } = x25519Vectors.agreement;
    const [alice, bob] = [backend.x25519(bytes(alicePrivate)), backend.x25519(bytes(bobPrivate))];
    expect(hex(alice.publicKey)).toBe(alicePublic);
    expect(hex(bob.publicKey)).toBe(bobPublic);
    expect(hex(alice.agree(bob.publicKey))).toBe(shared);
    expect(hex(bob.agree(alice.publicKey))).toBe(shared);
  });

  it.each(SMALL_ORDER)('gives null for %s, with and without the bit that is not looked at', (point) => {
    const key = backend.x25519();
    const other = bytes(point);
    expect(key.agree(other)).toBeNull();
    other[31] = (other[31] as number) | 0x80;
    expect(key.agree(other)).toBeNull();
    expect(key.agree(backend.x25519().publicKey)).not.toBeNull();
  });

  it('refuses keys of another length', () => {
    for (const length of [0, 31, 33, 64]) {
      expect(() => backend.x25519(new Uint8Array(length))).toThrow(RangeError);
      expect(() => backend.x25519().agree(new Uint8Array(length))).toThrow(RangeError);
    }
  });

  it('makes a fresh key every time, and keeps none it was lent', () => {
    expect(hex(backend.x25519().publicKey)).not.toBe(hex(backend.x25519().publicKey));
    const lent = pattern(32);
    const key = backend.x25519(lent);
    expect(lent).toEqual(pattern(32));
    lent.fill(0);
    const peer = backend.x25519();
    expect(hex(key.agree(peer.publicKey))).toBe(hex(peer.agree(key.publicKey)));
  });

  it('returns plain Uint8Arrays in memory of their own', () => {
    const key = backend.x25519();
    expectOwnMemory([key.publicKey, agree(key, key.publicKey), agree(key, key.publicKey)]);
  });
});

describe.each(backends)('$name: ML-KEM-768', (backend) => {
  it.each(kemVectors.cases)('seed $seed', async (vector) => {
    const key = (await backend.mlKem768()).keyPair(bytes(vector.seed));
    expect(hex(backend.sha256(key.encapsulationKey))).toBe(vector.encapsulationKeySha256);
    const ciphertext = bytes(vector.ciphertext);
    expect(hex(key.decapsulate(ciphertext))).toBe(vector.sharedSecret);
    ciphertext[vector.damagedByte] = (ciphertext[vector.damagedByte] as number) ^ vector.damagedMask;
    expect(hex(key.decapsulate(ciphertext))).toBe(vector.rejectionSecret);
  });

  it('makes a fresh key and a fresh secret every time', async () => {
    const kem = await backend.mlKem768();
    const [one, two] = [kem.keyPair(), kem.keyPair()];
    expect(hex(one.encapsulationKey)).not.toBe(hex(two.encapsulationKey));
    const [first, second] = [encapsulate(kem, one), encapsulate(kem, one)];
    expect(hex(first.sharedSecret)).not.toBe(hex(second.sharedSecret));
    for (const { ciphertext, sharedSecret } of [first, second])
      expect(hex(one.decapsulate(ciphertext))).toBe(hex(sharedSecret));
  });

  it('gives null for a key with a coefficient that is not reduced, wherever it is', async () => {
    const kem = await backend.mlKem768();
    const { encapsulationKey } = kem.keyPair(pattern(64));
    for (const at of [0, 3, 384, 1149]) {
      const wrong = encapsulationKey.slice();
      wrong.set([0xff, (wrong[at + 1] as number) | 0x0f], at);
      expect(kem.encapsulate(wrong)).toBeNull();
    }
    const otherSeed = encapsulationKey.slice().fill(0xff, 1152);
    expect(kem.encapsulate(otherSeed)).not.toBeNull();
  });

  it('refuses lengths that are wrong, and no ciphertext of the right one', async () => {
    const kem = await backend.mlKem768();
    const key = kem.keyPair();
    for (const length of [0, 63, 65, 32])
      expect(() => kem.keyPair(new Uint8Array(length))).toThrow(RangeError);
    for (const length of [0, 1183, 1185, 800])
      expect(() => kem.encapsulate(new Uint8Array(length))).toThrow(RangeError);
    for (const length of [0, 1087, 1089, 768])
      expect(() => key.decapsulate(new Uint8Array(length))).toThrow(RangeError);
    for (const fill of [0, 0xff]) expect(key.decapsulate(new Uint8Array(1088).fill(fill))).toHaveLength(32);
  });

  it('keeps and changes nothing it was lent, and returns memory of its own', async () => {
    const kem = await backend.mlKem768();
    const seed = pattern(64);
    const key = kem.keyPair(seed);
    expect(seed).toEqual(pattern(64));
    seed.fill(0);
    const lent = key.encapsulationKey.slice();
    const { ciphertext, sharedSecret } = encapsulate(kem, key);
    expect(hex(lent)).toBe(hex(key.encapsulationKey));
    const sent = ciphertext.slice();
    expect(hex(key.decapsulate(sent))).toBe(hex(sharedSecret));
    expect(hex(sent)).toBe(hex(ciphertext));
    expectOwnMemory([
      key.encapsulationKey,
      ciphertext,
      sharedSecret,
      key.decapsulate(sent),
      key.decapsulate(sent),
    ]);
  });
});

describe.each(pairs)('$name', ({ one, other }) => {
  it('X25519', () => {
    const [a, b] = [one.x25519(), other.x25519()];
    expect(hex(agree(a, b.publicKey))).toBe(hex(agree(b, a.publicKey)));
    expect(hex(one.x25519(pattern(32)).publicKey)).toBe(hex(other.x25519(pattern(32)).publicKey));
  });

  it('ML-KEM-768', async () => {
    const [ours, theirs] = [await one.mlKem768(), await other.mlKem768()];
    const key = ours.keyPair();
    const { ciphertext, sharedSecret } = encapsulate(theirs, key);
    expect(hex(key.decapsulate(ciphertext))).toBe(hex(sharedSecret));
    const [same, again] = [ours.keyPair(pattern(64)), theirs.keyPair(pattern(64))];
    expect(hex(same.encapsulationKey)).toBe(hex(again.encapsulationKey));
    expect(hex(same.decapsulate(pattern(1088)))).toBe(hex(again.decapsulate(pattern(1088))));
  });
});

function agree(key: KeyAgreement, peer: Uint8Array): Uint8Array {
  const secret = key.agree(peer);
  expect(secret).toHaveLength(32);
  return secret as Uint8Array;
}

interface Encapsulated {
  ciphertext: Uint8Array;
  sharedSecret: Uint8Array;
}

function encapsulate(
  kem: { encapsulate(key: Uint8Array): Encapsulated | null },
  key: DecapsulationKey,
): Encapsulated {
  const result = kem.encapsulate(key.encapsulationKey);
  expect(result?.ciphertext).toHaveLength(1088);
  expect(result?.sharedSecret).toHaveLength(32);
  return result as Encapsulated;
}

function expectOwnMemory(results: readonly Uint8Array[]): void {
  for (const result of results) expect(Object.getPrototypeOf(result)).toBe(Uint8Array.prototype);
  for (const result of results) expect(result.buffer.byteLength).toBe(result.length);
  expect(new Set(results.map(({ buffer }) => buffer)).size).toBe(results.length);
}
