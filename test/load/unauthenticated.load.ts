import type { Socket } from 'node:net';
import { type Backend, type ClientOptions, Identity, type ProtocolName, SecureClient } from 'secure-sockets';
import { node } from 'secure-sockets/backends/node';
import { afterEach, describe, expect, it } from 'vitest';
import { readDocument } from '../helpers/documents.js';
import { readTables } from '../helpers/markdown.js';
import { protocols } from '../helpers/sockets.js';
import { slack } from './bounds.js';
import { Cut, dial } from './cut.js';
import { type Address, ask, type Counters, startServer } from './programs.js';

const running: AsyncDisposable[] = [];
afterEach(async () => {
  for (const each of running.splice(0).reverse()) await each[Symbol.asyncDispose]();
});

const WARM = 100;
const COUNT = 800;

type Connect = (address: Address, protocol: ProtocolName) => Promise<Socket>;

/** A connection that sends these bytes and stays open. */
const sendBytes =
  (bytes: (protocol: ProtocolName) => Uint8Array): Connect =>
  async ({ port }, protocol) => {
    const socket = (await dial(port)).resume();
    const message = bytes(protocol);
    if (message.length > 0) socket.write(message);
    return socket;
  };

/** The header of the longest record that a handshake may have, and all of it but its end. */
const unfinished = Buffer.concat([Buffer.from([0, 16, 25]), Buffer.alloc(4120)]);

/** A client that goes through its handshake, with changed bytes; it does not complete it. */
function handshake(options: ClientOptions, cut: (bytes: Uint8Array, flight: number) => Uint8Array): Connect {
  return async ({ port, fingerprint }) => {
    let flight = 0;
    const transport = new Cut(await dial(port), (bytes) => cut(bytes, ++flight));
    const client = new SecureClient({ serverKey: fingerprint, handshakeTimeout: 120_000, ...options });
    client.connect(transport).catch((error: Error) => error);
    await expect.poll(() => flight, { interval: 1 }).toBeGreaterThan('suites' in options ? 0 : 1);
    return transport.socket;
  };
}

const hybrid: ClientOptions = { suites: ['X25519MLKEM768'] };

/** The first record of a flight, and then one that never ends. */
const firstRecord = (flight: Uint8Array): Uint8Array =>
  Buffer.concat([
    flight.subarray(0, 3 + 65536 * (flight[0] ?? 0) + 256 * (flight[1] ?? 0) + (flight[2] ?? 0)),
    unfinished,
  ]);

/** The rows of docs/limits.md: how each is produced, and the state of the server for it. */
const unauthenticatedClients: Record<
  ProtocolName,
  Record<string, { readonly connect: (identity: Identity) => Connect; readonly isPending?: boolean }>
> = {
  sealed: {
    'sends nothing': { connect: () => sendBytes(() => Buffer.alloc(0)) },
    'sends its hello and an unfinished record of the maximum length': {
      connect: () =>
        handshake(hybrid, (bytes, flight) =>
          flight === 1 ? Buffer.concat([bytes, unfinished]) : Buffer.alloc(0),
        ),
    },
    'sends a correct second record with an invalid ciphertext': {
      connect: () =>
        handshake({ backend: nonsense }, (bytes, flight) => (flight === 1 ? bytes : firstRecord(bytes))),
    },
    'completes its part of the handshake, with an identity': {
      connect: (identity) => handshake({ identity }, (bytes) => bytes),
    },
  },
  classic: {
    'sends nothing': { connect: () => sendBytes(() => Buffer.alloc(0)) },
    'sends a session key': { connect: () => sendBytes(() => Buffer.alloc(256, 1)), isPending: false },
  },
};

/** Sends ciphertexts that no key decrypts. */
const nonsense: Backend = {
  ...node,
  rsaPublicKey: (numbers) => ({
    ...node.rsaPublicKey(numbers),
    encryptOaep: () => node.randomBytes(numbers.n.length).fill(0, 0, 1),
  }),
};

interface Cost {
  readonly kibibytes: number;
  readonly operations: Record<string, number>;
}

/** The figures of docs/limits.md: by protocol and client, operations included. */
function readPublished(protocol: ProtocolName, name: string): Cost {
  const { rows } = readTables(readDocument('docs/limits.md').text).find(
    ({ header }) => header[0] === 'One connection of a client that',
  ) ?? { rows: [] };
  const row = rows.find(([client, of]) => client === name && of === protocol);
  if (row === undefined)
    throw new Error(`docs/limits.md has no row for a client of ${protocol} that ${name}`);
  const operations = (row[3] ?? '').split(', ').filter((part) => part !== 'none');
  return {
    kibibytes: Number.parseInt(row[2] ?? '', 10),
    operations: Object.fromEntries(
      operations.map((part) => [part.replace(/^\d+ /, ''), Number.parseInt(part, 10)]),
    ),
  };
}

const cases = protocols.flatMap((protocol) =>
  Object.keys(unauthenticatedClients[protocol]).map((name) => [protocol, name] as const),
);

describe('an unauthenticated client', () => {
  // defences: what is read before a handshake is done is bounded, and what is computed for it
  it.each(cases)('of %s that %s costs no more than docs/limits.md says', async (protocol, name) => {
    const client = unauthenticatedClients[protocol][name];
    if (client === undefined) throw new Error('no such client');
    const { program, address } = await startServer(protocol, {
      maxPendingHandshakes: 4 * COUNT,
      handshakeTimeout: 120_000,
      ...(protocol === 'sealed' ? { undecided: true, suites: ['X25519MLKEM768', 'X25519'] } : {}),
    });
    running.push(program);
    const connect = client.connect(await Identity.generate({ role: 'client', modulusLength: 2048 }));
    const crowd = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++) sockets.push(await connect(address, protocol));
    };
    const sockets: Socket[] = [];
    const total = (counters: Counters): number =>
      client.isPending === false ? counters.open : counters.pending;
    const { kibibytes, operations } = readPublished(protocol, name);
    const settle = async (count: number): Promise<Counters> => {
      await expect
        .poll(
          async () => {
            const counters = await ask(program);
            return [total(counters), counters.operations];
          },
          { timeout: 30_000 },
        )
        .toEqual([count, multiply(operations, count)]);
      return ask(program);
    };
    await crowd(WARM);
    const before = await settle(WARM);
    await crowd(COUNT);
    const after = await settle(WARM + COUNT);
    const each = (after.rss - before.rss) / COUNT / 1024;
    process.stdout.write(`${protocol}, a client that ${name}: ${each.toFixed(1)} KiB\n`);
    expect(each).toBeLessThanOrEqual(slack * kibibytes);
    for (const socket of sockets) socket.destroy();
  });
});

function multiply(operations: Record<string, number>, count: number): Record<string, number> {
  return Object.fromEntries(Object.entries(operations).map(([name, times]) => [name, times * count]));
}
