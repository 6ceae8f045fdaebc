import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Identity, SecureServer } from 'secure-sockets';
import { describe, expect, test } from 'vitest';
import { portOf } from './cli/command.js';
import {
  addressOf,
  begin,
  plainClient,
  plainServer,
  tunnelClient,
  tunnelServer,
  tunnelTo,
  usePlace,
  writeWithin,
} from './cli/place.js';
import { portOf as portOfServer } from './helpers/sockets.js';

const place = usePlace();
const { undo } = place;
const run = promisify(execFile);

describe('connections through a tunnel', () => {
  test('each direction ends by itself', async () => {
    const target = await plainServer((socket) => {
      let request = '';
      socket.on('data', (bytes) => {
        request += bytes;
      });
      socket.on('end', () => socket.end(`you said ${request}`));
    });
    const { port } = await tunnelTo(target);
    const socket = plainClient(port);
    socket.end('hello');
    expect(await text(socket)).toBe('you said hello');
  });

  test('a hundred of them at once, each with its own bytes', async () => {
    const target = await plainServer((socket) => socket.pipe(socket));
    const { port } = await tunnelTo(target);
    const echoes = Array.from({ length: 100 }, async () => {
      const bytes = randomBytes(50_000).toString('base64');
      const socket = plainClient(port);
      socket.end(bytes);
      expect((await text(socket)) === bytes).toBe(true);
    });
    await Promise.all(echoes);
  });

  test('more of them at once than the server shakes hands with', async () => {
    const identity = await Identity.load(join(place.folder, 'server.pem'));
    const refused: Error[] = [];
    const onHandshakeError = (error: Error): void => void refused.push(error);
    const verifyClient = (): Promise<boolean> => sleep(200, true);
    const limits = { maxPendingHandshakes: 64, onHandshakeError };
    const server = new SecureServer({ identity, verifyClient, ...limits });
    await server.listen({ host: '127.0.0.1', port: 0 });
    undo.push(() => server.close({ timeout: 100 }));
    void (async () => {
      for await (const client of server)
        void client.send(new TextEncoder().encode('welcome')).catch(() => {});
    })();
    const { port } = await tunnelClient(portOfServer(server));
    const greetings = Array.from({ length: 150 }, async () => {
      const [greeting] = await once(plainClient(port), 'data');
      expect(String(greeting)).toBe('welcome');
    });
    await Promise.all(greetings);
    expect(refused).toEqual([]);
  });

  test('a target that resets is seen to reset, not to end', async () => {
    const target = await plainServer((socket) => {
      socket.write('half of ');
      socket.once('data', () => socket.resetAndDestroy());
    });
    const { port } = await tunnelTo(target);
    const socket = plainClient(port);
    await once(socket, 'data');
    socket.write('go');
    await expect(once(socket, 'end')).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  test('a client that resets is seen to reset at the target', async () => {
    let [onSeen, onBegun] = [(_what: string): void => {}, (): void => {}];
    const ending = new Promise<string>((resolve) => {
      onSeen = resolve;
    });
    const begun = new Promise<void>((resolve) => {
      onBegun = resolve;
    });
    const target = await plainServer((socket) => {
      socket.on('data', () => onBegun());
      socket.on('end', () => onSeen('end'));
      socket.on('error', (error: Error & { code?: string }) => onSeen(String(error.code)));
    });
    const { port } = await tunnelTo(target);
    const socket = plainClient(port);
    await once(socket, 'connect');
    socket.write('half of ');
    await begun;
    socket.resetAndDestroy();
    expect(await ending).toBe('ECONNRESET');
  });

  test('a reader that is slow slows the writer, and the tunnel holds little', async () => {
    const target = await plainServer((socket) => socket.pause());
    const { port, client, server } = await tunnelTo(target);
    const socket = plainClient(port);
    await once(socket, 'connect');
    let taken = 0;
    const piece = Buffer.alloc(1 << 20);
    while (taken < 512 && (await writeWithin(socket, piece, 2000))) taken++;
    expect(taken).toBeLessThan(50);
    for (const { child } of [client, server]) expect(await residentMiB(child.pid)).toBeLessThan(300);
    socket.destroy();
  });

  test('a client that resets is cut off from a target at a Unix domain socket too', async () => {
    let onClosed: () => void = () => {};
    const ending = new Promise<void>((resolve) => {
      onClosed = resolve;
    });
    const path = join(place.folder, 'target.sock');
    const target = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => {}).on('close', onClosed);
      socket.once('data', (bytes) => socket.write(bytes));
      socket.on('end', () => socket.end());
    });
    target.listen(path);
    undo.push(() => target.close());
    const { port, server } = await tunnelTo(`unix:${path}`);
    const socket = plainClient(port);
    socket.write('hello');
    await once(socket, 'data');
    socket.resetAndDestroy();
    await ending;
    await server.until(/secure-sockets: lost 127\.0\.0\.1:\d+: the peer/);
  });

  test('with no one at the target, the client is cut off and the server reports it', async () => {
    const target = await plainServer(() => {});
    const { port, server } = await tunnelTo(target);
    target.close();
    const socket = plainClient(port);
    await expect(once(socket, 'end')).rejects.toMatchObject({ code: 'ECONNRESET' });
    await server.until(/secure-sockets: lost 127\.0\.0\.1:\d+: connect ECONNREFUSED 127\.0\.0\.1:\d+/);
  });

  test('with no one at the server, the client is cut off and told, and the next one gets through', async () => {
    const target = await plainServer((socket) => socket.end('here'));
    const { port, client, server, serverPort } = await tunnelTo(target);
    await server.stop();
    await expect(once(plainClient(port), 'end')).rejects.toMatchObject({ code: 'ECONNRESET' });
    await client.until(/secure-sockets: lost 127\.0\.0\.1:\d+: connect ECONNREFUSED/);
    await tunnelServer(target, serverPort);
    expect(await text(plainClient(port))).toBe('here');
  });

  test('a server that is stopped in order is not taken for the end of what it sent', async () => {
    const identity = await Identity.load(join(place.folder, 'server.pem'));
    const server = new SecureServer({ identity });
    await server.listen({ host: '127.0.0.1', port: 0 });
    undo.push(() => server.close());
    const { port, running } = await tunnelClient(portOfServer(server));
    const socket = plainClient(port);
    await (await server.accept()).send(new TextEncoder().encode('half of '));
    await once(socket, 'data');
    const cut = expect(once(socket, 'end')).rejects.toMatchObject({ code: 'ECONNRESET' });
    await server.close({ timeout: 100 });
    await cut;
    await running.until(/lost 127\.0\.0\.1:\d+: the peer was stopped before it had sent everything/);
  });

  test('beyond the limit connections are refused, and it says so', async () => {
    const target = await plainServer((socket) => socket.write('welcome'));
    const { port, client } = await tunnelTo(target, { client: ['--max-connections', '2'] });
    const two = [plainClient(port), plainClient(port)];
    for (const socket of two) await once(socket, 'data');
    await expect(text(plainClient(port))).rejects.toMatchObject({ code: 'ECONNRESET' });
    await client.until(/secure-sockets: refused 127\.0\.0\.1:\d+: 2 connections are open/);
    two[0]?.resetAndDestroy();
    await client.until(/lost/);
    const [welcome] = await once(plainClient(port), 'data');
    expect(String(welcome)).toBe('welcome');
  });

  test('stopped, both ends let what is under way come to its end', async () => {
    const target = await plainServer((socket) => {
      socket.write('one ');
      socket.once('data', () => socket.end('two'));
    });
    const { port, client, server } = await tunnelTo(target);
    const socket = plainClient(port);
    await once(socket, 'readable');
    const ends = [client.stop('SIGINT'), server.stop('SIGTERM')];
    await sleep(200);
    socket.end('go on');
    expect(await text(socket)).toBe('one two');
    for (const end of ends) expect(await end).toMatchObject({ code: 0 });
  });

  test('the classic protocol is carried too', async () => {
    const target = await plainServer((socket) => socket.pipe(socket));
    await (await Identity.generate({ role: 'classic-server' })).save(join(place.folder, 'classic.pem'));
    const server = begin(
      'tunnel',
      'server',
      '--protocol',
      'classic',
      '--any-client',
      '--identity',
      'classic.pem',
      '127.0.0.1:0',
      addressOf(target),
    );
    const client = begin(
      'tunnel',
      'client',
      '--protocol',
      'classic',
      '127.0.0.1:0',
      `127.0.0.1:${await portOf(server)}`,
    );
    const socket = plainClient(await portOf(client));
    socket.end('hello');
    expect(await text(socket)).toBe('hello');
  });
});

