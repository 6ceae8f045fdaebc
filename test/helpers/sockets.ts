import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import {
  type ClientOptions,
  Identity,
  type ProtocolName,
  SecureClient,
  SecureServer,
  type ServerOptions,
} from 'secure-sockets';

/** Both protocols, for `describe.each`. */
export const protocols: readonly ProtocolName[] = ['sealed', 'classic'];

const identities = new Map<ProtocolName, Promise<Identity>>();

/** One server identity a protocol and test file: making keys is slow. */
export function identityFor(protocol: ProtocolName): Promise<Identity> {
  let identity = identities.get(protocol);
  if (identity === undefined) {
    identity = Identity.generate({
      role: protocol === 'classic' ? 'classic-server' : 'server',
      modulusLength: 2048,
    });
    identities.set(protocol, identity);
  }
  return identity;
}

/** A server that listens on a free port of 127.0.0.1. */
export async function startListening(
  protocol: ProtocolName,
  options: ServerOptions = {},
): Promise<SecureServer> {
  const server = new SecureServer({
    protocol,
    identity: await identityFor(protocol),
    closeTimeout: 1000,
    ...options,
  });
  await server.bind({ port: 0, host: '127.0.0.1' });
  await server.listen();
  return server;
}

/** The port of a server that listens on TCP. */
export function portOf(server: SecureServer): number {
  const { address } = server;
  if ('path' in address) throw new Error('not a TCP server');
  return address.port;
}

/** A client that trusts the server, not yet connected. */
export function clientOf(server: SecureServer, options: ClientOptions = {}): SecureClient {
  const protocol = options.protocol ?? 'sealed';
  const settle = protocol === 'classic' ? { settleMs: 0 } : {};
  return new SecureClient({ serverKey: server.fingerprint, closeTimeout: 1000, ...settle, ...options });
}

/** Both ends of an open connection. */
export interface Pair extends AsyncDisposable {
  readonly server: SecureServer;
  readonly client: SecureClient;
  readonly peer: SecureClient;
}

/** A server, a client connected to it, and the server's end of that connection. */
export async function pair(
  protocol: ProtocolName,
  options: { server?: ServerOptions; client?: ClientOptions } = {},
): Promise<Pair> {
  const server = await startListening(protocol, options.server);
  const client = clientOf(server, { protocol, ...options.client });
  const accepted = server.accept();
  await client.connect({ port: portOf(server), host: '127.0.0.1' });
  const peer = await accepted;
  return {
    server,
    client,
    peer,
    [Symbol.asyncDispose]: async () => {
      client.destroy();
      await server.close({ timeout: 100 });
    },
  };
}

/** A plain TCP connection to a server, for peers that misbehave. */
export async function rawConnection(server: SecureServer): Promise<Socket> {
  const socket = createConnection({ port: portOf(server), host: '127.0.0.1' });
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** The error a promise rejects with; fails if it does not. */
export async function rejection(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error('it was expected to reject');
}

/** Waits so many milliseconds. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
