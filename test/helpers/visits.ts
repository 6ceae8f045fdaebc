// Connections that resume, each tried out in full.

import {
  type ClientOptions,
  Identity,
  type SecureClient,
  type SecureServer,
  type ServerOptions,
} from 'secure-sockets';
import { beforeAll, expect } from 'vitest';
import { keep } from './kept.js';
import { clientOf, portOf, startListening } from './sockets.js';

export let identity: Identity;
export let other: Identity;

beforeAll(async () => {
  identity = await Identity.generate({ role: 'client', modulusLength: 2048 });
  other = await Identity.generate({ role: 'client', modulusLength: 2048 });
});

export const local = (server: SecureServer): { port: number; host: string } => ({
  port: portOf(server),
  host: '127.0.0.1',
});

/** Connects, has both ends send and receive a message, and closes. */
export async function visit(
  server: SecureServer,
  options: ClientOptions,
  to: { port: number; host: string } = local(server),
): Promise<{ client: SecureClient; peer: SecureClient }> {
  const client = clientOf(server, options);
  const accepted = server.accept();
  accepted.catch(() => {});
  await client.connect(to);
  const peer = await accepted;
  await client.send(Buffer.from('there'));
  await peer.send(Buffer.from('back'));
  expect(String(Buffer.from((await peer.recv()) as Uint8Array))).toBe('there');
  expect(String(Buffer.from((await client.recv()) as Uint8Array))).toBe('back');
  const context = Buffer.from('context');
  expect(client.exportKey('label', context, 40)).toEqual(peer.exportKey('label', context, 40));
  client.rekey();
  peer.rekey();
  await client.send(Buffer.from('again'));
  await peer.send(Buffer.from('again'));
  expect((await client.recv())?.length).toBe(5);
  expect((await peer.recv())?.length).toBe(5);
  await Promise.all([client.close(), peer.close()]);
  expect([client.closeCode, peer.closeCode]).toEqual([0, 0]);
  expect(peer.resumed).toBe(client.resumed);
  return { client, peer };
}

const resumptionsOf = async (...visits: Promise<{ client: SecureClient }>[]): Promise<boolean[]> =>
  (await Promise.all(visits)).map(({ client }) => client.resumed);

/** Visits one after the other, and which of them were resumed. */
export async function visits(server: SecureServer, ...options: ClientOptions[]): Promise<boolean[]> {
  const seen: boolean[] = [];
  for (const each of options) seen.push(...(await resumptionsOf(visit(server, each))));
  return seen;
}

export const serve = async (options: ServerOptions = {}): Promise<SecureServer> =>
  keep(await startListening('sealed', options));
