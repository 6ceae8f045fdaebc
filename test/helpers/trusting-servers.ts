// Sealed servers and clients with identities, closed after each test.

import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ClientOptions,
  Identity,
  SecureClient,
  type SecureServer,
  type SecureSocketError,
  type ServerOptions,
} from 'secure-sockets';
import { afterEach, beforeAll } from 'vitest';
import { portOf, startListening } from './sockets.js';

export let ann: Identity;
export let bob: Identity;
export let other: Identity;

beforeAll(async () => {
  ann = await Identity.generate({ role: 'client', modulusLength: 2048 });
  bob = await Identity.generate({ role: 'client', modulusLength: 2048 });
  other = await Identity.generate({ modulusLength: 2048 });
});

export const open: AsyncDisposable[] = [];

afterEach(async () => {
  for (const resource of open.splice(0)) await resource[Symbol.asyncDispose]();
});

export function folder(): string {
  return mkdtempSync(join(tmpdir(), 'secure-sockets-'));
}

/** A sealed server and what it reported. */
export async function server(
  options: ServerOptions = {},
): Promise<{ server: SecureServer; errors: SecureSocketError[] }> {
  const errors: SecureSocketError[] = [];
  const made = await startListening('sealed', {
    onHandshakeError: (error) => errors.push(error as SecureSocketError),
    ...options,
  });
  open.push({ [Symbol.asyncDispose]: () => made.close({ timeout: 50 }) });
  return { server: made, errors };
}

export async function connect(to: SecureServer, options: ClientOptions): Promise<SecureClient> {
  const client = new SecureClient({ closeTimeout: 200, ...options });
  await client.connect({ port: portOf(to), host: '127.0.0.1' });
  open.push({ [Symbol.asyncDispose]: async () => client.destroy() });
  return client;
}
