// What the application hands in may throw, reject, return nonsense or never settle: that is the end of one connection at
// most, and never of the process or of another connection. Importing this file checks that after each test.

import type { SecureServer, ServerOptions } from 'secure-sockets';
import { afterEach, beforeEach, expect } from 'vitest';
import { clientOf, pause, startListening } from '../helpers/sockets.js';

/** What a test has opened: closed after it. */
export const open: (() => unknown)[] = [];
const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown): void => void unhandled.push(reason);

beforeEach(() => {
  unhandled.length = 0;
  process.on('unhandledRejection', onUnhandled).on('uncaughtException', onUnhandled);
});

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
  await pause(20);
  process.off('unhandledRejection', onUnhandled).off('uncaughtException', onUnhandled);
  expect(unhandled).toEqual([]);
});

export function fails(): never {
  throw new Error('mine');
}

/** What a function may do instead of what it should. */
export const misdeeds: [string, () => unknown][] = [
  [
    'throws',
    () => {
      throw new Error('mine');
    },
  ],
  [
    'throws nothing',
    () => {
      throw undefined;
    },
  ],
  [
    'throws what cannot be shown',
    () => {
      throw Object.create(null);
    },
  ],
  ['rejects', () => Promise.reject(new Error('mine'))],
  ['returns nonsense', () => ({ nonsense: 5 })],
  ['returns what throws when awaited', () => Object.defineProperty({}, 'then', { get: fails })],
  ['never settles', () => new Promise(() => {})],
  [
    'throws a symbol',
    () => {
      throw Symbol('mine');
    },
  ],
  ['rejects with nothing', () => Promise.reject()],
  ['returns a symbol', () => Symbol('mine')],
  ['returns a thenable that never settles', () => Object.defineProperty({}, 'then', { value: () => {} })],
  ['returns a thenable that throws', () => Object.defineProperty({}, 'then', { value: fails })],
  [
    'returns what throws whatever is asked of it',
    () => new Proxy({}, { get: fails, has: fails, getPrototypeOf: fails }),
  ],
  ['returns a function', () => fails],
];

export async function serverWith(options: ServerOptions): Promise<SecureServer> {
  const server = await startListening('sealed', options);
  open.push(() => server.close({ timeout: 100 }));
  return server;
}

/** A connection to a server works. */
export async function works(server: SecureServer): Promise<void> {
  const client = clientOf(server);
  await client.connect(server.address);
  let peer = await server.accept();
  while (peer.remotePort !== client.localPort) peer = await server.accept();
  await client.send(Uint8Array.of(7));
  expect(await peer.recv()).toEqual(Uint8Array.of(7));
  client.destroy();
}
