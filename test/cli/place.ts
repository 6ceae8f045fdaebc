import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createConnection, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { Identity } from 'secure-sockets';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { portOf, type Running, requireBuild, start } from './command.js';

/** A folder with keys, and what a test has begun and is to be undone. */
export interface Place {
  readonly folder: string;
  readonly serverKey: string;
  readonly undo: (() => unknown)[];
}

const place = { folder: '', serverKey: '', undo: [] as (() => unknown)[] };

/**
 * Makes a place for the tests of a file: `server.pem`, `client.pem`, `unauthorized.pem`, and `keys` with the client in it.
 * What is pushed to `undo` is done after each test, the last first.
 */
export function usePlace(): Place {
  beforeAll(async () => {
    await requireBuild();
    place.folder = mkdtempSync(join(tmpdir(), 'secure-sockets-cli-'));
    const server = await Identity.generate({ modulusLength: 2048 });
    const client = await Identity.generate({ role: 'client', modulusLength: 2048 });
    const unauthorized = await Identity.generate({ role: 'client', modulusLength: 2048 });
    await server.save(join(place.folder, 'server.pem'));
    await client.save(join(place.folder, 'client.pem'));
    await unauthorized.save(join(place.folder, 'unauthorized.pem'));
    writeFileSync(join(place.folder, 'keys'), `${client.fingerprint} client\n`);
    place.serverKey = server.fingerprint;
  });
  afterEach(async () => {
    for (const step of place.undo.splice(0).reverse()) await step();
  });
  afterAll(() => rmSync(place.folder, { recursive: true, force: true }));
  return place;
}

/** A tunnel of two processes. */
export interface Tunnel {
  /** Where the client accepts plain connections. */
  readonly port: number;
  readonly serverPort: number;
  readonly client: Running;
  readonly server: Running;
}

/** Starts both ends of a tunnel to a target. */
export async function tunnelTo(
  target: Server | string,
  options: { client?: string[]; server?: string[]; pin?: string } = {},
): Promise<Tunnel> {
  const server = await tunnelServer(target, 0, options.server);
  const serverPort = await portOf(server);
  const identity = ['--identity', 'client.pem', ...(options.client ?? [])];
  const { running: client, port } = await tunnelClient(serverPort, identity, options.pin);
  return { port, serverPort, client, server };
}

/** Starts the server's end. */
export async function tunnelServer(
  target: Server | string,
  port = 0,
  more: readonly string[] = [],
  keys: readonly string[] = ['--identity', 'server.pem', '--authorized-keys', 'keys'],
): Promise<Running> {
  const to = typeof target === 'string' ? target : addressOf(target);
  const running = begin('tunnel', 'server', '-v', ...keys, ...more, `127.0.0.1:${port}`, to);
  await portOf(running);
  return running;
}

/** Starts the client's end. */
export async function tunnelClient(
  serverPort: number,
  args: readonly string[] = ['--identity', 'client.pem'],
  pin: string = place.serverKey,
): Promise<{ running: Running; port: number }> {
  const to = ['127.0.0.1:0', `127.0.0.1:${serverPort}`];
  const running = begin('tunnel', 'client', '-v', '--server-key', pin, ...args, ...to);
  return { running, port: await portOf(running) };
}

/** Starts the command, perhaps with more in its environment. */
export function begin(
  first: string | { env: NodeJS.ProcessEnv; stdout?: number },
  ...args: string[]
): Running {
  const running =
    typeof first === 'string'
      ? start(place.folder, [first, ...args])
      : start(place.folder, args, first.env, first.stdout);
  running.child.stdin?.on('error', () => {});
  place.undo.push(() => running.stop('SIGKILL'));
  return running;
}

/** A plain server. */
export async function plainServer(
  serve: (socket: Socket) => void,
  host = '127.0.0.1',
  port = 0,
): Promise<Server> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    serve(socket);
  });
  server.listen(port, host);
  await once(server, 'listening');
  place.undo.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return server;
}

/** A plain connection. */
export function plainClient(port: number): Socket {
  const socket = createConnection({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => {});
  place.undo.push(() => socket.destroy());
  return socket;
}

/** What comes back for a word, until the end. */
export async function echo(port: number, word: string): Promise<string> {
  const socket = plainClient(port);
  socket.end(word);
  return text(socket);
}

/** Where a server listens. */
export function addressOf(server: Server): string {
  const { address, port } = server.address() as AddressInfo;
  return `${address}:${port}`;
}

/** Writes, and waits for room, at most so long; whether there is room. */
export async function writeWithin(socket: Socket, piece: Uint8Array, milliseconds: number): Promise<boolean> {
  if (socket.write(piece)) return true;
  const drained = once(socket, 'drain').then(
    () => true,
    () => false,
  );
  return Promise.race([drained, sleep(milliseconds, false)]);
}
