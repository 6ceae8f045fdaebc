import { describe, expect, it } from 'vitest';
import { backends, bytes, hex, join, pattern } from '../helpers/backends.js';
import ecbVectors from '../vectors/aes-ecb.json' with { type: 'json' };
import gcmVectors from '../vectors/aes-gcm.json' with { type: 'json' };
import chachaVectors from '../vectors/chacha20-poly1305.json' with { type: 'json' };
import hashVectors from '../vectors/sha256.json' with { type: 'json' };

const SIZES = [0, 1, 15, 16, 17, 31, 32, 33, 1000, 16_383, 16_384, 16_385];
const MEBIBYTE = 1024 * 1024;

describe.each(backends)('$name: hashes', (backend) => {
  it.each(hashVectors.sha256)('SHA-256 $digest', ({ message, repeat, digest }) => {
    const data = bytes(message.repeat(repeat ?? 1));
    expect(hex(backend.sha256(data))).toBe(digest);
  });

  it.each(hashVectors.hmac)('HMAC $mac', ({ key, data, mac }) => {
    const whole = hex(backend.hmacSha256(bytes(key), bytes(data)));
    expect(whole).toHaveLength(64);
    expect(whole.slice(0, mac.length)).toBe(mac);
  });

  it.each(hashVectors.hkdf)('HKDF $prk', ({ ikm, salt, info, length, prk, okm }) => {
    const extracted = backend.hkdfExtract(bytes(salt), bytes(ikm));
    expect(hex(extracted)).toBe(prk);
    expect(hex(backend.hkdfExpand(extracted, bytes(info), length))).toBe(okm);
  });

  it('takes an empty key, salt, info and message', () => {
    const empty = new Uint8Array(0);
    const mac = 'b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad';
    expect(hex(backend.hmacSha256(empty, empty))).toBe(mac);
    expect(hex(backend.hkdfExtract(empty, empty))).toBe(mac);
    expect(backend.hkdfExpand(bytes(mac), empty, 0)).toEqual(empty);
  });

  it('expands to any length up to 8160 bytes, each a beginning of the next', () => {
    const key = pattern(32);
    const longest = backend.hkdfExpand(key, bytes('01'), 8160);
    expect(longest).toHaveLength(8160);
    for (const length of SIZES.filter((size) => size <= 8160))
      expect(hex(backend.hkdfExpand(key, bytes('01'), length))).toBe(hex(longest.subarray(0, length)));
    for (const length of [8161, -1, 1.5, Number.NaN])
      expect(() => backend.hkdfExpand(key, bytes('01'), length)).toThrow(RangeError);
  });
});

describe.each(backends)('$name: random bytes and comparison', (backend) => {
  it.each([0, 1, 32, 65_536, 65_537, 200_000])('gives %i random bytes', (length) => {
    expect(backend.randomBytes(length)).toHaveLength(length);
  });

  it('gives other bytes every time, and all values', () => {
    const [one, two] = [backend.randomBytes(70_000), backend.randomBytes(70_000)];
    expect(Buffer.compare(one, two)).not.toBe(0);
    expect(new Set(one).size).toBe(256);
    expect(new Set(one.subarray(65_536)).size).toBe(256);
  });

  it.each([-1, 0.5, Number.NaN, 2 ** 31])('refuses to give %d random bytes', (length) => {
    expect(() => backend.randomBytes(length)).toThrow(RangeError);
  });

  it('compares', () => {
    const some = pattern(33);
    expect(backend.equal(some, some.slice())).toBe(true);
    expect(backend.equal(new Uint8Array(0), new Uint8Array(0))).toBe(true);
    expect(backend.equal(some, some.subarray(1))).toBe(false);
    for (let index = 0; index < some.length; index++) {
      const other = some.slice();
      other[index] = (other[index] as number) ^ 0x80;
      expect(backend.equal(some, other)).toBe(false);
    }
  });
});

