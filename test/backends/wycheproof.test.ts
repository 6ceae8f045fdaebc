import { describe, expect } from 'vitest';
import * as fallbacks from '../../backends/fallbacks-ml-kem.js';
import {
  backends,
  bytes,
  hex,
  itWithWycheproof,
  join,
  privateNumbers,
  type WycheproofCase,
} from '../helpers/backends.js';
import { unpadPkcs1 } from '../helpers/rsa.js';

/** Forge takes 70 ms for a private operation of 2048 bits, 210 for one of 3072. */
const PATIENT = 60_000;

const aeads = [
  { file: 'aes_gcm', title: 'AES-256-GCM', aead: 'aesGcm', count: 66 },
  { file: 'chacha20_poly1305', title: 'ChaCha20-Poly1305', aead: 'chaCha20Poly1305', count: 316 },
] as const;

describe.each(backends)('$name: Wycheproof', (backend) => {
  for (const size of [2048, 3072])
    itWithWycheproof<PrivateGroup, { msg: string; ct: string; label: string }>(
      `rsa_oaep_${size}_sha256_mgf1sha256`,
      `RSA-OAEP ${size}`,
      async ({ testGroups }) => {
        const seen = new Tally();
        for (const { privateKey, tests } of testGroups) {
          const key = backend.rsaPrivateKey(rsaNumbers(privateKey));
          for (const { msg, ct, label, ...one } of tests) {
            const opened = await key.decryptOaep(bytes(ct), bytes(label)).then(hex, ({ message }) => message);
            seen.check(one, opened, msg, 'decryption failed');
          }
        }
        seen.expectAll(37);
      },
      PATIENT,
    );

  itWithWycheproof<PrivateGroup, { msg: string; ct: string }>(
    'rsa_pkcs1_2048',
    'RSAES-PKCS1-v1_5 2048',
    async ({ testGroups }) => {
      const seen = new Tally();
      for (const { privateKey, tests } of testGroups) {
        const key = backend.rsaPrivateKey(rsaNumbers(privateKey));
        for (const { msg, ct, ...one } of tests) {
          const refused = one.flags.includes('InvalidCiphertextFormat') ? 'RangeError' : 'missing';
          const unpadded = await key.decryptRaw(bytes(ct)).then(
            (encoded) => hex(unpadPkcs1(encoded)),
            ({ name }) => name,
          );
          seen.check(one, unpadded, msg, refused);
        }
      }
      seen.expectAll(67);
    },
    PATIENT,
  );

  itWithWycheproof<{ publicKey: Record<'modulus' | 'publicExponent', string> }, { msg: string; sig: string }>(
    'rsa_pss_2048_sha256_mgf1_32',
    'RSASSA-PSS 2048',
    ({ testGroups }) => {
      const seen = new Tally();
      for (const { publicKey, tests } of testGroups) {
        const { modulus, publicExponent } = publicKey;
        const key = backend.rsaPublicKey({ n: minimal(modulus), e: minimal(publicExponent) });
        for (const { msg, sig, ...one } of tests)
          seen.check(one, String(key.verifyPss(bytes(msg), bytes(sig))), 'true', 'false');
      }
      seen.expectAll(108);
    },
  );

  for (const { file, title, aead: name, count } of aeads)
    itWithWycheproof<Record<'keySize' | 'ivSize' | 'tagSize', number>, AeadCase>(
      file,
      `${title} with a nonce of 12 bytes and a tag of 16`,
      ({ testGroups }) => {
        const seen = new Tally();
        for (const { keySize, ivSize, tagSize, tests } of testGroups) {
          if (keySize !== 256 || ivSize !== 96 || tagSize !== 128) continue;
          for (const { key, iv, aad, msg, ct, tag, ...one } of tests) {
            const aead = backend[name](bytes(key));
            seen.check(one, hex(aead.open(bytes(iv), bytes(aad), bytes(ct + tag))), msg, 'missing');
            if (one.result === 'valid')
              expect(hex(join(aead.seal(bytes(iv), bytes(aad), [bytes(msg)])))).toBe(ct + tag);
          }
        }
        seen.expectAll(count);
      },
    );

  itWithWycheproof<object, { public: string; private: string; shared: string }>(
    'x25519',
    'X25519',
    ({ testGroups }) => {
      const seen = new Tally();
      let zeros = 0;
      for (const one of testGroups.flatMap(({ tests }) => tests)) {
        const isZero = /^0+$/.test(one.shared);
        if (isZero) zeros++;
        const secret = hex(backend.x25519(bytes(one.private)).agree(bytes(one.public)));
        seen.check(one, secret, isZero ? 'missing' : one.shared, 'missing');
      }
      expect(zeros).toBe(31);
      seen.expectAll(518);
    },
    PATIENT,
  );

  itWithWycheproof<object, { ikm: string; salt: string; info: string; size: number; okm: string }>(
    'hkdf_sha256',
    'HKDF-SHA256',
    ({ testGroups }) => {
      const seen = new Tally();
      for (const { ikm, salt, info, size, okm, ...one } of testGroups.flatMap(({ tests }) => tests)) {
        const extracted = backend.hkdfExtract(bytes(salt), bytes(ikm));
        const expand = () => hex(backend.hkdfExpand(extracted, bytes(info), size));
        if (one.result === 'invalid') expect(expand).toThrow(RangeError);
        seen.check(one, one.result === 'valid' ? expand() : 'refused', okm, 'refused');
      }
      seen.expectAll(86);
    },
  );

  itWithWycheproof<{ tagSize: number }, { key: string; msg: string; tag: string }>(
    'hmac_sha256',
    'HMAC-SHA256',
    ({ testGroups }) => {
      const seen = new Tally();
      for (const { tagSize, tests } of testGroups)
        for (const { key, msg, tag, ...one } of tests) {
          const mac = backend.hmacSha256(bytes(key), bytes(msg)).subarray(0, tagSize / 8);
          seen.check(one, String(backend.equal(mac, bytes(tag))), 'true', 'false');
        }
      seen.expectAll(174);
    },
  );

  itWithWycheproof<object, { seed: string; ek?: string; c: string; K: string }>(
    'mlkem_768',
    'ML-KEM-768 decapsulation',
    async ({ testGroups }) => {
      const kem = await backend.mlKem768();
      const seen = new Tally();
      for (const { seed, ek, c, K, ...one } of testGroups.flatMap(({ tests }) => tests)) {
        const run = () => {
          const key = kem.keyPair(bytes(seed));
          if (ek !== undefined) expect(hex(key.encapsulationKey)).toBe(ek);
          return hex(key.decapsulate(bytes(c)));
        };
        if (one.result === 'invalid') expect(run).toThrow(RangeError);
        seen.check(one, one.result === 'valid' ? run() : 'refused', K, 'refused');
      }
      seen.expectAll(193);
    },
  );

  itWithWycheproof<object, { seed: string; ek: string }>(
    'mlkem_768_keygen_seed',
    'ML-KEM-768 key generation',
    async ({ testGroups }) => {
      const kem = await backend.mlKem768();
      const seen = new Tally();
      for (const { seed, ek, ...one } of testGroups.flatMap(({ tests }) => tests))
        seen.check(one, hex(kem.keyPair(bytes(seed)).encapsulationKey), ek, 'refused');
      seen.expectAll(100);
    },
  );

  itWithWycheproof<object, Encapsulation>(
    'mlkem_768_encaps',
    'ML-KEM-768 encapsulation: which keys are taken',
    async ({ testGroups }) => {
      const kem = await backend.mlKem768();
      const seen = new Tally();
      for (const { ek, ...one } of testGroups.flatMap(({ tests }) => tests)) {
        const encapsulate = () => (kem.encapsulate(bytes(ek)) === null ? 'null' : 'taken');
        if (ek.length === 2 * 1184) seen.check(one, encapsulate(), 'taken', 'null');
        else {
          expect(encapsulate).toThrow(RangeError);
          seen.check(one, 'refused', 'taken', 'refused');
        }
      }
      seen.expectAll(265);
    },
  );
});

