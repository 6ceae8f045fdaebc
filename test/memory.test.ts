import type { SecureClient } from 'secure-sockets';
import { describe, expect, it } from 'vitest';
import { collectGarbage } from './helpers/garbage.js';
import { open } from './helpers/kept.js';
import {
  clientOf,
  pair,
  portOf,
  protocols,
  rawConnection,
  rejection,
  startListening,
} from './helpers/sockets.js';

/** Waits until everything of a list has been collected; says how many have not. */
async function countCollected(references: readonly WeakRef<object>[]): Promise<number> {
  let left = references.length;
  for (let attempt = 0; attempt < 50 && left > 0; attempt++) {
    // what a promise has just handed over lives until the turn is over
    await new Promise((resolve) => setTimeout(resolve, 10));
    collectGarbage();
    left = references.filter((reference) => reference.deref() !== undefined).length;
  }
  return left;
}

/** Sockets that are open, and timers that run: the runner's own are two or three. */
function resources(): { sockets: number; timers: boolean } {
  const kinds = process.getActiveResourcesInfo();
  const count = (wanted: string): number => kinds.filter((kind) => kind === wanted).length;
  return { sockets: count('TCPSocketWrap'), timers: count('Timeout') < 5 };
}

const nothing = { sockets: 0, timers: true };

describe.each(protocols)('nothing is left of %s connections', (protocol) => {
  type Ending = (client: SecureClient, peer: SecureClient) => Promise<unknown>;
  const endings: Record<string, Ending> = {
    'that end in order': (client, peer) => Promise.all([client.close(), peer.close()]),
    'that end with unread messages': async (client, peer) => {
      await client.send(new Uint8Array(50_000));
      await Promise.all([client.close(), peer.close()]);
    },
    'that are destroyed': async (client, peer) => {
      client.destroy();
      await peer.recv().catch((error: Error) => error);
    },
    'that are destroyed while calls wait': async (client, peer) => {
      const calls = [client.recv(), peer.recv(), client.send(new Uint8Array(3_000_000))];
      client.destroy();
      await Promise.allSettled(calls);
    },
    'with an abort signal that outlives them': async (client, peer) => {
      const waiting = client.recv({ signal: forever.signal });
      await peer.send(new Uint8Array(1));
      await waiting;
      await Promise.all([client.close(), peer.close()]);
    },
  };
  const forever = new AbortController();

  // defences: no timer, listener, set or closure holds on to what is over
  it.each(Object.keys(endings))('%s', async (name) => {
    const server = await startListening(protocol);
    open.push(server);
    const references: WeakRef<object>[] = [];
    // a function of its own, whose variables are gone when it has returned
    const cycle = async (): Promise<void> => {
      const client = clientOf(server, { protocol });
      const accepted = server.accept();
      await client.connect({ port: portOf(server), host: '127.0.0.1' }, { signal: forever.signal });
      const peer = await accepted;
      references.push(new WeakRef(client), new WeakRef(peer));
      await endings[name]?.(client, peer);
    };
    for (let i = 0; i < 20; i++) await cycle();
    await expect.poll(() => server.stats.open).toBe(0);
    expect(await countCollected(references)).toBe(0);
    await expect.poll(resources).toEqual(nothing);
    await expect.poll(() => server.stats.buffered).toBe(0);
  });

  it('that never got that far', async () => {
    const server = await startListening(protocol);
    open.push(server);
    const references: WeakRef<object>[] = [];
    const cycle = async (i: number): Promise<void> => {
      const socket = (await rawConnection(server)).resume();
      references.push(new WeakRef(socket));
      if (i % 3 === 0) socket.resetAndDestroy();
      else socket.end(Buffer.alloc(i, 0x41));
      const wrong = `SHA256:${'A'.repeat(43)}`;
      const refusing = clientOf(server, { protocol, serverKey: wrong });
      references.push(new WeakRef(refusing));
      const to = { port: portOf(server), host: '127.0.0.1' };
      expect((await rejection(refusing.connect(to))).code).toBe('UNTRUSTED_SERVER');
    };
    for (let i = 0; i < 30; i++) await cycle(i);
    await expect.poll(() => server.stats.pending).toBe(0);
    expect(await countCollected(references)).toBe(0);
    await expect.poll(resources).toEqual(nothing);
  });

  it('when their server is closed', async () => {
    const references: WeakRef<object>[] = [];
    const cycle = async (): Promise<void> => {
      const { server, client, peer } = await pair(protocol);
      references.push(new WeakRef(server), new WeakRef(client), new WeakRef(peer));
      await server.close();
      await client.close();
    };
    for (let i = 0; i < 5; i++) await cycle();
    expect(await countCollected(references)).toBe(0);
    await expect.poll(resources).toEqual(nothing);
  });
});
