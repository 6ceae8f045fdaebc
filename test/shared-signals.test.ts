import { getEventListeners, once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keep, keptPairs } from './helpers/kept.js';
import { clientOf, portOf, protocols, startListening } from './helpers/sockets.js';
import { bytes, text } from './helpers/texts.js';

// from eleven listeners of one signal on, Node warns of a leak
const MANY = 30;

const warnings: string[] = [];
const warned = ({ name, message }: Error): void => {
  if (name === 'MaxListenersExceededWarning') warnings.push(message);
};
beforeEach(() => void process.on('warning', warned));
afterEach(() => void process.off('warning', warned));

const listenersOf = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

/** Begins many calls with one signal, and aborts it: all end with its reason, in order, and no listener is left. */
async function abortTogether(call: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
  const controller = new AbortController();
  const { signal } = controller;
  const reason = new Error('all of them');
  const ended: number[] = [];
  const calls = Array.from({ length: MANY }, (_, index) =>
    call(signal).catch((error: unknown) => {
      expect(error).toBe(reason);
      ended.push(index);
    }),
  );
  await new Promise(setImmediate);
  expect(listenersOf(signal)).toBe(1);
  controller.abort(reason);
  await Promise.all(calls);
  expect(ended).toEqual([...ended.keys()]);
  expect(ended).toHaveLength(MANY);
  expect(listenersOf(signal)).toBe(0);
  await new Promise(setImmediate);
  expect(warnings).toEqual([]);
}

describe.each(protocols)('one signal for many calls: %s', (protocol) => {
  const connectPair = keptPairs(protocol);

  it('send(), and what was not aborted arrives in order', async () => {
    const { client, peer } = await connectPair({ client: { highWaterMark: 1 } });
    // what the system takes at once is left: from here on messages wait
    const filled = client.send(new Uint8Array(8_000_000));
    const before = client.send(bytes('before'));
    await abortTogether((signal) => client.send(bytes('aborted'), { signal }));
    const after = client.send(bytes('after'));
    expect((await peer.recv())?.length).toBe(8_000_000);
    expect([text(await peer.recv()), text(await peer.recv())]).toEqual(['before', 'after']);
    await Promise.all([filled, before, after]);
  });

  it('recv() of many connections', async () => {
    const { client: first, server } = await connectPair();
    const clients = [first];
    for (let i = 1; i < MANY; i++) {
      const client = keep(clientOf(server, { protocol }));
      await client.connect({ host: '127.0.0.1', port: portOf(server) });
      clients.push(client);
    }
    const waiting = [...clients];
    await abortTogether((signal) => (waiting.shift() as (typeof clients)[0]).recv({ signal }));
  });

  it('accept() and connect()', async () => {
    const server = keep(await startListening(protocol));
    await abortTogether((signal) => server.accept({ signal }));

    const silent = createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    await abortTogether((signal) =>
      clientOf(server, { protocol }).connect({ host: '127.0.0.1', port }, { signal }),
    );
    silent.close();
  });
});

it('a signal that many calls were given, one after the other, has no listener between them', async () => {
  const { client, peer } = await keptPairs('sealed')();
  const { signal } = new AbortController();
  for (let i = 0; i < MANY; i++) {
    const received = client.recv({ signal });
    expect(listenersOf(signal)).toBe(1);
    await peer.send(bytes('message'), { signal });
    expect(text(await received)).toBe('message');
    expect(listenersOf(signal)).toBe(0);
  }
});