describe('who gets through', () => {
  test('no client reaches the target before it has authenticated', async () => {
    let connections = 0;
    const target = await plainServer((socket) => {
      connections++;
      socket.end('secret');
    });
    const server = await tunnelServer(target);
    const serverPort = await portOf(server);
    const unauthorized = await tunnelClient(serverPort, ['--identity', 'unauthorized.pem']);
    const anonymous = await tunnelClient(serverPort, []);
    for (const { running, port } of [unauthorized, anonymous]) {
      await expect(once(plainClient(port), 'end')).rejects.toMatchObject({ code: 'ECONNRESET' });
      await running.until(/secure-sockets: lost /);
    }
    const silent = plainClient(serverPort);
    await once(silent, 'connect');
    await sleep(300);
    expect(connections).toBe(0);
    const { port } = await tunnelClient(serverPort);
    expect(await text(plainClient(port))).toBe('secret');
    expect(connections).toBe(1);
    expect(server.errors().match(/refused 127\.0\.0\.1/g)).toHaveLength(2);
  });

  test('a server with another key is not spoken to', async () => {
    const target = await plainServer((socket) => socket.end('secret'));
    const { port, client } = await tunnelTo(target, { pin: `SHA256:${'A'.repeat(43)}` });
    await expect(once(plainClient(port), 'end')).rejects.toMatchObject({ code: 'ECONNRESET' });
    await client.until(/serverKey allows only SHA256:AAAA/);
  });
});

test('names are looked up for every connection', async () => {
  const first = await plainServer((socket) => socket.end('first'), '127.0.0.1');
  const port = (first.address() as AddressInfo).port;
  await plainServer((socket) => socket.end('second'), '127.0.0.2', port);
  // resolves moving.example to 127.0.0.1 once and to 127.0.0.2 from then on
  const moving = `import dns from 'node:dns';
    const { lookup } = dns;
    let address = '127.0.0.1';
    dns.lookup = (name, options, done) => {
      if (name !== 'moving.example') return lookup(name, options, done);
      process.nextTick(done, null, options.all ? [{ address, family: 4 }] : address, 4);
      address = '127.0.0.2';
    };`;
  const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(moving)}` };
  const args = ['--identity', 'server.pem', '--authorized-keys', 'keys', '127.0.0.1:0'];
  const server = begin({ env }, 'tunnel', 'server', ...args, `moving.example:${port}`);
  const client = await tunnelClient(await portOf(server));
  expect(await text(plainClient(client.port))).toBe('first');
  expect(await text(plainClient(client.port))).toBe('second');
});

async function residentMiB(pid: number | undefined): Promise<number> {
  const { stdout } = await run('ps', ['-o', 'rss=', '-p', String(pid)]);
  return Number(stdout) / 1024;
}
