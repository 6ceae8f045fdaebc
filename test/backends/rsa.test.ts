import { describe, expect, it } from 'vitest';
import {
  backends,
  bytes,
  hex,
  type KeyName,
  keyNames,
  pairs,
  pattern,
  testKey,
} from '../helpers/backends.js';
import { toInteger, toOctets, unpadPkcs1 } from '../helpers/rsa.js';
import vectors from '../vectors/rsa.json' with { type: 'json' };
import { both, LABEL } from './rsa-test-keys.js';

/** Keys with room for OAEP and PSS; the sizes of 8m+1 bits leave a byte before the encoding, the rare case. */
const PADDED: readonly KeyName[] = ['1025', '2048', '2049', '3072', '4096'];

const NO_LABEL = new Uint8Array(0);

describe.each(backends)('$name: RSA on recorded values', (backend) => {
  it.each(keyNames)('raw decryption, %s', async (name) => {
    const key = backend.rsaPrivateKey(testKey(name));
    for (const { plain, ciphertext } of vectors.raw.filter(({ key }) => key === name))
      expect(hex(await key.decryptRaw(bytes(ciphertext)))).toBe(plain);
  });

  it.each(vectors.pkcs1)('PKCS#1 v1.5, $key, message "$message"', async ({ key, message, ciphertext }) => {
    const encoded = await backend.rsaPrivateKey(testKey(key as KeyName)).decryptRaw(bytes(ciphertext));
    expect(hex(unpadPkcs1(encoded))).toBe(message);
  });

  it.each(vectors.oaep.filter(({ bad }) => bad === undefined))(
    'OAEP, $key, label "$label"',
    async ({ key, message, label, ciphertext }) => {
      const privateKey = backend.rsaPrivateKey(testKey(key as KeyName));
      expect(hex(await privateKey.decryptOaep(bytes(ciphertext), bytes(label)))).toBe(message);
    },
  );

  it.each(vectors.oaep.filter(({ bad }) => bad !== undefined))(
    'OAEP, $bad',
    async ({ key, label, ciphertext }) => {
      const privateKey = backend.rsaPrivateKey(testKey(key as KeyName));
      await expect(privateKey.decryptOaep(bytes(ciphertext), bytes(label))).rejects.toThrow(FAILED);
    },
  );

  it.each(vectors.pss)('PSS, $key, message "$message" $bad', ({ key, message, signature, bad }) => {
    const publicKey = backend.rsaPublicKey(testKey(key as KeyName));
    expect(publicKey.verifyPss(bytes(message), bytes(signature))).toBe(bad === undefined);
  });
});

describe.each(backends)('$name: RSA encryption', (backend) => {
  it.each(keyNames)('PKCS#1 v1.5 fills the modulus, %s', async (name) => {
    const { publicKey, privateKey, k } = both(backend, name);
    for (const length of [0, 1, 32, k - 11]) {
      const ciphertext = publicKey.encryptPkcs1(pattern(length));
      expect(ciphertext).toHaveLength(k);
      expect(hex(unpadPkcs1(await privateKey.decryptRaw(ciphertext)))).toBe(hex(pattern(length)));
    }
    expect(() => publicKey.encryptPkcs1(new Uint8Array(k - 10))).toThrow(RangeError);
  });

  it.each(PADDED)('OAEP fills the modulus, %s', async (name) => {
    const { publicKey, privateKey, k } = both(backend, name);
    for (const length of [0, 32, k - 66]) {
      const ciphertext = publicKey.encryptOaep(pattern(length), LABEL);
      expect(ciphertext).toHaveLength(k);
      expect(hex(await privateKey.decryptOaep(ciphertext, LABEL))).toBe(hex(pattern(length)));
    }
    expect(() => publicKey.encryptOaep(new Uint8Array(k - 65), LABEL)).toThrow(RangeError);
  });

  it('encrypts otherwise every time', () => {
    const { publicKey } = both(backend, '2048');
    expect(hex(publicKey.encryptPkcs1(pattern(5)))).not.toBe(hex(publicKey.encryptPkcs1(pattern(5))));
    expect(hex(publicKey.encryptOaep(pattern(5), LABEL))).not.toBe(
      hex(publicKey.encryptOaep(pattern(5), LABEL)),
    );
  });

  it('keeps leading zeros of ciphertexts and signatures', async () => {
    // The highest of the 129 bytes of this modulus is 1, so that more than every other result begins with 0.
    const { publicKey, privateKey } = both(backend, '1025');
    const results: Uint8Array[] = [];
    for (let count = 0; count < 24; count++) {
      results.push(publicKey.encryptPkcs1(pattern(32)), publicKey.encryptOaep(pattern(32), NO_LABEL));
      results.push(await privateKey.signPss(pattern(count)));
    }
    for (const offset of [0, 1, 2]) {
      const ofOneKind = results.filter((_, index) => index % 3 === offset);
      expect(ofOneKind.filter((result) => result[0] === 0).length).toBeGreaterThan(0);
      expect(new Set(ofOneKind.map(({ length }) => length))).toEqual(new Set([129]));
    }
    for (const [index, signature] of results.filter((_, index) => index % 3 === 2).entries())
      expect(publicKey.verifyPss(pattern(index), signature)).toBe(true);
  });

  it('has no room for OAEP in a short key', async () => {
    const { publicKey, privateKey } = both(backend, '512');
    expect(() => publicKey.encryptOaep(NO_LABEL, NO_LABEL)).toThrow(RangeError);
    await expect(privateKey.decryptOaep(pattern(64), NO_LABEL)).rejects.toThrow(FAILED);
  });
});

