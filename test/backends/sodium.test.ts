import { describe, expect, it } from 'vitest';
import { hmacOver } from '../../backends/hmac.js';
import { node } from '../../backends/node.js';
import { sodium } from '../../backends/sodium.js';
import { SodiumAead } from '../../backends/sodium-aead.js';
import type { Backend } from '../../src/backend.js';
import { hex, join, pattern } from '../helpers/backends.js';
import { pair } from '../helpers/sockets.js';

describe('HMAC over a hash', () => {
  it.each([0, 1, 31, 32, 63, 64, 65, 200])('of a key of %i bytes is that of node:crypto', (length) => {
    const key = pattern(length);
    for (const size of [0, 1, 32, 511, 512, 513, 5000]) {
      const data = pattern(size, 7);
      expect(hex(sodium.hmacSha256(key, data))).toBe(hex(node.hmacSha256(key, data)));
    }
  });

  it('leaves nothing of key, data or result in the memory it works in', () => {
    const seen: { memory: Uint8Array; was: string }[] = [];
    const hmac = hmacOver((output, input) => {
      seen.push({ memory: input, was: hex(input) });
      output.set(node.sha256(input));
      seen.push({ memory: output, was: hex(output) });
    });
    for (const [key, size] of [
      [pattern(32), 50],
      [pattern(100), 3000],
    ] as const) {
      expect(hex(hmac(key, pattern(size)))).toBe(hex(node.hmacSha256(key, pattern(size))));
      const lent = seen.splice(0).filter(({ memory }) => memory !== key);
      expect(lent.length).toBeGreaterThanOrEqual(4);
      for (const { memory } of lent) expect(memory.every((byte) => byte === 0)).toBe(true);
    }
  });
});

describe('sodium', () => {
  it('takes what libsodium has from it, and all else from node:crypto', () => {
    const own = ['chaCha20Poly1305', 'hkdfExpand', 'hkdfExtract', 'hmacSha256', 'sha256', 'x25519'];
    const names = Object.keys(node) as (keyof typeof node)[];
    const different = names.filter((name) => sodium[name] !== node[name] && typeof node[name] === 'function');
    expect(different.sort()).toEqual(own);
    expect(sodium.fallbacks).toEqual(node.fallbacks);
  });

  it('opens nothing where the library does not say that the tag is right', () => {
    const aead = sodium.chaCha20Poly1305(pattern(32));
    const [record] = aead.seal(pattern(12), pattern(3), [pattern(100)]);
    const damaged = (record as Uint8Array).slice();
    damaged[50] = (damaged[50] as number) ^ 1;
    expect(aead.open(pattern(12), pattern(3), damaged)).toBeNull();
    expect(hex(aead.open(pattern(12), pattern(3), record as Uint8Array))).toBe(hex(pattern(100)));
  });

  // the other library takes over in between; without it libsodium does everything, as on Bun
  describe.each([
    { name: 'with OpenSSL for large records', make: sodium.chaCha20Poly1305 },
    { name: 'alone', make: (key: Uint8Array) => new SodiumAead(key) },
  ])('$name', ({ make }) => {
    it.each([0, 1, 4096, 16_383, 16_384, 16_385, 70_000])(
      'seals and opens %i bytes as others do',
      (length) => {
        const [own, other] = [make(pattern(32)), node.chaCha20Poly1305(pattern(32))];
        const plain = pattern(length, 5);
        for (const pieces of [[plain], [plain.subarray(0, 1), plain.subarray(1)]]) {
          const record = join(own.seal(pattern(12), pattern(3), pieces, pattern(3)));
          expect(
            Buffer.compare(record, join([pattern(3), ...other.seal(pattern(12), pattern(3), [plain])])),
          ).toBe(0);
          const sealed = record.subarray(3);
          expect(Buffer.compare(own.open(pattern(12), pattern(3), sealed) ?? sealed, plain)).toBe(0);
          const damaged = sealed.slice();
          damaged[length] = (damaged[length] as number) ^ 1;
          expect(own.open(pattern(12), pattern(3), damaged)).toBeNull();
        }
      },
    );
  });

  it('decrypts short records of all connections in one place, which none of their messages is in', async () => {
    const places: ArrayBufferLike[] = [];
    const backend: Backend = {
      ...sodium,
      chaCha20Poly1305: (key) => {
        const own = sodium.chaCha20Poly1305(key);
        const open: typeof own.open = (...given) => {
          const opened = own.open(...given);
          if (opened && given[3] && opened.buffer === given[3].buffer) places.push(opened.buffer);
          return opened;
        };
        return { seal: own.seal.bind(own), open };
      },
    };
    const suites = ['X25519-CHACHA20'] as const;
    await using one = await pair('sealed', { server: { suites }, client: { suites, backend } });
    await using two = await pair('sealed', { server: { suites }, client: { suites, backend } });
    for (let i = 0; i < 20; i++) {
      for (const [k, { peer }] of [one, two].entries()) await peer.send(new Uint8Array(64).fill(2 * i + k));
      // each in a record of its own
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (let i = 0; i < 20; i++)
      for (const [k, { client }] of [one, two].entries())
        expect(await client.recv()).toEqual(new Uint8Array(64).fill(2 * i + k));
    expect(places.length).toBeGreaterThan(0);
    expect(new Set(places).size).toBe(1);
  });

  it('wipes its keys', () => {
    const aead = sodium.chaCha20Poly1305(pattern(32));
    const sealed = Buffer.concat(aead.seal(pattern(12), pattern(3), [pattern(5)]));
    aead.wipe?.();
    expect(aead.open(pattern(12), pattern(3), sealed)).toBeNull();
    const own = sodium.x25519();
    const other = sodium.x25519();
    const agreed = own.agree(other.publicKey);
    own.wipe?.();
    expect(own.agree(other.publicKey)).not.toEqual(agreed);
  });
});
