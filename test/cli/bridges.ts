import { Identity, SecureClient, SecureServer, type ServerOptions } from 'secure-sockets';
import { portOf, type Running } from './command.js';
import { begin, type Place } from './place.js';

/** The flags of a server with its key and the clients that it lets in. */
export const KEYS = ['--identity', 'server.pem', '--authorized-keys', 'keys'];

/** Starts `bridge inward` before a classic server of this machine. */
export function inward(port: number | undefined, ...flags: string[]): Running {
  const weak = ['--min-modulus-bits', '512'];
  return begin('bridge', 'inward', '-v', ...KEYS, ...weak, ...flags, '127.0.0.1:0', `127.0.0.1:${port}`);
}

/** Starts `bridge outward` to a sealed server of this machine. */
export function outward(place: Place, port: number, ...flags: string[]): Running {
  const trust = ['--identity', 'client.pem', '--server-key', place.serverKey];
  return begin('bridge', 'outward', '-v', ...trust, ...flags, '127.0.0.1:0', `127.0.0.1:${port}`);
}

/** A sealed client with the key that is let in. */
export async function connectSealed(place: Place, running: Running): Promise<SecureClient> {
  const identity = await Identity.load(`${place.folder}/client.pem`, { role: 'client' });
  const client = new SecureClient({ serverKey: place.serverKey, identity, allowHalfOpen: true });
  await client.connect({ host: '127.0.0.1', port: await portOf(running) });
  place.undo.push(() => client.destroy());
  return client;
}

/** A sealed server with the key that is pinned. */
export async function startSealedServer(
  place: Place,
  serve: (client: SecureClient) => Promise<void>,
  more: ServerOptions = {},
): Promise<SecureServer> {
  const server = new SecureServer({
    identity: await Identity.load(`${place.folder}/server.pem`),
    ...more,
  } as ServerOptions);
  await server.listen({ host: '127.0.0.1', port: 0 });
  place.undo.push(() => server.close({ timeout: 100 }));
  void (async () => {
    for await (const client of server) serve(client).catch(() => client.destroy());
  })();
  return server;
}
