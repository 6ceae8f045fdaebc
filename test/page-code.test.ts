// What a page's backend loads when it is needed, where that cannot be had.

import { afterEach, describe, expect, it, vi } from 'vitest';
import { webClient } from '../backends/web-client.js';
import type { ClientOptions, Transport } from '../src/browser.js';
import { identityFor } from './helpers/sockets.js';

type Library = typeof import('../src/browser.js');

const closing: (() => unknown)[] = [];

afterEach(async () => {
  vi.doUnmock(RSA);
  vi.doUnmock(NOBLE);
  vi.doUnmock(ML_KEM);
  for (const close of closing.splice(0)) await close();
});

const RSA = '../backends/web-rsa-private.js';
const NOBLE = '../backends/noble.js';
const ML_KEM = `../backends/${webClient.mlKem768Later ? 'web-platform' : 'fallbacks'}-ml-kem.js`;

const missing = (): Promise<never> => Promise.reject(new TypeError('Failed to fetch'));

const failure = { name: 'SecureSocketError', code: 'TRANSPORT_FAILED', cause: expect.any(Error) };

/** The library with nothing loaded yet, and a server for it. */
async function freshPage(
  onHandshakeError?: (error: unknown) => void,
): Promise<{ library: Library; open: () => Transport; serverKey: string }> {
  vi.resetModules();
  const library = await import('../src/browser.js');
  const { pem, fingerprint } = await key;
  const server = new library.SecureServer({
    identity: library.Identity.fromPem(pem),
    suites: ['X25519', 'X25519MLKEM768', 'X25519-CHACHA20'],
    clientAuth: 'optional',
    verifyClient: () => true,
    onHandshakeError,
  });
  closing.push(() => server.close({ timeout: 100 }));
  const open = (): Transport => {
    const { port1, port2 } = new MessageChannel();
    void server.attach(library.messagePort(port1)).catch(() => {});
    return library.messagePort(port2);
  };
  return { library, open, serverKey: fingerprint };
}

const key = identityFor('sealed').then((identity) => ({
  pem: identity.toPem(),
  fingerprint: identity.fingerprint,
}));

describe.each<[string, string, (library: Library) => Promise<ClientOptions>]>([
  ['ML-KEM', ML_KEM, async () => ({ suites: ['X25519MLKEM768'] })],
  ['ChaCha20-Poly1305', NOBLE, async () => ({ suites: ['X25519-CHACHA20'] })],
  [
    'signing',
    RSA,
    async ({ Identity }) => ({
      identity: await Identity.generate({ role: 'client', modulusLength: 2048 }),
    }),
  ],
])('where the code for %s cannot be had', (_, path, optionsOf) => {
  it('is TRANSPORT_FAILED, after which reconnecting() tries again', async () => {
    const { library, open, serverKey } = await freshPage();
    const options = { serverKey, ...(await optionsOf(library)) };
    const errors: unknown[] = [];
    const onError = (error: unknown): void => {
      vi.doUnmock(path);
      errors.push(error);
    };
    vi.doMock(path, missing);
    for await (const client of library.reconnecting(open, options, { initialDelay: 1, onError })) {
      client.destroy();
      break;
    }
    expect(errors).toEqual([expect.objectContaining(failure)]);
  });
});

it('a server in a page tells its log of code that cannot be had, and not of a client that fails', async () => {
  const codes: unknown[] = [];
  const { library, open, serverKey } = await freshPage((error) =>
    codes.push((error as { code?: string }).code),
  );
  vi.doMock(RSA, missing);
  await expect(library.connect(open(), { serverKey })).rejects.toMatchObject({ code: 'HANDSHAKE_FAILED' });
  await expect.poll(() => codes).toEqual(['TRANSPORT_FAILED']);
});

it('Identity.generate() rejects with TRANSPORT_FAILED, and works once its code can be had', async () => {
  const { library } = await freshPage();
  const options = { role: 'client', modulusLength: 2048 } as const;
  vi.doMock(RSA, missing);
  await expect(library.Identity.generate(options)).rejects.toMatchObject(failure);
  vi.doUnmock(RSA);
  expect((await library.Identity.generate(options)).role).toBe('client');
});
