import type { Backend, SecureServer } from 'secure-sockets';
import { forge } from 'secure-sockets/backends/forge';
import { noble } from 'secure-sockets/backends/noble';
import { node } from 'secure-sockets/backends/node';
import { describe, expect, it } from 'vitest';
import { FaultProxy } from '../helpers/proxy.js';
import { clientOf, pair, portOf, protocols, startListening } from '../helpers/sockets.js';
import { countOperations, keep, local, slowDown } from './handshake-attackers.js';

describe('private operations of a sealed server', () => {
  const connect = async (target: SecureServer, port: number, backend: Backend = node): Promise<string> => {
    const client = clientOf(target, { backend });
    return client.connect({ port, host: '127.0.0.1' }).then(
      () => 'in',
      (error: { code?: string }) => error.code ?? String(error),
    );
  };

  // defences: a few operations at a time, and one error for whatever is wrong with a ciphertext
  it('for invalid ciphertexts run two at a time, one for each client, and fail', async () => {
    const seen = countOperations();
    const target = keep(await startListening('sealed', { backend: seen.backend }));
    const nonsense: Backend = {
      ...node,
      rsaPublicKey: (numbers) => ({
        ...node.rsaPublicKey(numbers),
        encryptOaep: () => node.randomBytes(numbers.n.length).fill(0, 0, 1),
      }),
    };
    const clients = Array.from({ length: 40 }, () => connect(target, portOf(target), nonsense));
    expect(new Set(await Promise.all(clients))).toEqual(new Set(['HANDSHAKE_FAILED']));
    expect(seen.count).toBe(40);
    expect(seen.max).toBe(2);
    expect(target.stats).toMatchObject({ handshakesCompleted: 0, rejected: { HANDSHAKE_FAILED: 40 } });
  });

  // defences: the bound of the waiting line, and that a server asks it before it computes anything
  it('for clients that have gone stay in the queue, and when it is full new ones are told BUSY', async () => {
    const seen = countOperations();
    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const backend = slowDown(seen.backend, () => held);
    const target = keep(await startListening('sealed', { backend, maxPendingHandshakes: 4 }));
    const proxy = keep(await FaultProxy.listen(portOf(target)));
    for (const waiting of [2, 4]) {
      const clients = [0, 1, 2, 3].slice(0, waiting === 2 ? 4 : 2).map(() => connect(target, proxy.port));
      await expect.poll(() => target.stats.privateKeyOperationsWaiting).toBe(waiting);
      proxy.break('reset');
      await Promise.all(clients);
      await expect.poll(() => target.stats.pending).toBe(0);
    }
    expect(await connect(target, portOf(target))).toBe('BUSY');
    expect(target.stats.rejected.BUSY).toBe(1);
    release();
    await expect.poll(() => target.stats.privateKeyOperationsWaiting).toBe(0);
    expect(await connect(target, portOf(target))).toBe('in');
    // those for clients that have gone were not done
    expect(target.stats.privateKeyOperations).toBe(3);
  });
});

describe.each([noble, forge])('private operations of $name', (backend) => {
  // defences: one at a time on the main thread, and a turn for all other work between two of them
  it.each(protocols)('in %s leave an open connection its turns', async (protocol) => {
    const events: string[] = [];
    const noted: Backend = {
      ...backend,
      rsaPrivateKey: (numbers) => {
        const key = backend.rsaPrivateKey(numbers);
        const expectDone = async <T>(operation: Promise<T>): Promise<T> => {
          const result = await operation;
          events.push('operation');
          return result;
        };
        return {
          ...key,
          decryptRaw: (ciphertext) => expectDone(key.decryptRaw(ciphertext)),
          decryptOaep: (ciphertext, label) => expectDone(key.decryptOaep(ciphertext, label)),
        };
      },
    };
    let held: Promise<void> = Promise.resolve();
    const {
      server: target,
      client,
      peer,
    } = keep(await pair(protocol, { server: { backend: slowDown(noted, () => held) } }));
    const echoing = (async () => {
      for await (const message of peer) {
        events.push('question');
        await peer.send(message);
      }
    })();
    let release = (): void => {};
    held = new Promise((resolve) => {
      release = resolve;
    });
    const clients = Array.from({ length: 6 }, async () => {
      const each = clientOf(target, { protocol });
      await each.connect(local(target));
      return each;
    });
    // in line, all of them, so that one could follow upon the other
    await expect.poll(() => target.stats.privateKeyOperationsWaiting).toBe(5);
    release();
    while (target.stats.handshakesCompleted < 7) {
      await client.send(Uint8Array.of(1));
      await client.recv();
      events.push('answer');
    }
    for (const each of await Promise.all(clients)) each.destroy();
    await client.close();
    await echoing;
    // both ends are in this process: a message takes a turn to be written and one to be read
    expect(events.join(' ')).not.toMatch(/operation operation operation/);
    expect(events.filter((event) => event === 'operation').length).toBe(7);
  });
});