describe.each(backends)('$name: RSA decryption refuses', (backend) => {
  it.each<KeyName>(['512', '1025', '2048'])('numbers that are no ciphertext, raw, %s', async (name) => {
    const { privateKey, k, n } = both(backend, name);
    const shorter = toOctets(toInteger(n) - 1n, k);
    expect(await privateKey.decryptRaw(shorter)).toHaveLength(k);
    const wrong = [n, toOctets(toInteger(n) + 1n, k), new Uint8Array(k).fill(0xff)];
    wrong.push(new Uint8Array(0), new Uint8Array(k - 1), new Uint8Array(k + 1), shorter.subarray(1));
    for (const ciphertext of wrong)
      await expect(privateKey.decryptRaw(ciphertext)).rejects.toThrow(RangeError);
  });

  it('whatever is wrong with OAEP, always with the same error', async () => {
    const { publicKey, privateKey, k, n } = both(backend, '2048');
    const good = publicKey.encryptOaep(pattern(32), LABEL);
    const wrong = [0, 1, 100, k - 1].map((index) => flip(good, index));
    wrong.push(n, new Uint8Array(k), new Uint8Array(k).fill(0xff), publicKey.encryptPkcs1(pattern(32)));
    wrong.push(
      new Uint8Array(0),
      good.subarray(1),
      new Uint8Array([...good, 0]),
      new Uint8Array([0, ...good]),
    );
    const errors = wrong.map((ciphertext) => failure(privateKey.decryptOaep(ciphertext, LABEL)));
    errors.push(failure(privateKey.decryptOaep(good, NO_LABEL)));
    errors.push(failure(privateKey.decryptOaep(good, flip(LABEL, 3))));
    for (const error of await Promise.all(errors)) {
      expect([error.name, error.message, error.cause]).toEqual(['Error', FAILED, undefined]);
      expect(Object.keys(error)).toEqual([]);
    }
    expect(hex(await privateKey.decryptOaep(good, LABEL))).toBe(hex(pattern(32)));
  });
});

