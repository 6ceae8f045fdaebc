import { forge } from '../../backends/forge.js';
import { noble } from '../../backends/noble.js';
import { node } from '../../backends/node.js';
import { sodium } from '../../backends/sodium.js';
import { web } from '../../backends/web.js';
import type { Backend, RsaPrivateKey } from '../../src/backend.js';
import { encodeSpki } from '../../src/core/encodings/der.js';
import type { Task } from '../../src/core/script.js';
import { type SealedClientOptions, sealedClient } from '../../src/core/sealed/client.js';
import { type SealedServerOptions, sealedServer } from '../../src/core/sealed/server.js';
import { Recorder } from './recorder.js';
import { testKey } from './sealed-vectors.js';

export const backends: readonly Backend[] = [node, sodium, web, forge, noble];

export const MAX_MESSAGE: number = 2 ** 24;
export const MAX_RECORD: number = 2 ** 20 + 4096;

type TestKeyName = Parameters<typeof testKey>[0];

const keys = new Map<string, RsaPrivateKey>();

/** A test key in a backend, imported once. */
export function privateKey(backend: Backend, name: TestKeyName): RsaPrivateKey {
  const place = `${backend.name} ${name}`;
  const key = keys.get(place) ?? backend.rsaPrivateKey(testKey(name));
  keys.set(place, key);
  return key;
}

export function spkiOf(name: TestKeyName): Uint8Array {
  return encodeSpki(testKey(name));
}

/** What a client shows to be known by. */
export function identity(
  backend: Backend,
  name: TestKeyName = 'client2048',
): SealedClientOptions['identity'] {
  return { spki: spkiOf(name), key: privateKey(backend, name) };
}

/** A client that trusts every server, over X25519 by default. */
export function clientEnd(
  options: Partial<SealedClientOptions> = {},
  Kind: typeof Recorder = Recorder,
): Recorder {
  return new Kind(
    sealedClient({
      ...{ backend: node, suites: ['X25519'], maxMessage: MAX_MESSAGE, maxRecord: MAX_RECORD },
      ...{ decide: () => true, ...options },
    }),
  );
}

/** A server with the 2048-bit key that admits every client, over X25519 by default. */
export function serverEnd(
  options: Partial<SealedServerOptions> = {},
  Kind: typeof Recorder = Recorder,
): Recorder {
  const backend = options.backend ?? node;
  return new Kind(
    sealedServer({
      ...{ backend, suites: ['X25519'], maxMessage: MAX_MESSAGE, maxRecord: MAX_RECORD },
      ...{ clientAuth: 'optional', authorize: () => true },
      ...{ spki: spkiOf('server2048'), key: privateKey(backend, 'server2048'), ...options },
    }),
  );
}

/** How bytes reach the other end. */
export type Cutting = (bytes: Uint8Array) => Iterable<Uint8Array>;

export const whole: Cutting = (bytes) => [bytes];
export const byteByByte: Cutting = (bytes) => Array.from(bytes, (byte) => Uint8Array.of(byte));

/** Performs pending tasks, whatever their outcome, until none is left. */
export async function settle(
  { tasks, session }: Recorder,
  note: (task: Task) => void = () => {},
): Promise<void> {
  for (let next = tasks.shift(); next !== undefined; next = tasks.shift()) {
    note(next);
    const [outcome] = await Promise.allSettled([(async () => next.run())()]);
    if (outcome.status === 'fulfilled') session.resume(outcome.value);
    else session.reject(outcome.reason);
  }
}

/** Carries bytes to and fro and performs tasks until both ends are quiet. */
export async function converse(client: Recorder, server: Recorder, cutting: Cutting = whole): Promise<void> {
  await Promise.all([settle(client), settle(server)]);
  for (;;) {
    const [toServer, toClient] = [client.takeWritten(), server.takeWritten()];
    if (toServer.length + toClient.length === 0) return;
    for (const piece of cutting(toServer)) server.session.receive(piece);
    for (const piece of cutting(toClient)) client.session.receive(piece);
    await Promise.all([settle(client), settle(server)]);
  }
}

/** Two ends that have shaken hands. */
export async function openPair(
  clientOptions: Partial<SealedClientOptions> = {},
  serverOptions: Partial<SealedServerOptions> = {},
  cutting: Cutting = whole,
): Promise<{ client: Recorder; server: Recorder }> {
  const [client, server] = [clientEnd(clientOptions), serverEnd(serverOptions)];
  client.session.start();
  server.session.start();
  await converse(client, server, cutting);
  return { client, server };
}
