/** The peer of sealed in examples/python, driven by test/interop/sealed_peer.py. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ClientOptions,
  Identity,
  SecureClient,
  type SecureServer,
  type ServerOptions,
} from 'secure-sockets';
import { afterAll, beforeAll, expect } from 'vitest';
import { type PythonPeer, startPython } from './python.js';
import { identityFor, portOf } from './sockets.js';

/** The suites that it has, and their numbers. */
export const suites = ['X25519', 'X25519-CHACHA20'] as const;
export const numbers = { X25519: 0x0101, 'X25519-CHACHA20': 0x0103 } as const;
export const sizes: readonly number[] = [0, 1, 100, 16_384, 65_536, 131_073, 2 ** 20, 2 ** 21 + 1];

/** What became of a connection at the Python end. */
export interface Told {
  readonly code?: string;
  readonly text?: string;
  readonly suite?: number;
  readonly peer?: string | null;
  readonly exportHex?: string;
  readonly close_code?: number | null;
  readonly count?: number;
  readonly right?: number;
  readonly rest?: number;
}

/** What a Python server says first. */
export interface Ready {
  readonly port: number;
  readonly fingerprint: string;
}

type Name = 'server' | 'client' | 'other';

/** The identities of a test file; `client` and `other` are those of clients. */
export let identities: Record<Name, Identity>;

const folder = mkdtempSync(join(tmpdir(), 'secure-sockets-python-'));

/** Where the key of an identity is. */
export const keyFile = (name: Name): string => join(folder, `${name}.pem`);

/** Makes the identities before the tests of a file, and removes their files afterwards. */
export function useIdentities(): void {
  beforeAll(async () => {
    const [client, other] = await Promise.all(
      [3072, 2048].map((modulusLength) => Identity.generate({ role: 'client', modulusLength })),
    );
    identities = {
      server: await identityFor('sealed'),
      client: client as Identity,
      other: other as Identity,
    };
    for (const name of ['server', 'client', 'other'] as const) await identities[name].save(keyFile(name));
  }, 60_000);
  afterAll(() => rmSync(folder, { recursive: true }));
}

/** A Python client that has run to its end. */
export async function pythonClient(server: SecureServer | number, config: object = {}): Promise<Told> {
  const port = typeof server === 'number' ? server : portOf(server);
  const pin = identities.server.fingerprint;
  const peer = await python<Told>({ role: 'client', port, pin, sizes, ...config });
  expect(await peer.stop()).toMatchObject({ code: 0, stderr: '' });
  return peer.ready;
}

/** A Python server that listens. */
export function pythonServer(config: object = {}): Promise<PythonPeer<Ready>> {
  return python<Ready>({ role: 'server', key: keyFile('server'), sizes, ...config });
}

function python<T>(config: object): Promise<PythonPeer<T>> {
  return startPython<T>('sealed_peer.py', JSON.stringify(config));
}

/** Ends a server that has served what it was to serve. */
export async function expectEnd(peer: PythonPeer<unknown>): Promise<void> {
  expect(await peer.stop()).toMatchObject({ code: 0, stderr: '' });
}

/** A client of ours, connected to a Python server. */
export async function connectTo(
  { ready }: PythonPeer<Ready>,
  options: ClientOptions = {},
): Promise<SecureClient> {
  expect(ready.fingerprint).toBe(identities.server.fingerprint);
  const client = new SecureClient({ serverKey: ready.fingerprint, ...options });
  await client.connect({ host: '127.0.0.1', port: ready.port });
  return client;
}

/** Options of a server that lets in these clients only. */
export function admitOnly(fingerprints: string[]): ServerOptions {
  return { verifyClient: (_, fingerprint) => fingerprints.includes(fingerprint), clientAuth: 'required' };
}

/** What both ends export. */
export const exportHex = (client: SecureClient): string =>
  Buffer.from(client.exportKey('test', Buffer.from('of both'), 40)).toString('hex');

/** The content of a message of that size. */
export function content(name: string, size: number): Uint8Array {
  return createHash('shake128', { outputLength: size }).update(`${name} ${size}`).digest();
}

export function expectContent(message: Uint8Array | null, name: string, size: number): void {
  expect(message?.length).toBe(size);
  expect(Buffer.compare(content(name, size), message as Uint8Array), `content of ${size} bytes`).toBe(0);
}

/** Sends every size while as many arrive, then takes the end. */
export async function exchange(client: SecureClient): Promise<void> {
  const sent = Promise.all(sizes.map((size) => client.send(content('ours', size))));
  for (const size of sizes) expectContent(await client.recv(), 'python', size);
  await sent;
  expect(await client.recv()).toBeNull();
}
