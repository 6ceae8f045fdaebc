import { once } from 'node:events';
import { copyFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CLASSIC_ENDED, Identity, SecureClient } from 'secure-sockets';
import { describe, expect, test } from 'vitest';
import { outcomeOf } from '../helpers/pack.js';
import { pythonProblem, runPython, spawnPython, startPython } from '../helpers/python.js';
import { portOf as portOfServer } from '../helpers/sockets.js';
import { connectSealed, inward, outward, startSealedServer } from './bridges.js';
import { portOf, type Running } from './command.js';
import { begin, usePlace } from './place.js';

// How `secure-sockets bridge` ends, waits and reads its keys again, with Python on the classic side.

const place = usePlace();
const sizes = [0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 1000, 9000, 16_384];
const MANY = JSON.stringify(new Array(20_000).fill(1000));
const soon = { timeout: 20_000 };

interface Ready {
  readonly ports: Readonly<Record<string, number>>;
}

describe.skipIf(pythonProblem)('bridge outward', { timeout: 60_000 }, () => {
  test('a Python client that is killed does not look like one that has ended', async () => {
    const ends: unknown[] = [];
    const server = await startSealedServer(place, async (client) => {
      try {
        for await (const message of client) await client.send(message);
        ends.push(client.closeCode);
      } catch (error) {
        ends.push(client.closeCode ?? (error as { code?: string }).code);
      }
      await client.end();
    });
    const running = outward(place, portOfServer(server), '--max-connections', '1');
    const peer = spawnPython('client.py', [String(await portOf(running)), '32', 'echo', MANY]);
    const killed = once(peer, 'exit');
    await expect.poll(() => [...server.clients][0]?.bytesRead ?? 0, soon).toBeGreaterThan(100_000);
    peer.kill('SIGKILL');
    await killed;
    await expect.poll(() => ends.length, soon).toBe(1);
    expect([CLASSIC_ENDED, 'TRUNCATED']).toContain(ends[0]);
    // its place is free
    const port = String(await portOf(running));
    await expect
      .poll(async () => (await runPython('client.py', port, '32', 'echo', '[10]')).code, soon)
      .toBe(0);
  });

  test('a server that is cut off cuts off the Python client', async () => {
    const server = await startSealedServer(place, async (client) => {
      await client.send((await client.recv()) as Uint8Array);
      client.destroy();
    });
    const running = outward(place, portOfServer(server));
    const outcome = await runPython('client.py', String(await portOf(running)), '32', 'echo', '[10, 20]');
    expect(outcome.code).not.toBe(0);
    await running.until(/secure-sockets: lost /);
  });

  test('a Python client that stands still slows the server, and frees its place when it is killed', async () => {
    let sent = 0;
    const server = await startSealedServer(place, async (client) => {
      await client.recv();
      for (; sent < 40_000; sent++) await client.send(new Uint8Array(16_384));
    });
    const running = outward(place, portOfServer(server), '--max-connections', '1');
    const peer = spawnPython('client.py', [String(await portOf(running)), '32', 'echo', MANY]);
    const killed = once(peer, 'exit');
    await expect.poll(() => sent, soon).toBeGreaterThan(0);
    peer.kill('SIGSTOP');
    await expect.poll(async () => sent === (await sleep(1000, sent)), soon).toBe(true);
    expect(sent).toBeLessThan(8000);
    peer.kill('SIGKILL');
    await killed;
    await running.until(/secure-sockets: lost /, 20_000);
  });

  test('a server that does not read slows the Python client', async () => {
    const server = await startSealedServer(place, () => new Promise(() => {}));
    const running = outward(place, portOfServer(server));
    const args = [
      String(await portOf(running)),
      '32',
      'exchange',
      JSON.stringify(new Array(600).fill(2 ** 20)),
    ];
    const peer = spawnPython('client.py', args);
    const read = (): number => [...server.clients][0]?.bytesRead ?? 0;
    await expect.poll(read, soon).toBeGreaterThan(0);
    await expect.poll(async () => read() === (await sleep(1000, read())), soon).toBe(true);
    expect(read()).toBeLessThan(100 * 2 ** 20);
    peer.kill('SIGKILL');
  });

  test('each side may end first, and receives all that the other sends', async () => {
    const server = await startSealedServer(place, async (client) => {
      for await (const message of client) await client.send(message);
      await client.end();
    });
    const running = outward(place, portOfServer(server));
    // ends, and then waits for the end of the server
    const peer = spawnPython('client.py', [
      String(await portOf(running)),
      '32',
      'echo',
      JSON.stringify(sizes),
    ]);
    expect(await outcomeOf(peer)).toMatchObject({ code: 0, stdout: `${sizes.length} right\n` });
    const python = await startPython<Ready>('server.py', 'exchange', JSON.stringify(sizes));
    const client = await connectSealed(place, inward(python.ready.ports[4]));
    await client.end();
    const received: number[] = [];
    for await (const message of client) received.push(message.length);
    expect(received.slice(0, sizes.length)).toEqual(sizes);
    expect(client.closeCode).toBe(CLASSIC_ENDED);
    await python.stop();
  });
});