describe.each(backends)('$name: AES-ECB', (backend) => {
  it.each(ecbVectors.cases)('$name', ({ key, plaintext, ciphertext }) => {
    const cipher = backend.aesEcb(bytes(key));
    expect(hex(cipher.encrypt(bytes(plaintext)))).toBe(ciphertext);
    expect(hex(cipher.decrypt(bytes(ciphertext)))).toBe(plaintext);
  });

  it.each([16, 24, 32])('one object under a key of %i bytes serves any calls, at any alignment', (length) => {
    const cipher = backend.aesEcb(pattern(length));
    const store = pattern(4096 + 3);
    for (const [blocks, offset] of [0, 1, 2, 3, 16, 255, 1, 0, 256].entries()) {
      const plain = store.subarray(offset % 4, (offset % 4) + 16 * blocks);
      const crypted = cipher.encrypt(plain);
      expect(hex(crypted)).toBe(hex(backend.aesEcb(pattern(length)).encrypt(plain.slice())));
      expect(hex(cipher.decrypt(crypted))).toBe(hex(plain));
    }
  });

  it('encrypts a mebibyte as it does its blocks', () => {
    const cipher = backend.aesEcb(pattern(32));
    const plain = pattern(MEBIBYTE);
    const crypted = cipher.encrypt(plain);
    expect(crypted).toHaveLength(MEBIBYTE);
    for (const at of [0, 16_368, 16_384, MEBIBYTE - 16])
      expect(hex(crypted.subarray(at, at + 16))).toBe(hex(cipher.encrypt(plain.subarray(at, at + 16))));
    expect(Buffer.compare(cipher.decrypt(crypted), plain)).toBe(0);
  });

  it('refuses other keys and parts of blocks', () => {
    for (const length of [0, 15, 17, 31, 33, 64])
      expect(() => backend.aesEcb(new Uint8Array(length))).toThrow(RangeError);
    const cipher = backend.aesEcb(pattern(32));
    for (const length of [1, 15, 17, 31, 33]) {
      expect(() => cipher.encrypt(new Uint8Array(length))).toThrow(RangeError);
      expect(() => cipher.decrypt(new Uint8Array(length))).toThrow(RangeError);
    }
    expect(hex(cipher.decrypt(cipher.encrypt(pattern(16))))).toBe(hex(pattern(16)));
  });
});

const all = [
  { title: 'AES-256-GCM', aead: 'aesGcm', cases: gcmVectors.cases },
  { title: 'ChaCha20-Poly1305', aead: 'chaCha20Poly1305', cases: chachaVectors.cases },
] as const;
const ofAll = backends.flatMap((backend) =>
  all.filter(({ aead }) => !backend.lacks?.includes(aead)).map((each) => ({ ...each, backend })),
);

