import { once } from 'node:events';
import { createServer, type Socket, connect as tcpConnect } from 'node:net';
import { buffer, text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { portOf } from './command.js';
import {
  addressOf,
  begin,
  echo,
  plainClient,
  plainServer,
  type Tunnel,
  tunnelClient,
  tunnelServer,
  tunnelTo,
  usePlace,
} from './place.js';

// Many plain connections over few sealed ones.

const place = usePlace();

describe('carriers', () => {
  test('one sealed connection carries fifty plain ones, one after another and at once', async () => {
    const target = await plainServer((socket) => socket.pipe(socket));
    const { port, server } = await tunnelTo(target, { client: ['--carriers', '1'] });
    for (let count = 0; count < 25; count++) expect(await echo(port, `${count}`)).toBe(`${count}`);
    const echoes = Array.from({ length: 25 }, (_, count) => echo(port, `${count}`));
    expect(await Promise.all(echoes)).toEqual(Array.from({ length: 25 }, (_, count) => `${count}`));
    expect(carriersOf(server)).toBe(1);
  });

  test('several are opened as far as they are used at once', async () => {
    const target = await plainServer((socket) => socket.pipe(socket));
    const { port, server } = await tunnelTo(target, { client: ['--carriers', '3'] });
    for (let count = 0; count < 5; count++) await echo(port, 'one after another');
    expect(carriersOf(server)).toBe(1);
    const open = Array.from({ length: 12 }, () => plainClient(port));
    for (const socket of open) {
      socket.write('at once');
      await once(socket, 'data');
    }
    expect(carriersOf(server)).toBe(3);
  });

  test('a target that does not read holds up no other stream', { timeout: 60_000 }, async () => {
    const target = await plainServer((socket) => {
      socket.once('data', (first) => {
        if (String(first).startsWith('mute')) socket.pause();
        else socket.pipe(socket);
      });
    });
    const { port } = await tunnelTo(target, { client: ['--carriers', '1'] });
    const mute = Array.from({ length: 8 }, () => plainClient(port));
    for (const socket of mute) {
      socket.write('mute');
      await sleep(20);
      socket.write(Buffer.alloc(32 << 20));
    }
    await sleep(1000);
    const begun = performance.now();
    const socket = plainClient(port);
    socket.write('first');
    await sleep(100);
    socket.end(Buffer.alloc(16 << 20));
    let received = 0;
    for await (const chunk of socket) received += (chunk as Uint8Array).length;
    expect(received).toBe(16 << 20);
    expect(performance.now() - begun).toBeLessThan(20_000);
  });

  test('one that is lost resets its streams and no other, and the next connection finds a new one', async () => {
    const target = await plainServer((socket) => socket.pipe(socket));
    const server = await tunnelServer(target);
    const links: Socket[] = [];
    const proxy = createServer((socket) => {
      const to = tcpConnect(portOfRunning(server), '127.0.0.1');
      links.push(socket);
      for (const end of [socket, to]) end.on('error', () => {});
      socket.pipe(to).pipe(socket);
      socket.on('close', () => to.destroy());
    }).listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    place.undo.push(() => proxy.close());
    const { port, running: client } = await tunnelClient((proxy.address() as { port: number }).port, [
      '--identity',
      'client.pem',
      '--carriers',
      '2',
    ]);
    const sockets = Array.from({ length: 6 }, () => plainClient(port));
    const outcomes: string[] = sockets.map(() => 'open');
    for (const [index, socket] of sockets.entries()) {
      socket.on('error', (error) => {
        outcomes[index] = (error as Error & { code: string }).code;
      });
      socket.on('end', () => {
        outcomes[index] = 'end';
      });
      socket.write('hello');
      await once(socket, 'data');
    }
    expect(links).toHaveLength(2);
    links[0]?.destroy();
    await expect.poll(() => outcomes.filter((one) => one === 'ECONNRESET')).toHaveLength(3);
    expect(outcomes.filter((one) => one === 'open')).toHaveLength(3);
    await client.until(/lost 127\.0\.0\.1:\d+: the sealed connection that carried it was lost/);
    expect(await Promise.all(Array.from({ length: 4 }, () => echo(port, 'again')))).toEqual(
      Array(4).fill('again'),
    );
    for (const [index, socket] of sockets.entries()) {
      if (outcomes[index] !== 'open') continue;
      socket.write('still');
      expect(String((await once(socket, 'data'))[0])).toBe('still');
    }
  });

  test('streams whose last bytes and end leave together are through, and not lost', async () => {
    const answer = Buffer.alloc(2 ** 20);
    const target = await plainServer((socket) => socket.once('data', () => socket.end(answer)));
    const { port, server, client } = await tunnelTo(target);
    const asked = Array.from({ length: 40 }, async () => {
      const socket = plainClient(port);
      socket.end('all');
      expect((await buffer(socket)).length).toBe(answer.length);
    });
    await Promise.all(asked);
    await expect.poll(() => server.errors().match(/: (ended|lost) /g)?.length, { timeout: 20_000 }).toBe(40);
    expect(`${server.errors()}${client.errors()}`).not.toContain('lost');
  });

  test('programs that reset 3000 connections end no other', { timeout: 60_000 }, async () => {
    const target = await plainServer((socket) => socket.pipe(socket));
    const { port } = await tunnelTo(target);
    const witness = plainClient(port);
    witness.write('one');
    await once(witness, 'data');
    for (let round = 0; round < 60; round++) {
      const sockets = Array.from({ length: 50 }, () => plainClient(port));
      await Promise.all(
        sockets.map(async (socket) => {
          socket.write('hello');
          await once(socket, 'data');
          socket.resetAndDestroy();
        }),
      );
    }
    witness.write('two');
    expect(String((await once(witness, 'data'))[0])).toBe('two');
    expect(await echo(port, 'and on')).toBe('and on');
  });

  test('beyond its limit a server refuses streams, and both ends say so', async () => {
    const target = await plainServer((socket) => socket.write('welcome'));
    const { port, client, server } = await tunnelTo(target, { server: ['--max-connections', '2'] });
    const two = [plainClient(port), plainClient(port)];
    for (const socket of two) await once(socket, 'data');
    await expect(text(plainClient(port))).rejects.toMatchObject({ code: 'ECONNRESET' });
    await client.until(/lost 127\.0\.0\.1:\d+: the server has as many connections as it takes/);
    await server.until(/refused 127\.0\.0\.1:\d+: 2 connections are open/);
  });

  test('a client is told that the target cannot be reached', async () => {
    const target = await plainServer(() => {});
    const { port, client } = await tunnelTo(target);
    target.close();
    await expect(text(plainClient(port))).rejects.toMatchObject({ code: 'ECONNRESET' });
    await client.until(/lost 127\.0\.0\.1:\d+: the server cannot reach its target/);
  });
});

describe('several targets', () => {
  test('each name has its own, and an unknown one has none', async () => {
    const [one, two] = [
      await plainServer((socket) => socket.end('one')),
      await plainServer((socket) => socket.end('two')),
    ];
    const keys = ['--identity', 'server.pem', '--authorized-keys', 'keys'];
    const named = ['--target', `one=${addressOf(one)}`, '--target', `two=${addressOf(two)}`];
    const server = begin('tunnel', 'server', ...keys, ...named, '127.0.0.1:0');
    const listens = ['one', 'two', 'three'].flatMap((name) => ['--target', `${name}=127.0.0.1:0`]);
    const to = `127.0.0.1:${await portOf(server)}`;
    const client = begin(
      'tunnel',
      'client',
      '--identity',
      'client.pem',
      '--server-key',
      place.serverKey,
      ...listens,
      to,
    );
    const port = async (name: string): Promise<number> =>
      Number((await client.until(new RegExp(`listening at 127.0.0.1:(\\d+) for ${name}\\n`)))[1]);
    // also of the first stream of a carrier, whose end is still writing
    await expect(text(plainClient(await port('three')))).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(await text(plainClient(await port('one')))).toBe('one');
    expect(await text(plainClient(await port('two')))).toBe('two');
    await client.until(/the server has no target three/);
    await server.until(/there is no target "three"/);
    const old = await tunnelClient(await portOf(server), ['--identity', 'client.pem', '--carriers', '0']);
    await expect(text(plainClient(old.port))).rejects.toMatchObject({ code: 'ECONNRESET' });
    await server.until(/the client asks for no target by name/);
  });

  test.each([
    [['--target', 'one'], /--target is NAME=ADDRESS, not "one"/],
    [['--target', 'a=:1', '--target', 'a=:2'], /--target gives the name a twice/],
    [['--target', 'a=:1', ':3'], /a tunnel client takes LISTEN and SERVER, or --target/],
  ])('%j is a mistake', async (flags, message) => {
    const { code, stderr } = await begin('tunnel', 'client', ...flags, ':2').ended;
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });
});

function carriersOf(server: Tunnel['server']): number {
  return server.errors().match(/connected: /g)?.length ?? 0;
}

function portOfRunning(server: Tunnel['server']): number {
  return Number(/listening at .*:(\d+),/.exec(server.errors())?.[1]);
}