describe.skipIf(pythonProblem)('SIGHUP', { timeout: 60_000 }, () => {
  test('inward takes another key and another list, and what is open goes on', async () => {
    const other = await Identity.generate({ modulusLength: 2048 });
    for (const name of ['server.pem', 'keys']) copyFileSync(path(name), path(`live-${name}`));
    const python = await startPython<Ready>('server.py', 'echo', '[]');
    const keys = ['--identity', 'live-server.pem', '--authorized-keys', 'live-keys'];
    const to = ['127.0.0.1:0', `127.0.0.1:${python.ready.ports[4]}`];
    const running = begin('bridge', 'inward', '-v', ...keys, '--min-modulus-bits', '512', ...to);
    const held = await connectSealed(place, running);
    await echoes(held);
    await other.save(path('other.pem'));
    renameSync(path('other.pem'), path('live-server.pem'));
    await hangUp(running);
    await echoes(held);
    const identity = await Identity.load(path('client.pem'), { role: 'client' });
    const pinned = new SecureClient({ serverKey: other.fingerprint, identity });
    place.undo.push(() => pinned.destroy());
    await pinned.connect({ host: '127.0.0.1', port: await portOf(running) });
    await echoes(pinned);
    writeFileSync(path('live-server.pem'), 'no key');
    running.child.kill('SIGHUP');
    await running.until(/nothing has changed: live-server\.pem/);
    await echoes(held);
    await python.stop();
  });

  test('outward takes another key for connections to come', async () => {
    const other = await Identity.generate({ role: 'client', modulusLength: 2048 });
    copyFileSync(path('client.pem'), path('live-client.pem'));
    const peers: (string | undefined)[] = [];
    const server = await startSealedServer(
      place,
      async (client) => {
        peers.push(client.peer?.fingerprint);
        for await (const message of client) await client.send(message);
        await client.end();
      },
      { verifyClient: () => true },
    );
    const trust = ['--identity', 'live-client.pem', '--server-key', place.serverKey];
    const to = ['127.0.0.1:0', `127.0.0.1:${portOfServer(server)}`];
    const running = begin('bridge', 'outward', '-v', ...trust, ...to);
    const port = String(await portOf(running));
    const held = spawnPython('client.py', [port, '32', 'echo', JSON.stringify(new Array(600).fill(1000))]);
    const outcome = outcomeOf(held);
    await expect.poll(() => peers.length, soon).toBe(1);
    await other.save(path('other.pem'));
    renameSync(path('other.pem'), path('live-client.pem'));
    await hangUp(running);
    expect(await runPython('client.py', port, '32', 'echo', '[10]')).toMatchObject({ code: 0 });
    expect(peers[1]).toBe(other.fingerprint);
    expect(peers[0]).not.toBe(other.fingerprint);
    expect(await outcome).toMatchObject({ code: 0, stdout: '600 right\n' });
  });
});

async function echoes(client: SecureClient): Promise<void> {
  await client.send(new Uint8Array([1, 2, 3]));
  expect(await client.recv()).toEqual(new Uint8Array([1, 2, 3]));
}

async function hangUp(running: Running): Promise<void> {
  running.child.kill('SIGHUP');
  await running.until(/read the files again/);
}

function path(name: string): string {
  return join(place.folder, name);
}
