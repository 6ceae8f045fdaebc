import { Server } from 'node:net';
import { type Backend, Identity, SecureServer } from 'secure-sockets';
import { forge } from 'secure-sockets/backends/forge';
import { node } from 'secure-sockets/backends/node';
import { describe, expect, it, vi } from 'vitest';
import { ReceiveQueue } from '../src/connection/receive-queue.js';
import { BATCH_OVERHEAD, MESSAGE_OVERHEAD } from '../src/core/inbox.js';
import { read, type Script } from '../src/core/script.js';
import { MESSAGE_HEADER } from '../src/core/sealed/messages.js';
import { RECEIVE_LIMITS } from '../src/core/sealed/open.js';
import { HANDSHAKE_RECORD_LIMIT, RECORD_OVERHEAD } from '../src/core/sealed/records.js';
import { SEND_LIMITS } from '../src/core/sealed/sender.js';
import { privateKeyConcurrency } from '../src/options/server-scripts.js';
import { readServerOptions } from '../src/options/server-settings.js';
import { readDocument } from './helpers/documents.js';
import { readTables } from './helpers/markdown.js';
import { Recorder } from './helpers/recorder.js';
import { makeAsker, opening } from './helpers/session-scripts.js';
import { clientOf, identityFor, portOf, rawConnection, startListening } from './helpers/sockets.js';

const { text } = readDocument('docs/limits.md');
const open = { type: 'open', result: opening } as const;

/** The first two columns of the tables of limits. */
const documented = new Map(
  readTables(text)
    .filter(({ header }) => header[0] === 'Limit')
    .flatMap(({ rows }) =>
      rows.map(([limit = '', value = '']) => [limit.replaceAll('`', ''), Number(value)]),
    ),
);

const defaults: Record<string, unknown> = { ...readServerOptions({}, node) };

/** Numbers among the options that bound nothing. */
const noLimits = ['modulusLength', 'keyLength'];

describe('docs/limits.md', () => {
  it('has every option that is a limit, with its default', () => {
    const limits = Object.entries(defaults).filter(
      ([name, value]) => typeof value === 'number' && !noLimits.includes(name),
    );
    expect(limits.length).toBeGreaterThan(12);
    for (const [name, value] of limits) expect(documented.get(name), name).toBe(value);
  });

  it('has the fixed limits as they are', () => {
    const { maxMessage, maxRecord } = readServerOptions({}, node);
    expect(documented.get('unread messages')).toBe(maxMessage + maxRecord);
    const overhead = `each message counts ${MESSAGE_OVERHEAD} bytes more than its length and each record ${BATCH_OVERHEAD} more`;
    expect(text).toContain(overhead);
    expect(documented.get('length of a handshake message')).toBe(
      HANDSHAKE_RECORD_LIMIT - RECORD_OVERHEAD - MESSAGE_HEADER,
    );
    const concurrency = [
      readServerOptions({}, node),
      readServerOptions({}, forge),
      readServerOptions({ protocol: 'classic' }, node),
    ].map(privateKeyConcurrency);
    expect(concurrency).toEqual([documented.get('private operations at a time'), 1, 1]);
    expect(documented.get('records under one key, received')).toBe(RECEIVE_LIMITS.records);
    expect(RECEIVE_LIMITS.bytes).toBe(2 ** 38);
    expect(SEND_LIMITS).toEqual({ records: 2 ** 20, bytes: 2 ** 36 });
    expect(text).toContain(`${readServerOptions({}, forge).maxRecord} on the JavaScript backends`);
  });
});