describe.each(backends)('$name: RSA signatures', (backend) => {
  it.each(['522', ...PADDED] as const)('PSS, %s', async (name) => {
    const { publicKey, privateKey, k } = both(backend, name);
    for (const message of [new Uint8Array(0), pattern(1000)]) {
      const signature = await privateKey.signPss(message);
      expect(signature).toHaveLength(k);
      expect(publicKey.verifyPss(message, signature)).toBe(true);
      expect(publicKey.verifyPss(pattern(999), signature)).toBe(false);
    }
  });

  it('salts', async () => {
    const { privateKey } = both(backend, '2048');
    expect(hex(await privateKey.signPss(LABEL))).not.toBe(hex(await privateKey.signPss(LABEL)));
  });

  it('does not take a damaged signature, one of another length or of another key', async () => {
    const { publicKey, privateKey, k, n } = both(backend, '1025');
    let signature = await privateKey.signPss(LABEL);
    // With a leading zero, so that the same number can be written shorter.
    while (signature[0] !== 0) signature = await privateKey.signPss(LABEL);
    for (let index = 0; index < k; index++)
      expect(publicKey.verifyPss(LABEL, flip(signature, index))).toBe(false);
    const wrong = [
      n,
      new Uint8Array(k),
      new Uint8Array(k).fill(0xff),
      new Uint8Array(0),
      signature.subarray(1),
    ];
    wrong.push(new Uint8Array([0, ...signature]), new Uint8Array([...signature, 0]));
    wrong.push(toOctets(toInteger(signature) + toInteger(n), k + 1));
    for (const other of wrong) expect(publicKey.verifyPss(LABEL, other)).toBe(false);
    expect(backend.rsaPublicKey(testKey('2048')).verifyPss(LABEL, signature)).toBe(false);
    expect(publicKey.verifyPss(LABEL, signature)).toBe(true);
  });

  it('needs 522 bits', async () => {
    const { publicKey, privateKey } = both(backend, '512');
    expect(publicKey.verifyPss(LABEL, pattern(64))).toBe(false);
    await expect(privateKey.signPss(LABEL)).rejects.toThrow(RangeError);
  });
});

describe.each(pairs)('$name', ({ one, other }) => {
  it.each<KeyName>(['512', '512-unbalanced', '512-swapped', '512-e3', '2048'])(
    'raw RSA, %s',
    async (name) => {
      const ciphertext = one.rsaPublicKey(testKey(name)).encryptPkcs1(pattern(32));
      const encoded = await other.rsaPrivateKey(testKey(name)).decryptRaw(ciphertext);
      expect(hex(unpadPkcs1(encoded))).toBe(hex(pattern(32)));
    },
  );

  it.each<KeyName>(['1025', '2048', '3072'])('OAEP and PSS, %s', async (name) => {
    const [publicKey, privateKey] = [one.rsaPublicKey(testKey(name)), other.rsaPrivateKey(testKey(name))];
    const opened = await privateKey.decryptOaep(publicKey.encryptOaep(pattern(32), LABEL), LABEL);
    expect(hex(opened)).toBe(hex(pattern(32)));
    expect(publicKey.verifyPss(LABEL, await privateKey.signPss(LABEL))).toBe(true);
  });

  it('AES, ChaCha20-Poly1305, HMAC and HKDF', () => {
    const [key, data] = [pattern(32), pattern(4096)];
    for (const length of [16, 24, 32]) {
      const blocks = one.aesEcb(key.subarray(0, length)).encrypt(data);
      expect(hex(other.aesEcb(key.subarray(0, length)).decrypt(blocks))).toBe(hex(data));
    }
    for (const length of [0, 1, 15, 16, 17, 4096]) {
      const plain = data.subarray(0, length);
      for (const aead of ['aesGcm', 'chaCha20Poly1305'] as const) {
        const sealed = Buffer.concat(one[aead](key).seal(pattern(12), LABEL, [plain]));
        expect(hex(other[aead](key).open(pattern(12), LABEL, sealed))).toBe(hex(plain));
      }
      expect(hex(one.hmacSha256(plain, data))).toBe(hex(other.hmacSha256(plain, data)));
      const extracted = one.hkdfExtract(plain, data);
      expect(hex(extracted)).toBe(hex(other.hkdfExtract(plain, data)));
      expect(hex(one.hkdfExpand(extracted, plain, 100))).toBe(hex(other.hkdfExpand(extracted, plain, 100)));
    }
  });
});

const FAILED = 'decryption failed';

async function failure(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => expect.fail('was decrypted'),
    (error: Error) => error,
  );
}

function flip(data: Uint8Array, index: number): Uint8Array {
  const copy = data.slice();
  copy[index] = (copy[index] as number) ^ 1;
  return copy;
}
