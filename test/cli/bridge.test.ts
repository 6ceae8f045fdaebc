import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { bridge, CLASSIC_ENDED, SecureClient, SecureServer } from 'secure-sockets';
import { describe, expect, test } from 'vitest';
import { pythonIsRequired, pythonProblem, runPython, spawnPython, startPython } from '../helpers/python.js';
import { portOf as portOfServer } from '../helpers/sockets.js';
import { connectSealed, inward, KEYS, outward, startSealedServer } from './bridges.js';
import { portOf } from './command.js';
import { begin, usePlace } from './place.js';

// `secure-sockets bridge`, with Python on the libraries of the original on the classic side.

const place = usePlace();
const sizes = [0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 1000, 9000, 16_384];
const large = [...sizes, 65_536, 2 ** 20];

if (pythonProblem) console.warn(`SKIPPED: most of test/cli/bridge.test.ts. ${pythonProblem}`);

test('the Python libraries are there', ({ skip }) => {
  if (pythonProblem && !pythonIsRequired) skip(pythonProblem);
  expect(pythonProblem).toBeUndefined();
});

interface Ready {
  readonly ports: Readonly<Record<string, number>>;
}

describe.skipIf(pythonProblem)('bridge inward, before a Python server', () => {
  test('a message stays a message, of every size', async () => {
    const peer = await startPython<Ready>('server.py', 'echo', JSON.stringify(large));
    const running = inward(peer.ready.ports[4], '--max-message', String(2 ** 24));
    const client = await connectSealed(place, running);
    for (const size of large) {
      await client.send(Buffer.alloc(size, size));
      expect(Buffer.compare(Buffer.alloc(size, size), (await client.recv()) as Uint8Array)).toBe(0);
    }
    await client.end();
    expect(await client.recv()).toBeNull();
    expect(client.closeCode).toBe(CLASSIC_ENDED);
    expect(await peer.stop()).toMatchObject({ code: 0, stderr: '' });
  });

  test('a client is told the longest message that the library takes', async () => {
    const peer = await startPython<Ready>('server.py', 'echo', '[]');
    const client = await connectSealed(place, inward(peer.ready.ports[4]));
    await expect(client.send(new Uint8Array(16_385))).rejects.toMatchObject({
      code: 'MESSAGE_TOO_BIG_FOR_PEER',
    });
    await client.send(new Uint8Array(16_384));
    expect((await client.recv())?.length).toBe(16_384);
    client.destroy();
    await peer.stop();
  });

  test('a server that is killed does not look like one that has ended', async () => {
    const peer = spawnPython('server.py', ['echo', '[]']);
    const [line] = await once(peer.stdout as NodeJS.ReadableStream, 'data');
    const client = await connectSealed(place, inward((JSON.parse(String(line)) as Ready).ports[4]));
    await client.send(new Uint8Array(10));
    await client.recv();
    peer.kill('SIGKILL');
    const end = await client.recv().catch((error: Error & { code: string }) => error.code);
    expect([null, 'TRUNCATED']).toContain(end);
    expect(client.closeCode).not.toBe(0);
    client.destroy();
  });

  test('a client that is killed frees its place, though the server does not read', {
    timeout: 60_000,
  }, async () => {
    const peer = await startPython<{ port: number }>('mute.py');
    const running = inward(peer.ready.port, '--max-connections', '1');
    const client = await connectSealed(place, running);
    let sent = 0;
    const sending = (async () => {
      for (; sent < 4096; sent++) await client.send(new Uint8Array(16_384));
    })().catch(() => {});
    await sleep(2000);
    client.destroy();
    await sending;
    expect(sent).toBeLessThan(4096);
    await running.until(/secure-sockets: lost /, 40_000);
    expect(await running.stop()).toMatchObject({ code: 0 });
    await peer.stop();
  });

  test('a client that does not read slows the server', { timeout: 60_000 }, async () => {
    const peer = await startPython<Ready>(
      'server.py',
      'exchange',
      JSON.stringify(new Array(600).fill(2 ** 20)),
    );
    const client = await connectSealed(place, inward(peer.ready.ports[4]));
    await client.send(new Uint8Array(1));
    await sleep(3000);
    expect(client.bytesRead).toBeLessThan(100 * 2 ** 20);
    client.destroy();
    await peer.stop();
  });
});