describe.each(ofAll)('$backend.name: $title', ({ backend, aead: name, cases }) => {
  it.each(cases)('$name', ({ key, nonce, associatedData, plaintext, ciphertext, tag }) => {
    const aead = backend[name](bytes(key));
    const sealed = join(aead.seal(bytes(nonce), bytes(associatedData), [bytes(plaintext)]));
    expect(hex(sealed)).toBe(ciphertext + tag);
    expect(hex(aead.open(bytes(nonce), bytes(associatedData), sealed))).toBe(plaintext);
  });

  it.each([...SIZES, MEBIBYTE])('seals and opens %i bytes, in pieces or not', (length) => {
    const aead = backend[name](pattern(32));
    const [nonce, associatedData, plain] = [pattern(12), pattern(5), pattern(length)];
    const sealed = join(aead.seal(nonce, associatedData, [plain]));
    expect(sealed).toHaveLength(length + 16);
    expect(Buffer.compare(aead.open(nonce, associatedData, sealed) ?? sealed, plain)).toBe(0);
    const cuts = [0, 1, 1, 18, length >> 1, length].map((cut) => Math.min(cut, length)).sort((a, b) => a - b);
    const pieces = cuts.map((cut, index) => plain.subarray(cut, cuts[index + 1] ?? length));
    expect(Buffer.compare(join(aead.seal(nonce, associatedData, pieces)), sealed)).toBe(0);
  });

  it.each([0, 1, 69, 1029, 8100, 20_000])('puts a prefix before %i bytes', (length) => {
    const aead = backend[name](pattern(32));
    const [nonce, head, plain] = [pattern(12), pattern(3), pattern(length)];
    const expected = join([head, ...aead.seal(nonce, head, [plain])]);
    for (const pieces of [[plain], [plain.subarray(0, 1), plain.subarray(1)]]) {
      const lent = head.slice();
      const chunks = aead.seal(nonce, lent, pieces, lent);
      lent.fill(0xff);
      expect(Buffer.compare(join(chunks), expected)).toBe(0);
      if (length < 8000) expect(chunks).toHaveLength(1);
    }
  });

  it('takes no pieces at all for no plaintext', () => {
    const aead = backend[name](pattern(32));
    const sealed = aead.seal(pattern(12), pattern(3), []);
    expect(hex(join(sealed))).toBe(hex(join(aead.seal(pattern(12), pattern(3), [new Uint8Array(0)]))));
    expect(sealed.at(-1)?.length).toBeGreaterThanOrEqual(16);
  });

  it('answers any damage with null, and opens the next one all the same', () => {
    const aead = backend[name](pattern(32));
    const [nonce, data] = [pattern(12), pattern(5)];
    const sealed = join(aead.seal(nonce, data, [pattern(37)]));
    for (let index = 0; index < sealed.length; index++)
      expect(aead.open(nonce, data, flip(sealed, index))).toBeNull();
    for (let index = 0; index < 12; index++) expect(aead.open(flip(nonce, index), data, sealed)).toBeNull();
    for (let index = 0; index < 5; index++) expect(aead.open(nonce, flip(data, index), sealed)).toBeNull();
    expect(aead.open(nonce, new Uint8Array(0), sealed)).toBeNull();
    expect(backend[name](pattern(32, 2)).open(nonce, data, sealed)).toBeNull();
    expect(hex(aead.open(nonce, data, sealed))).toBe(hex(pattern(37)));
  });

  it('answers every truncation with null, that to a shorter tag or to none included', () => {
    const aead = backend[name](pattern(32));
    const sealed = join(aead.seal(pattern(12), pattern(5), [pattern(20)]));
    for (let length = 0; length < sealed.length; length++)
      expect(aead.open(pattern(12), pattern(5), sealed.subarray(0, length))).toBeNull();
    const tagOnly = join(aead.seal(pattern(12), pattern(5), []));
    for (let length = 0; length < 16; length++)
      expect(aead.open(pattern(12), pattern(5), tagOnly.subarray(0, length))).toBeNull();
  });

  it('refuses other keys and nonces', () => {
    for (const length of [0, 16, 24, 31, 33])
      expect(() => backend[name](new Uint8Array(length))).toThrow(RangeError);
    const aead = backend[name](pattern(32));
    for (const length of [0, 8, 11, 13, 16]) {
      expect(() => aead.seal(new Uint8Array(length), pattern(0), [])).toThrow(RangeError);
      expect(() => aead.open(new Uint8Array(length), pattern(0), pattern(16))).toThrow(RangeError);
    }
  });
});

