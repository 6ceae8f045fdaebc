import { webcrypto } from 'node:crypto';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { node } from '../../backends/node.js';
import type { Subtle } from '../../backends/web-crypto.js';
import { platformPrivateKey } from '../../backends/web-rsa.js';
import { PlatformKey } from '../../backends/web-rsa-private.js';
import type { RsaPrivateKey } from '../../src/backend.js';
import { pattern, testKey } from '../helpers/backends.js';

// A platform, or the network that code is loaded over, may fail once. A key lives as long as its identity, and must not
// keep that.

const numbers = testKey('2048');
const label = pattern(8);
const ciphertext = node.rsaPublicKey(numbers).encryptOaep(pattern(32), label);
const failure = new Error('once');

/** The platform's own, whose first import of a key fails. */
function failingOnce(): Subtle {
  const { subtle } = webcrypto;
  let isFirst = true;
  return new Proxy(subtle as unknown as Subtle, {
    get: (_, name: keyof typeof subtle) => {
      if (name !== 'importKey' || !isFirst) return (subtle[name] as () => unknown).bind(subtle);
      isFirst = false;
      return () => Promise.reject(failure);
    },
  });
}

async function decrypts(key: RsaPrivateKey): Promise<void> {
  expect(await key.decryptOaep(ciphertext, label)).toEqual(pattern(32));
}

afterEach(() => {
  vi.restoreAllMocks();
  vi.doUnmock('../../backends/web-rsa-private.js');
  vi.doUnmock('../../backends/noble.js');
});

describe('a private key is there again', () => {
  it.each([
    ['decryptOaep', (key: RsaPrivateKey) => key.decryptOaep(ciphertext, label)],
    ['signPss', (key: RsaPrivateKey) => key.signPss(pattern(5))],
  ])('after the platform failed to import it, %s', async (_, use) => {
    const key = new PlatformKey(failingOnce(), numbers);
    await expect(use(key)).rejects.toBe(failure);
    expect((await use(key)).length).toBeGreaterThan(0);
    await decrypts(key);
  });

  it('after its code was not to be had', async () => {
    const key = platformPrivateKey(webcrypto.subtle as unknown as Subtle, numbers, 2048);
    vi.doMock('../../backends/web-rsa-private.js', () => Promise.reject(failure));
    await expect(key.decryptOaep(ciphertext, label)).rejects.toThrow();
    vi.doUnmock('../../backends/web-rsa-private.js');
    await decrypts(key);
  });

  it('after the code of the raw operation was not to be had', async () => {
    const key = new PlatformKey(webcrypto.subtle as unknown as Subtle, numbers);
    const raw = pattern(256, 0);
    vi.doMock('../../backends/noble.js', () => Promise.reject(failure));
    await expect(key.decryptRaw(raw)).rejects.toThrow();
    vi.doUnmock('../../backends/noble.js');
    expect(await key.decryptRaw(raw)).toHaveLength(256);
  });

  it('on the node backend, after node:crypto failed to import it', async () => {
    const key = node.rsaPrivateKey(numbers);
    vi.spyOn(webcrypto.subtle, 'importKey').mockRejectedValueOnce(failure).mockRejectedValueOnce(failure);
    for (let i = 0; i < 2; i++) await expect(key.decryptOaep(ciphertext, label)).rejects.toBe(failure);
    for (let i = 0; i < 2; i++) await decrypts(key);
  });
});
