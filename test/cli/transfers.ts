import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ClientOptions, Identity, SecureClient } from 'secure-sockets';
import { afterEach, beforeAll, beforeEach } from 'vitest';
import { portOf, type Running, requireBuild, start } from './command.js';

/** A folder for each test, with `key.pem`, two clients' keys, and an empty folder `box`; and what is to be undone. */
export interface Box {
  readonly folder: string;
  readonly identity: Identity;
  readonly clients: readonly [Identity, Identity];
  readonly undo: (() => unknown)[];
}

const place = { folder: '', undo: [] as (() => unknown)[] } as {
  folder: string;
  identity: Identity;
  clients: [Identity, Identity];
  undo: (() => unknown)[];
};

/** Makes the folder for each test of a file. */
export function useBox(): Box {
  beforeAll(async () => {
    await requireBuild();
    const generate = (role: 'server' | 'client'): Promise<Identity> =>
      Identity.generate({ role, modulusLength: 2048 });
    place.identity = await generate('server');
    place.clients = [await generate('client'), await generate('client')];
  });
  beforeEach(async () => {
    place.folder = mkdtempSync(join(tmpdir(), 'secure-sockets-files-'));
    mkdirSync(join(place.folder, 'box'));
    await place.identity.save(join(place.folder, 'key.pem'));
    await place.clients[0].save(join(place.folder, 'one.pem'));
    await place.clients[1].save(join(place.folder, 'two.pem'));
    writeFileSync(
      join(place.folder, 'keys'),
      place.clients.map(({ fingerprint }) => `${fingerprint}\n`).join(''),
    );
    place.undo.push(() => rmSync(place.folder, { recursive: true, force: true }));
  });
  afterEach(async () => {
    for (const step of place.undo.splice(0).reverse()) await step();
  });
  return place;
}

/** Starts a receiver, which puts files into `box`. */
export function receive(...args: string[]): Running {
  const running = start(place.folder, [
    'receive',
    ...args,
    '--identity',
    'key.pem',
    '-o',
    'box',
    '127.0.0.1:0',
  ]);
  place.undo.push(() => running.stop('SIGKILL'));
  return running;
}

/** Connects to a receiver, to speak with it by hand. */
export async function sender(receiver: Running, options: ClientOptions = {}): Promise<SecureClient> {
  const client = new SecureClient({
    serverKey: place.identity.fingerprint,
    allowHalfOpen: true,
    ...options,
  } as ClientOptions);
  await client.connect({ host: '127.0.0.1', port: await portOf(receiver) });
  place.undo.push(() => client.destroy());
  return client;
}

/** A message of the two. */
export function message(letter: string, body: string | Uint8Array = ''): Uint8Array {
  return Buffer.concat([Buffer.from(letter), Buffer.from(body)]);
}

/** What kind of message was received. */
export function letter(received: Uint8Array | null): string {
  return String.fromCharCode(received?.[0] ?? 0);
}