describe.skipIf(pythonProblem)('bridge outward, for a Python client', () => {
  test('every message arrives as it was', async () => {
    const server = await startSealedServer(place, async (client) => {
      for await (const message of client) await client.send(message);
    });
    const running = outward(place, portOfServer(server), '--max-message', String(2 ** 24));
    const outcome = await runPython(
      'client.py',
      String(await portOf(running)),
      '32',
      'echo',
      JSON.stringify(large),
    );
    expect(outcome).toMatchObject({ code: 0, stdout: `${large.length} right\n`, stderr: '' });
  });

  test('listens at an address of this machine only, unless told otherwise', async () => {
    for (const address of [':0', '0.0.0.0:0', '[::]:0', '192.0.2.1:9000']) {
      const running = begin('bridge', 'outward', '--server-key', place.serverKey, address, '127.0.0.1:9');
      const { code, stderr } = await running.ended;
      expect(stderr).toMatch(/can be reached from other machines\nhint: .*--any-address/);
      expect(code).toBe(2);
    }
    const any = begin(
      'bridge',
      'outward',
      '--any-address',
      '--server-key',
      place.serverKey,
      '0.0.0.0:0',
      '127.0.0.1:9',
    );
    await any.until(/listening/);
  });

  test('a small key is taken only when that is asked for', async () => {
    const peer = await startPython<Ready>('server.py', 'echo', '[]');
    const running = begin(
      'bridge',
      'inward',
      '-v',
      ...KEYS,
      '127.0.0.1:0',
      `127.0.0.1:${peer.ready.ports[4]}`,
    );
    const client = await connectSealed(place, running);
    await expect(client.recv()).rejects.toMatchObject({ code: 'TRUNCATED' });
    await running.until(/lost .*: .*512/);
    await peer.stop();
  });
});

describe.skipIf(pythonProblem)('unchanged Python programs at both ends', () => {
  test('50 of 50 connections go through two bridges', { timeout: 120_000 }, async () => {
    const peer = await startPython<Ready>('server.py', 'echo', '[]');
    const inner = inward(peer.ready.ports[4]);
    const outer = outward(place, await portOf(inner));
    const { stdout } = await runPython('many.py', String(await portOf(outer)), '50', JSON.stringify(sizes));
    expect(JSON.parse(stdout)).toEqual({ right: 50, failed: [] });
    await peer.stop();
  });

  test('50 of 50 connections go through a tunnel with --settle', { timeout: 120_000 }, async () => {
    const peer = await startPython<Ready>('server.py', 'echo', '[]');
    const target = `127.0.0.1:${peer.ready.ports[4]}`;
    const server = begin('tunnel', 'server', ...KEYS, '--settle', '100', '127.0.0.1:0', target);
    const through = ['--identity', 'client.pem', '--server-key', place.serverKey];
    const client = begin('tunnel', 'client', ...through, '127.0.0.1:0', `127.0.0.1:${await portOf(server)}`);
    const { stdout } = await runPython('many.py', String(await portOf(client)), '50', '[100]');
    expect(JSON.parse(stdout)).toEqual({ right: 50, failed: [] });
    await peer.stop();
  });
});

describe('bridge() of the library', () => {
  test('passes close codes on, and needs connections whose directions end apart', async () => {
    const [a, b] = [await pair(), await pair()];
    const bridging = bridge(a.accepted, b.client);
    await a.client.send(new Uint8Array([1, 2, 3]));
    expect(await b.accepted.recv()).toEqual(new Uint8Array([1, 2, 3]));
    await a.client.end({ code: 20_000 });
    expect(await b.accepted.recv()).toBeNull();
    expect(b.accepted.closeCode).toBe(20_000);
    await b.accepted.send(new Uint8Array([4]));
    await b.accepted.end({ code: 30_000 });
    expect(await a.client.recv()).toEqual(new Uint8Array([4]));
    expect(await a.client.recv()).toBeNull();
    expect(a.client.closeCode).toBe(30_000);
    await bridging;
    const [c, d] = [await pair(false), await pair()];
    await expect(bridge(c.accepted, d.client)).rejects.toMatchObject({ code: 'BAD_OPTION' });
  });

  test('cuts both off when one is, and when its signal aborts', async () => {
    for (const how of ['destroy', 'abort'] as const) {
      const [a, b] = [await pair(), await pair()];
      const stop = new AbortController();
      const bridging = expect(bridge(a.accepted, b.client, { signal: stop.signal })).rejects.toThrow();
      if (how === 'destroy') a.client.destroy();
      else stop.abort(new Error('enough'));
      await bridging;
      await expect(b.accepted.recv()).rejects.toMatchObject({ code: 'TRUNCATED' });
    }
  });
});

async function pair(allowHalfOpen = true): Promise<{ client: SecureClient; accepted: SecureClient }> {
  const server = new SecureServer({ modulusLength: 2048, allowHalfOpen });
  await server.listen({ host: '127.0.0.1', port: 0 });
  place.undo.push(() => server.close({ timeout: 100 }));
  const client = new SecureClient({ serverKey: server.fingerprint, allowHalfOpen });
  const [accepted] = await Promise.all([
    server.accept(),
    client.connect({ host: '127.0.0.1', port: portOfServer(server) }),
  ]);
  return { client, accepted };
}
