import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { bridge, SecureClient, SecureServer } from 'secure-sockets';
import { afterEach, describe, expect, test } from 'vitest';
import { findHiddenReset } from '../../src/transports/hidden-reset.node.js';
import { probes } from '../helpers/keep-alive.js';
import { plainClient, plainServer, tunnelTo, usePlace } from './place.js';

// What had arrived before a reset goes ahead of it, as over TCP itself, unless its reader does not read.

usePlace();
const LENGTH = 600_000;
const ways = [
  ['streams', []],
  ['a sealed connection', ['--carriers', '0']],
] as const;

describe.each(ways)('a tunnel by %s', (_, flags) => {
  test('passes on what its target sent before a reset', async () => {
    const { client, target } = await connectThrough(flags);
    await expectAllBeforeReset(target, client);
  });

  test('passes on what its client sent before a reset', async () => {
    const { client, target } = await connectThrough(flags);
    await expectAllBeforeReset(client, target);
  });

  test('holds no place for a reader that does not read', async () => {
    const { client, target, tunnel } = await connectThrough(flags);
    client.pause();
    target.write(Buffer.alloc(20_000_000));
    await sleep(500);
    target.resetAndDestroy();
    await tunnel.server.until(/lost .*ECONNRESET/, 10_000);
    // a sealed connection that waits for its reader finds the reset with its next PONG
    if (flags.length === 0) await tunnel.client.until(/lost /, 10_000);
  });

  // the system's timers are read from /proc, which others have not
  test.skipIf(process.platform !== 'linux')('asks for machines that have gone', async () => {
    const { target, tunnel } = await connectThrough(flags);
    for (const port of [tunnel.port, target.localPort as number])
      await expect
        .poll(() => probes(port).filter((due) => due !== undefined && due > 50 && due <= 60))
        .toHaveLength(1);
  });

  test('resets an idle connection at once', async () => {
    const { client, target } = await connectThrough(flags);
    client.resume();
    const since = performance.now();
    target.resetAndDestroy();
    await new Promise((resolve) => client.on('close', resolve));
    expect(performance.now() - since).toBeLessThan(1000);
  });
});

describe('bridge()', () => {
  const undo: (() => unknown)[] = [];
  afterEach(async () => {
    for (const act of undo.splice(0).reverse()) await act();
  });

  /** A client and the server's side of it. */
  async function pair(): Promise<[SecureClient, SecureClient]> {
    const server = new SecureServer({ allowHalfOpen: true });
    await server.listen({ host: '127.0.0.1', port: 0 });
    const client = new SecureClient({ serverKey: server.fingerprint as string, allowHalfOpen: true });
    const [accepted] = await Promise.all([server.accept(), client.connect(server.address)]);
    undo.push(() => server.close({ timeout: 100 }));
    return [client, accepted];
  }

  test('passes on the messages that arrived before a cut', async () => {
    const [[near, one], [other, far]] = await Promise.all([pair(), pair()]);
    const bridged = bridge(one, other).catch((error: unknown) => error);
    for (let i = 0; i < 30; i++) await near.send(new Uint8Array(20_000));
    // nothing is read yet: most of it waits in the bridge or before it
    await sleep(200);
    near.destroy();
    let count = 0;
    const read = async (): Promise<void> => {
      for await (const _ of far) {
        count++;
        await sleep(2);
      }
    };
    await expect(read()).rejects.toMatchObject({ code: 'TRUNCATED' });
    expect(count).toBe(30);
    expect(await bridged).toMatchObject({ code: 'TRUNCATED' });
  });

  test('waits a bounded time for a reader that does not read', async () => {
    const [[near, one], [other]] = await Promise.all([pair(), pair()]);
    const bridged = bridge(one, other).catch((error: unknown) => error);
    const sending = (async () => {
      for (;;) await near.send(new Uint8Array(60_000));
    })().catch(() => {});
    await sleep(500);
    near.destroy();
    expect(await bridged).toMatchObject({ code: 'TRUNCATED' });
    await sending;
  });
});

interface Ends {
  readonly client: Socket;
  readonly target: Socket;
  readonly tunnel: Awaited<ReturnType<typeof tunnelTo>>;
}

/** A connection that has carried a byte. */
async function connectThrough(flags: readonly string[]): Promise<Ends> {
  let accept: (socket: Socket) => void = () => {};
  const accepted = new Promise<Socket>((resolve) => {
    accept = resolve;
  });
  const tunnel = await tunnelTo(await plainServer((socket) => accept(socket)), {
    client: [...flags],
  });
  const client = plainClient(tunnel.port);
  client.write('x');
  const target = await accepted;
  await once(target, 'data');
  target.pause();
  return { client, target, tunnel };
}

/** The reader begins when everything has arrived in the tunnel, and takes 64 KiB every few milliseconds. */
async function expectAllBeforeReset(from: Socket, to: Socket): Promise<void> {
  to.pause();
  await new Promise((resolve) => from.write(Buffer.alloc(LENGTH), resolve));
  await sleep(300);
  from.resetAndDestroy();
  let received = 0;
  to.on('data', (chunk) => {
    received += chunk.length;
    to.pause();
    setTimeout(() => to.resume(), 2);
  });
  const port = to.remotePort;
  const isReset = new Promise<boolean>((resolve) => {
    to.on('error', () => resolve(true)).on('close', () => resolve(false));
    to.on('end', () => resolve(findHiddenReset(to, port) !== undefined));
  });
  to.resume();
  expect(await isReset).toBe(true);
  expect(received).toBe(LENGTH);
}
