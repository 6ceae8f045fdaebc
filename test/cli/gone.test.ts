// Nothing waits for a target or peer that is gone or does not read, and SIGTERM always ends.

import { once } from 'node:events';
import { openSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { portOf } from './command.js';
import { begin, plainClient, plainServer, type Tunnel, tunnelTo, usePlace, writeWithin } from './place.js';
import { PIECE, pour } from './pour.js';

const place = usePlace();

/** Writes until nothing more is taken. */
async function fill(socket: Socket): Promise<void> {
  for (let count = 0; count < 64 && (await writeWithin(socket, PIECE, 1000)); count++);
}

/** Commands end within 8 s of SIGTERM: 5 of grace, and what a busy machine takes. */
async function expectEnd(...commands: readonly Tunnel['server'][]): Promise<void> {
  const begun = performance.now();
  await Promise.all(commands.map((running) => running.stop('SIGTERM')));
  expect(performance.now() - begun).toBeLessThan(8000);
}

const ways: [string, string[]][] = [
  ['with streams', []],
  ['one sealed connection for each', ['--carriers', '0']],
];

describe.each(ways)('a tunnel, %s', { timeout: 90_000 }, (_, flags) => {
  const options = { client: flags, server: flags };

  test('whose target does not read ends at SIGTERM, both ends of it', async () => {
    const target = await plainServer((socket) => socket.pause());
    const { port, client, server } = await tunnelTo(target, options);
    await fill(plainClient(port));
    await expectEnd(server, client);
  });

  test('whose clients do not read ends at SIGTERM', async () => {
    const target = await plainServer((socket) => void fill(socket));
    const { port, client, server } = await tunnelTo(target, options);
    const socket = plainClient(port).pause();
    await once(socket, 'connect');
    await sleep(2000);
    await expectEnd(server, client);
  });

  test('ends at SIGTERM though its client has ended and its target does not read what is left', async () => {
    const target = await plainServer((socket) => socket.pause());
    const { port, client, server } = await tunnelTo(target, options);
    const socket = plainClient(port);
    await once(socket, 'connect');
    socket.end(Buffer.alloc(8 << 20));
    await sleep(1000);
    await expectEnd(server, client);
  });

  test('whose other end stands still ends at SIGTERM', async () => {
    const target = await plainServer((socket) => socket.resume());
    const { port, client, server } = await tunnelTo(target, options);
    const socket = plainClient(port);
    socket.write('hello');
    await server.until(/connected/);
    process.kill(server.child.pid as number, 'SIGSTOP');
    await fill(socket);
    await expectEnd(client);
    process.kill(server.child.pid as number, 'SIGCONT');
  });

  test('lets go of a target that does not read when its client is killed', async () => {
    const cut: Promise<unknown>[] = [];
    const target = await plainServer((socket) => {
      socket.pause();
      cut.push(once(socket, 'close'));
      // a paused socket is not told of a reset before it reads again
      setInterval(() => socket.resume(), 500).unref();
      setTimeout(() => socket.on('data', () => socket.pause()), 0);
    });
    const { port, client, server } = await tunnelTo(target, {
      ...options,
      server: [...flags, '--max-connections', '1'],
    });
    await fill(plainClient(port));
    await client.stop('SIGKILL');
    await server.until(/secure-sockets: lost /, 40_000);
    expect(cut.length).toBe(1);
  });

  test('lets go of plain connections that are reset while they are not read from', async () => {
    const target = await plainServer((socket) => {
      socket.once('data', (first: Uint8Array) => {
        socket.pause();
        if (String(first).startsWith('down')) void fill(socket).then(() => socket.resetAndDestroy());
      });
    });
    const { port, client, server } = await tunnelTo(target, options);
    const [up, down] = [plainClient(port), plainClient(port).pause()];
    for (const [socket, way] of [
      [up, 'up'],
      [down, 'down'],
    ] as const) {
      await once(socket, 'connect');
      socket.write(way);
    }
    await fill(up);
    up.resetAndDestroy();
    for (const end of [server, client]) await end.until(/(secure-sockets: lost [\s\S]*){2}/, 60_000);
  });

  test('reports within seconds that a target has reset a connection that nobody reads', async () => {
    let resetAt = 0;
    const target = await plainServer((socket) => {
      socket.pause();
      void fill(socket).then(() => {
        resetAt = performance.now();
        socket.resetAndDestroy();
      });
    });
    const { port, server } = await tunnelTo(target, options);
    plainClient(port).pause();
    await server.until(/secure-sockets: lost /, 60_000);
    expect(performance.now() - resetAt).toBeLessThan(7000);
  });

  test('lets go of a client when its target resets after the client has ended', async () => {
    const target = await plainServer((socket) => {
      socket.resume();
      socket.on('end', () => {
        socket.write('half of ');
        setTimeout(() => socket.resetAndDestroy(), 200);
      });
    });
    const { port, server } = await tunnelTo(target, options);
    const socket = plainClient(port);
    socket.end('hello');
    await expect(once(socket.resume(), 'end')).rejects.toMatchObject({ code: 'ECONNRESET' });
    await server.until(/secure-sockets: lost /);
  });

  test('delivers all that a client sent before it ended, however slowly the target reads', async () => {
    let received = 0;
    const ended = new Promise<void>((resolve) => {
      void plainServer(async (socket) => {
        socket.end('answer');
        for await (const chunk of socket) {
          received += (chunk as Uint8Array).length;
          await sleep(1);
        }
        resolve();
      }).then(async (target) => {
        const { port } = await tunnelTo(target, options);
        plainClient(port)
          .resume()
          .end(Buffer.alloc(12 << 20));
      });
    });
    await ended;
    expect(received).toBe(12 << 20);
  });

  test('is not ended by SIGHUP', async () => {
    const target = await plainServer((socket) => socket.end('still here'));
    const { port, client, server } = await tunnelTo(target, options);
    for (const { child } of [client, server]) child.kill('SIGHUP');
    await sleep(300);
    const [answer] = await once(plainClient(port), 'data');
    expect(String(answer)).toBe('still here');
  });
});

describe('listen and connect', () => {
  test('end at SIGTERM though no one reads their output', { timeout: 60_000 }, async () => {
    const server = begin('listen', '--identity', 'server.pem', '127.0.0.1:0');
    const client = begin('connect', '--server-key', place.serverKey, `127.0.0.1:${await portOf(server)}`);
    for (const { child } of [server, client]) child.stdout?.pause();
    for (const { child } of [server, client]) pour(child.stdin);
    await sleep(2000);
    for (const { child } of [server, client]) child.stdout?.removeAllListeners('data').pause();
    const times = await Promise.all([timeToDie(server), timeToDie(client)]);
    for (const time of times) expect(time).toBeLessThan(9000);
  });

  test('connect exits with 4 when what it sent cannot be written', async () => {
    const server = begin(
      { env: {}, stdout: openSync('/dev/full', 'w') },
      'listen',
      '--identity',
      'server.pem',
      '127.0.0.1:0',
    );
    server.child.stdin?.end();
    const client = begin('connect', '--server-key', place.serverKey, `127.0.0.1:${await portOf(server)}`);
    client.child.stdin?.end(Buffer.alloc(100_000));
    expect(await client.ended).toMatchObject({ code: 4 });
    const { code, stderr } = await server.ended;
    expect(stderr).toMatch(/standard output: ENOSPC/);
    expect(code).toBe(4);
  });

  test('listen exits with 4 when what it sent cannot be written, if nothing more comes', async () => {
    const server = begin('listen', '--identity', 'server.pem', '127.0.0.1:0');
    const to = `127.0.0.1:${await portOf(server)}`;
    const full = { env: {}, stdout: openSync('/dev/full', 'w') };
    const client = begin(full, 'connect', '--server-key', place.serverKey, to);
    client.child.stdin?.end();
    server.child.stdin?.end(Buffer.alloc(1000));
    expect(await server.ended).toMatchObject({ code: 4 });
    const { code, stderr } = await client.ended;
    expect(stderr).toMatch(/standard output: ENOSPC/);
    expect(code).toBe(4);
  });

  test('notice at once that output cannot be written', async () => {
    const full = { env: {}, stdout: openSync('/dev/full', 'w') };
    const server = begin(full, 'listen', '-k', '--identity', 'server.pem', '127.0.0.1:0');
    const client = begin('connect', '--server-key', place.serverKey, `127.0.0.1:${await portOf(server)}`);
    client.child.stdin?.write('one line, and no end of the input');
    expect(await server.ended).toMatchObject({ code: 4 });
    expect(await client.ended).toMatchObject({ code: 4 });
  });

  test('exit with 4 in classic too, where the end of the stream would be an end in order', async () => {
    const full = { env: {}, stdout: openSync('/dev/full', 'w') };
    const server = begin(full, 'listen', '--protocol', 'classic', '127.0.0.1:0');
    const client = begin('connect', '--protocol', 'classic', `127.0.0.1:${await portOf(server)}`);
    client.child.stdin?.end(Buffer.alloc(1000));
    expect(await client.ended).toMatchObject({ code: 4 });
    expect(await server.ended).toMatchObject({ code: 4 });
  });

  test('listen -k says so when what was sent cannot be written, and its client exits with 4', async () => {
    const stdout = openSync('/dev/full', 'w');
    const server = begin({ env: {}, stdout }, 'listen', '-k', '--identity', 'server.pem', '127.0.0.1:0');
    const client = begin('connect', '--server-key', place.serverKey, `127.0.0.1:${await portOf(server)}`);
    client.child.stdin?.end(Buffer.alloc(100_000));
    expect(await client.ended).toMatchObject({ code: 4 });
    expect(await server.ended).toMatchObject({ code: 4 });
  });

  test.each(['listen', 'receive'])('%s -k is not ended by SIGHUP', async (command) => {
    const server = begin(command, '-k', '--identity', 'server.pem', '127.0.0.1:0');
    await portOf(server);
    server.child.kill('SIGHUP');
    await sleep(300);
    expect(server.child.exitCode ?? server.child.signalCode).toBeNull();
    expect(await server.stop('SIGTERM')).toMatchObject({ code: 0 });
  });
});

async function timeToDie({ child }: Tunnel['server']): Promise<number> {
  const begun = performance.now();
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
  (child.stdout as Readable).destroy();
  return performance.now() - begun;
}
