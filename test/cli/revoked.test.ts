import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
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