describe('fallbacks: Wycheproof', () => {
  itWithWycheproof<object, Encapsulation>(
    'mlkem_768_encaps',
    'ML-KEM-768 encapsulation with fixed randomness',
    async ({ testGroups }) => {
      const seen = new Tally();
      for (const { ek, m, c, K, ...one } of testGroups.flatMap(({ tests }) => tests)) {
        if (one.result !== 'valid') continue;
        const kem = await fallbacks.mlKem768(() => bytes(m));
        const { ciphertext, sharedSecret } = kem.encapsulate(bytes(ek)) ?? {};
        seen.check(one, hex(ciphertext) + hex(sharedSecret), c + K, 'refused');
      }
      seen.expectAll(133);
    },
  );
});

interface PrivateGroup {
  privateKey: Record<
    | 'modulus'
    | 'publicExponent'
    | 'privateExponent'
    | 'prime1'
    | 'prime2'
    | 'exponent1'
    | 'exponent2'
    | 'coefficient',
    string
  >;
}

type AeadCase = Record<'key' | 'iv' | 'aad' | 'msg' | 'ct' | 'tag', string>;
type Encapsulation = Record<'ek' | 'm' | 'c' | 'K', string>;

/** What was checked, and the cases that came out wrong, all of them in one failure. */
class Tally {
  readonly #wrong: string[] = [];
  #count = 0;

  check({ tcId, comment, result }: WycheproofCase, got: string, ifValid: string, ifInvalid: string): void {
    this.#count++;
    if (got !== (result === 'invalid' ? ifInvalid : ifValid))
      this.#wrong.push(`${tcId} (${comment ?? 'no comment'}): ${result}, got "${got}"`);
  }

  expectAll(count: number): void {
    expect(this.#wrong).toEqual([]);
    expect(this.#count).toBe(count);
  }
}

function rsaNumbers(key: PrivateGroup['privateKey']) {
  const { modulus: n, publicExponent: e, privateExponent: d, prime1: p, prime2: q } = key;
  const { exponent1: dp, exponent2: dq, coefficient: qi } = key;
  const members = Object.entries({ n, e, d, p, q, dp, dq, qi }).map(([name, digits]) => [
    name,
    hex(minimal(digits)),
  ]);
  return privateNumbers(Object.fromEntries(members));
}

/** Wycheproof writes integers with a leading zero byte where their first bit is set. */
function minimal(digits: string): Uint8Array {
  return bytes(digits.replace(/^(00)+/, ''));
}