describe.each(backends)('$name: memory', (backend) => {
  const key = pattern(32);
  const aeads = all.filter(({ aead }) => !backend.lacks?.includes(aead));

  it('changes no input', () => {
    const inputs = { key: pattern(32), nonce: pattern(12), data: pattern(21), blocks: pattern(48) };
    const { nonce, data, blocks } = inputs;
    const sealed = aeads.map(({ aead }) => join(backend[aead](inputs.key).seal(nonce, data, [data, blocks])));
    const before = sealed.map(hex);
    for (const [i, { aead }] of aeads.entries())
      backend[aead](inputs.key).open(nonce, data, sealed[i] as Uint8Array);
    backend.aesEcb(inputs.key).decrypt(backend.aesEcb(inputs.key).encrypt(blocks));
    backend.aesEcb(inputs.key).decrypt(blocks);
    backend.sha256(data);
    backend.hmacSha256(inputs.key, data);
    backend.hkdfExpand(backend.hkdfExtract(data, inputs.key), data, 100);
    expect(sealed.map(hex)).toEqual(before);
    const fresh = { key: pattern(32), nonce: pattern(12), data: pattern(21), blocks: pattern(48) };
    expect(inputs).toEqual(fresh);
  });

  it('keeps no key it was lent', () => {
    const lent = key.slice();
    const ecb = backend.aesEcb(lent);
    const keyed = aeads.map(({ aead }) => ({ aead, own: backend[aead](lent) }));
    lent.fill(0);
    expect(hex(ecb.encrypt(pattern(16)))).toBe(hex(backend.aesEcb(key).encrypt(pattern(16))));
    for (const { aead, own } of keyed) {
      const sealed = own.seal(pattern(12), pattern(0), [pattern(16)]);
      const expected = backend[aead](key).seal(pattern(12), pattern(0), [pattern(16)]);
      expect(hex(join(sealed))).toBe(hex(join(expected)));
    }
  });

  it('returns plain Uint8Arrays in memory of their own', () => {
    const ecb = backend.aesEcb(key);
    const opened = aeads.map(({ aead }) => {
      const own = backend[aead](key);
      const sealed = join(own.seal(pattern(12), pattern(0), [pattern(16), pattern(3)]));
      return own.open(pattern(12), pattern(0), sealed) as Uint8Array;
    });
    const results = [
      ...[backend.randomBytes(8), backend.sha256(key), backend.hmacSha256(key, key)],
      ...[backend.hkdfExtract(key, key), backend.hkdfExpand(key, key, 33)],
      ...[ecb.encrypt(pattern(16)), ecb.decrypt(pattern(16)), ecb.encrypt(pattern(16)), ...opened],
    ];
    for (const result of results) expect(Object.getPrototypeOf(result)).toBe(Uint8Array.prototype);
    // a block more is what Bun's ciphers take
    const spare = process.versions.bun && ['node', 'sodium'].includes(backend.name) ? 16 : 0;
    for (const { buffer, length } of results) {
      expect(buffer.byteLength).toBeGreaterThanOrEqual(length);
      expect(buffer.byteLength).toBeLessThanOrEqual(length + spare);
    }
    expect(new Set(results.map(({ buffer }) => buffer)).size).toBe(results.length);
  });

  it.each(aeads)('seals with $aead into plain Uint8Arrays that nothing writes to afterwards', ({ aead }) => {
    const cipher = backend[aead](key);
    const kept = [1, 100, 5000, 20_000, ...Array.from({ length: 300 }, (_, i) => i)].map((size) => {
      const pieces = cipher.seal(pattern(12), pattern(3), [pattern(size, size)], pattern(3));
      return { pieces, was: hex(join(pieces)) };
    });
    for (const { pieces, was } of kept) {
      for (const piece of pieces) expect(Object.getPrototypeOf(piece)).toBe(Uint8Array.prototype);
      expect(hex(join(pieces))).toBe(was);
    }
  });

  it.each(aeads)('opens with $aead into the memory it is given, or leaves that alone', ({ aead }) => {
    const cipher = backend[aead](key);
    for (const size of [0, 1, 69, 70, 71]) {
      const sealed = join(cipher.seal(pattern(12), pattern(3), [pattern(size)]));
      const around = new Uint8Array(80).fill(0xee);
      const output = around.subarray(3, 73);
      const opened = cipher.open(pattern(12), pattern(3), sealed, output) as Uint8Array;
      expect(hex(opened)).toBe(hex(pattern(size)));
      const isThere = opened.buffer === around.buffer;
      if (isThere) expect([opened.byteOffset, size]).toEqual([3, Math.min(size, 70)]);
      const used = isThere ? 3 + size : 3;
      expect(around.subarray(0, 3).every((byte) => byte === 0xee)).toBe(true);
      expect(around.subarray(used).every((byte) => byte === 0xee)).toBe(true);
      expect(cipher.open(pattern(12), pattern(3), flip(sealed, size), output)).toBeNull();
    }
  });

  it('works without its object', () => {
    const { aesEcb, hkdfExpand, randomBytes, sha256 } = backend;
    expect(randomBytes(9)).toHaveLength(9);
    expect(sha256(key)).toHaveLength(32);
    expect(hkdfExpand(key, key, 9)).toHaveLength(9);
    expect(aesEcb(key).encrypt(pattern(16))).toHaveLength(16);
    for (const make of aeads.map(({ aead }) => backend[aead]))
      expect(join(make(key).seal(pattern(12), key, [key]))).toHaveLength(48);
  });
});

function flip(data: Uint8Array, index: number): Uint8Array {
  const copy = data.slice();
  copy[index] = (copy[index] as number) ^ 1;
  return copy;
}