describe('limits of a turn are as docs/limits.md says', () => {
  it('for messages given at once', async () => {
    const limit = documented.get('messages given at once') as number;
    const queue = new ReceiveQueue(2 ** 30, () => {});
    let left = 2 * limit;
    queue.push({
      ...{ count: left, bytes: left, held: left },
      next: () => (left-- > 0 ? Uint8Array.of(1) : undefined),
    });
    let given = 0;
    let isLater = false;
    setImmediate(() => {
      isLater = true;
    });
    while (!isLater) {
      await queue.recv();
      given++;
    }
    // the one that waited for the next turn is among them
    expect(given).toBe(limit + 1);
  });

  it('for requests of a protocol', () => {
    let answered = 0;
    function* askForever(): Script {
      for (;;) {
        yield* read(1);
        answered++;
      }
    }
    const recorder = new Recorder(askForever());
    recorder.session.start();
    recorder.session.receive(new Uint8Array(10_000));
    expect(recorder.session.turnIsOver).toBe(true);
    expect(answered).toBe(documented.get('requests of a protocol answered at once'));
    recorder.session.work();
    expect(answered).toBe(2 * (documented.get('requests of a protocol answered at once') as number));
  });

  it('for messages of a protocol', () => {
    const limit = documented.get('messages decrypted at once') as number;
    let given = 0;
    function* giveForever(): Script {
      for (;;) {
        yield* read(1);
        given += limit / 4;
        const batch = { count: limit / 4, bytes: 0, held: 0, next: () => undefined };
        yield { type: 'received', batch, held: 0 };
      }
    }
    const recorder = new Recorder(giveForever());
    recorder.session.start();
    recorder.session.receive(new Uint8Array(100));
    expect([given, recorder.session.turnIsOver]).toEqual([limit, true]);
  });

  it('for bytes that wait while the platform decrypts', () => {
    const limit = documented.get('bytes read while the platform decrypts a record') as number;
    const { end } = makeAsker(open, { type: 'task', run: () => undefined, kind: 'record' }, 1);
    // one piece of memory, in which nothing is read here; each counts 128 bytes more
    const piece = new Uint8Array(limit / 8);
    for (let i = 0; i < 7; i++) end.session.receive(piece, true);
    end.session.receive(piece.subarray(8 * 128), true);
    expect([end.session.held, end.session.isBlocked]).toEqual([limit, false]);
    end.session.receive(piece.subarray(0, 1), true);
    expect(end.session.isBlocked).toBe(true);
  });

  it('and the backlog', async () => {
    const server = new SecureServer({ protocol: 'classic', identity: await identityFor('classic') });
    const listens = vi.spyOn(Server.prototype, 'listen');
    await server.listen({ port: 0, host: '127.0.0.1' });
    expect(listens.mock.calls[0]?.[0]).toMatchObject({ backlog: documented.get('backlog') });
    listens.mockRestore();
    await server.close();
  });
});

/** Counts what a server computes with keys. */
function countOperations(): { backend: Backend; counts: Record<string, number> } {
  const counts: Record<string, number> = {};
  const count = (name: string): void => {
    counts[name] = (counts[name] ?? 0) + 1;
  };
  const later = node.mlKem768Later;
  const backend: Backend = {
    ...node,
    x25519: () => {
      count('X25519 keys');
      const pair = node.x25519();
      return {
        publicKey: pair.publicKey,
        agree: (peer) => {
          count('X25519 agreements');
          return pair.agree(peer);
        },
      };
    },
    ...(later && {
      mlKem768Later: {
        keyPair: () => later.keyPair(),
        encapsulate: (key) => {
          count('encapsulations');
          return later.encapsulate(key);
        },
      },
    }),
    mlKem768: async () => {
      const kem = await node.mlKem768();
      return {
        keyPair: () => kem.keyPair(),
        encapsulate: (key) => {
          count('encapsulations');
          return kem.encapsulate(key);
        },
      };
    },
    rsaPublicKey: (numbers) => {
      const key = node.rsaPublicKey(numbers);
      return {
        ...key,
        verifyPss: (message, signature) => {
          count('verifications');
          return key.verifyPss(message, signature);
        },
      };
    },
    rsaPrivateKey: (numbers) => {
      const key = node.rsaPrivateKey(numbers);
      const countPrivate = <Arguments extends unknown[], Result>(
        operation: (...args: Arguments) => Result,
      ): ((...args: Arguments) => Result) => {
        return (...args) => {
          count('private operations');
          return operation(...args);
        };
      };
      return {
        modulusLength: key.modulusLength,
        decryptRaw: countPrivate((ciphertext) => key.decryptRaw(ciphertext)),
        decryptOaep: countPrivate((ciphertext, label) => key.decryptOaep(ciphertext, label)),
        signPss: countPrivate((message) => key.signPss(message)),
      };
    },
  };
  return { backend, counts };
}

describe('one unauthenticated client costs a server at most', () => {
  it('in sealed, whatever is asked of a client: one operation of each kind', async () => {
    const { backend, counts } = countOperations();
    const suites = ['X25519MLKEM768', 'X25519'] as const;
    const server = await startListening('sealed', { backend, suites, verifyClient: () => false });
    const identity = await Identity.generate({ role: 'client', modulusLength: 2048 });
    const client = clientOf(server, { identity, suites });
    await expect(client.connect({ port: portOf(server), host: '127.0.0.1' })).rejects.toMatchObject({
      code: 'UNAUTHORIZED_CLIENT',
    });
    expect(counts).toEqual({
      'X25519 keys': 1,
      'X25519 agreements': 1,
      encapsulations: 1,
      'private operations': 1,
      verifications: 1,
    });
    await server.close();
  });

  it('in classic, one private operation', async () => {
    const { backend, counts } = countOperations();
    const server = await startListening('classic', { backend });
    const socket = (await rawConnection(server)).resume();
    socket.write(Buffer.alloc(256, 1));
    await server.accept();
    expect(counts).toEqual({ 'private operations': 1 });
    socket.destroy();
    await server.close();
  });

  it('and nothing as long as he says nothing', async () => {
    const { backend, counts } = countOperations();
    const server = await startListening('sealed', { backend });
    const socket = await rawConnection(server);
    await expect.poll(() => server.stats.pending).toBe(1);
    expect(counts).toEqual({});
    socket.destroy();
    await server.close();
  });
});
