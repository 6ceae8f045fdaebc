import { createCipheriv } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { node } from '../../../backends/node.js';
import type { Aead, Backend } from '../../../src/backend.js';
import { OpenKeys } from '../../../src/core/sealed/open-keys.js';
import { TrafficKey } from '../../../src/core/sealed/records.js';
import { expandLabel } from '../../../src/core/sealed/schedule.js';
import { backends } from '../../helpers/sealed-ends.js';
import { hex } from '../../helpers/sealed-vectors.js';

const SECRET = new Uint8Array(32).fill(7);
const none = new Uint8Array(0);

/** What each call gave to the cipher: its nonce and its associated data. */
type Call = readonly [keyof Aead, string, string?];

/** The node backend, watched; without what a backend may lack, if asked. */
function watchBackend({ bare = false } = {}): { backend: Backend; calls: Call[]; wiped: () => number } {
  const calls: Call[] = [];
  let wiped = 0;
  const watch = (real: Aead): Aead => ({
    seal: (nonce, header, plaintext, prefix) => {
      calls.push(['seal', hex(nonce), hex(header)]);
      return real.seal(nonce, header, plaintext, prefix);
    },
    open: (nonce, header, ciphertext) => {
      calls.push(['open', hex(nonce), hex(header)]);
      return real.open(nonce, header, ciphertext);
    },
    ...(!bare && {
      wipe: () => {
        wiped++;
      },
    }),
  });
  return { backend: { ...node, aesGcm: (key) => watch(node.aesGcm(key)) }, calls, wiped: () => wiped };
}

/** The record of a plaintext, by the letter of R1 with node:crypto alone. */
function record(
  sequence: number,
  plaintext: Uint8Array,
  algorithm: 'aes-256-gcm' | 'chacha20-poly1305' = 'aes-256-gcm',
): Uint8Array {
  const nonce = Buffer.from(expandLabel(node, SECRET, 'iv', none, 12));
  for (let i = 0; i < 4; i++) nonce[11 - i] = (nonce[11 - i] as number) ^ ((sequence >>> (8 * i)) & 255);
  const header = Buffer.alloc(3);
  header.writeUIntBE(plaintext.length + 16, 0, 3);
  const key = expandLabel(node, SECRET, 'key', none, 32);
  const cipher = createCipheriv(algorithm as 'aes-256-gcm', key, nonce, { authTagLength: 16 });
  cipher.setAAD(header);
  return Buffer.concat([header, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

const ciphers = [
  { cipher: 'aesGcm', algorithm: 'aes-256-gcm' },
  { cipher: 'chaCha20Poly1305', algorithm: 'chacha20-poly1305' },
] as const;
// node:crypto, which computes what is expected, has no ChaCha20-Poly1305 on Bun
const possible = ciphers.filter(({ cipher }) => !node.lacks?.includes(cipher));
const cases = backends.flatMap((backend) => possible.map((each) => ({ ...each, backend })));

describe.each(cases)('records on $backend.name under $algorithm', ({ backend, cipher, algorithm }) => {
  it.each([1, 255, 256, 16_385, 65_519, 65_520, 70_001])(
    'of %i bytes are what the specification says',
    (length) => {
      const plaintext = Uint8Array.from({ length }, (_, i) => i);
      const expected = record(300, plaintext, algorithm);
      const keys = Array.from({ length: 2 }, () => new TrafficKey(backend, cipher, SECRET.slice(), 300));
      const half = length >> 1;
      const pieces = [plaintext.subarray(0, half), plaintext.subarray(half)];
      const sealed = keys[0]?.seal(pieces, length) ?? [];
      expect(Buffer.concat(sealed).equals(expected)).toBe(true);
      // each chunk that is written costs more than copying a small one
      if (length < 8000) expect(sealed).toHaveLength(1);
      expect(Buffer.from(keys[1]?.open(expected.subarray(3)) ?? none).equals(plaintext)).toBe(true);
      for (const key of keys) expect([key.sequence, key.bytes]).toEqual([301, length + 16]);
    },
  );

  it('that were changed open to nothing, and are counted all the same', () => {
    const damaged = record(0, new Uint8Array(20), algorithm).slice(3);
    damaged[5] = (damaged[5] as number) ^ 1;
    const key = new TrafficKey(backend, cipher, SECRET.slice());
    expect(key.open(damaged)).toBeNull();
    expect([key.sequence, key.bytes]).toEqual([1, 36]);
  });
});

describe('a traffic key', () => {
  it.each(possible)(
    'of $cipher counts anew after an update, under a secret that follows from the one before',
    ({ cipher }) => {
      const [key, fresh] = [
        new TrafficKey(node, cipher, SECRET.slice(), 5),
        new TrafficKey(node, cipher, expandLabel(node, SECRET, 'traffic upd', none, 32)),
      ];
      key.seal([Uint8Array.of(1)], 1);
      key.update();
      expect([key.sequence, key.bytes]).toEqual([0, 0]);
      expect(key.seal([Uint8Array.of(1)], 1)).toEqual(fresh.seal([Uint8Array.of(1)], 1));
    },
  );

  it('that was wiped seals and opens nothing any more', () => {
    const { backend, wiped } = watchBackend();
    const key = new TrafficKey(backend, 'aesGcm', SECRET.slice());
    key.wipe();
    expect(wiped()).toBe(1);
    const gone = 'the key has been wiped';
    expect(() => key.seal([none], 0)).toThrow(gone);
    expect(() => key.open(new Uint8Array(17))).toThrow(gone);
  });

  it('has its cipher wiped when it is updated', () => {
    const { backend, wiped } = watchBackend();
    new TrafficKey(backend, 'aesGcm', SECRET.slice()).update();
    expect(wiped()).toBe(1);
  });

  it('needs no backend that can wipe', () => {
    const { backend, calls } = watchBackend({ bare: true });
    const key = new TrafficKey(backend, 'aesGcm', SECRET.slice());
    expect(key.open(record(0, new Uint8Array(100)).subarray(3))).toEqual(new Uint8Array(100));
    expect(calls.map(([name]) => name)).toEqual(['open']);
    key.wipe();
  });
});

describe('the keys of an open connection', () => {
  it('export until they are forgotten, which overwrites their secret', () => {
    const exporterSecret = SECRET.slice();
    const key = new TrafficKey(node, 'aesGcm', SECRET.slice());
    const keys = new OpenKeys(node, { sending: key, receiving: key, exporterSecret });
    expect(keys.exportKey('label', none, 20)).toHaveLength(20);
    keys.forget();
    expect(exporterSecret).toEqual(new Uint8Array(32));
    expect(() => keys.exportKey('label', none, 20)).toThrow(
      expect.objectContaining({ code: 'CLOSED', message: expect.stringContaining('was overwritten') }),
    );
  });
});
