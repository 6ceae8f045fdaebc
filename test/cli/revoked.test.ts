import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type SecureClient, SecureServer } from 'secure-sockets';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { portOf as portOfServer } from '../helpers/sockets.js';
import { connectSealed, inward } from './bridges.js';
import type { Running } from './command.js';
import { plainClient, plainServer, tunnelTo, usePlace } from './place.js';

const place = usePlace();
const otherKey = `SHA256:${'A'.repeat(43)} somebody else\n`;
let keys: string;

beforeEach(() => {
  keys = readFileSync(join(place.folder, 'keys'), 'utf8');
});

afterEach(() => writeFileSync(join(place.folder, 'keys'), keys));

describe.each([
  ['with carriers', []],
  ['with a sealed connection each', ['--carriers', '0']],
])('a tunnel server, %s', (_, args) => {
  const echo = async (socket: ReturnType<typeof plainClient>): Promise<string> => {
    socket.write('hello');
    const [data] = await once(socket, 'data');
    return String(data);
  };

  test('cuts off a client that is removed, and says what is wrong with a damaged list', async () => {
    const { port, server } = await tunnelTo(await plainServer((socket) => socket.pipe(socket)), {
      client: args,
      server: args,
    });
    const socket = plainClient(port);
    expect(await echo(socket)).toBe('hello');
    writeFileSync(join(place.folder, 'keys'), `${otherKey}nonsense\n`);
    await server.until(
      /warning: the authorised keys stay as they were: keys:2: not a fingerprint: "nonsense"/,
    );
    await sleep(2500);
    expect(await echo(socket)).toBe('hello');
    expect(await echo(plainClient(port))).toBe('hello');
    const closed = new Promise((resolve) => socket.on('error', () => {}).once('close', resolve));
    writeFileSync(join(place.folder, 'keys'), otherKey);
    await closed;
    await server.until(/no longer among the authorised ones/);
    expect(server.errors().match(/stay as they were/g)).toHaveLength(1);
  });

  test('lets it go on with --keep-revoked', async () => {
    const { port } = await tunnelTo(await plainServer((socket) => socket.pipe(socket)), {
      client: args,
      server: [...args, '--keep-revoked'],
    });
    const socket = plainClient(port);
    expect(await echo(socket)).toBe('hello');
    writeFileSync(join(place.folder, 'keys'), otherKey);
    await sleep(3000);
    expect(await echo(socket)).toBe('hello');
  });
});

describe('bridge inward', () => {
  test('cuts off a client that is removed, on both sides', async () => {
    const { classic, running } = await classicBehind();
    const client = await connectSealed(place, running);
    expect(await answer(client)).toBe(1);
    writeFileSync(join(place.folder, 'keys'), otherKey);
    await expect(client.recv()).rejects.toMatchObject({ code: 'PEER_CLOSED' });
    await running.until(/no longer among the authorised ones/);
    await expect.poll(() => classic.clients.size).toBe(0);
  });

  test('lets it go on with --keep-revoked', async () => {
    const { running } = await classicBehind('--keep-revoked');
    const client = await connectSealed(place, running);
    writeFileSync(join(place.folder, 'keys'), otherKey);
    await sleep(2500);
    expect(await answer(client)).toBe(1);
  });
});

/** The bridge before a classic server that answers with what it gets. */
async function classicBehind(...flags: string[]): Promise<{ classic: SecureServer; running: Running }> {
  const classic = new SecureServer({ protocol: 'classic', modulusLength: 2048, allowHalfOpen: true });
  await classic.listen({ host: '127.0.0.1', port: 0 });
  place.undo.push(() => classic.close({ timeout: 100 }));
  const echo = async (client: SecureClient): Promise<void> => {
    for await (const message of client) await client.send(message);
  };
  void (async () => {
    for await (const client of classic) echo(client).catch(() => {});
  })();
  return { classic, running: inward(portOfServer(classic), ...flags) };
}

async function answer(client: SecureClient): Promise<number | undefined> {
  await client.send(new Uint8Array(1));
  return (await client.recv())?.length;
}
