// listen and connect as pipes. One file, because both ends of the same pairs of programs are tried.

import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { Identity, SecureClient, SecureServer, type ServerOptions } from 'secure-sockets';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { portOf as portOfServer } from '../helpers/sockets.js';
import { portOf, type Running, requireBuild, start } from './command.js';

let folder: string;
let identity: Identity;
const undo: (() => unknown)[] = [];

beforeAll(async () => {
  await requireBuild();
  folder = mkdtempSync(join(tmpdir(), 'secure-sockets-pipes-'));
  identity = await Identity.generate({ modulusLength: 2048 });
  await identity.save(join(folder, 'key.pem'));
});
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('connect, with a server of the library', () => {
  test('prints what an echo server of ten lines answers', async () => {
    const port = await startServing(async (client) => {
      for await (const message of client) await client.send(message);
      await client.close();
    });
    const client = connect(port);
    client.child.stdin?.end('hello\n');
    expect(await client.ended).toMatchObject({ code: 0, stdout: 'hello\n' });
  });

  test('sends the input and nothing else, and says at its end that it reads on', async () => {
    const messages: string[] = [];
    let code: number | undefined;
    const port = await startServing(
      async (client) => {
        for await (const message of client) messages.push(new TextDecoder().decode(message));
        code = client.closeCode;
        await client.send(new TextEncoder().encode('after that\n'));
        await client.close();
      },
      { allowHalfOpen: true },
    );
    const client = connect(port);
    client.child.stdin?.end('hello\n');
    expect(await client.ended).toMatchObject({ code: 0, stdout: 'after that\n' });
    expect(messages).toEqual(['hello\n']);
    expect(code).toBe(16384);
  });

  test.each([
    [16384, 'it is read to the end', 'first last'],
    [0, 'it is taken to have closed', 'first '],
  ])('of a server that ends with code %i %s', async (code, _, expected) => {
    let received = '';
    const port = await startServing(
      async (client) => {
        await client.end({ code });
        for await (const message of client) received += new TextDecoder().decode(message);
        await client.close();
      },
      { allowHalfOpen: true },
    );
    const client = connect(port);
    client.child.stdin?.write('first ');
    setTimeout(() => client.child.stdin?.end('last'), 2500);
    expect(await client.ended).toMatchObject({ code: 0 });
    expect(received).toBe(expected);
  });

  test('ends when the server closes, though its own input stays open', async () => {
    let begun = 0;
    const port = await startServing(async (client) => {
      begun = performance.now();
      await client.send(new TextEncoder().encode('bye\n'));
      await client.close();
    });
    expect(await connect(port).ended).toMatchObject({ code: 0, stdout: 'bye\n' });
    expect(performance.now() - begun).toBeLessThan(4000);
  });

  test('says so when the server closes before all of the input is sent', async () => {
    const port = await startServing(async (client) => {
      await client.recv();
      await client.close();
    });
    const client = connect(port);
    endless(client.child.stdin);
    const { code, stderr } = await client.ended;
    expect(stderr).toMatch(
      /secure-sockets: (the peer closed before all of the input was sent|the connection was lost)/,
    );
    expect(code).toBe(4);
  });

  test('goes on sending to a server that has only ended its own side', { timeout: 60_000 }, async () => {
    const content = randomBytes(30_000_000);
    writeFileSync(join(folder, 'content'), content);
    const hash = createHash('sha256');
    const port = await startServing(
      async (client) => {
        await client.end();
        for await (const message of client) hash.update(message);
        await client.close();
      },
      { allowHalfOpen: true },
    );
    const client = connect(port);
    client.child.stdin?.end(content);
    expect(await client.ended).toMatchObject({ code: 0 });
    expect(hash.digest('hex')).toBe(createHash('sha256').update(content).digest('hex'));
  });

  test('waits as long as --wait says for a late answer', async () => {
    const port = await startServing(async (client) => {
      await client.recv();
      await sleep(2000);
      await client.send(new TextEncoder().encode('late\n'));
      await client.close();
    });
    const [hasty, patient] = [connect(port, '--wait', '0'), connect(port, '--wait', '60')];
    for (const { child } of [hasty, patient]) child.stdin?.end('question\n');
    expect((await hasty.ended).stdout).toBe('');
    expect(await patient.ended).toMatchObject({ code: 0, stdout: 'late\n' });
  });

  test('prints what came before the connection was cut off, and exits with 4', async () => {
    let cut = (): void => {};
    const port = await startServing(async (client) => {
      cut = () => client.destroy();
      await client.send(new TextEncoder().encode('half of '));
    });
    const client = connect(port);
    client.child.stdout?.once('data', () => cut());
    const { code, stdout, stderr } = await client.ended;
    expect(stderr).toMatch(/^secure-sockets: the connection was lost: /);
    expect([code, stdout]).toEqual([4, 'half of ']);
  });
});

describe('listen, with a client of the library', () => {
  test('without any input leaves the end to the client', async () => {
    const server = listen('ignore');
    const client = await connectTo(server);
    await sleep(1500);
    await client.send(new TextEncoder().encode('still there?\n'));
    await client.close();
    expect(await server.ended).toMatchObject({ code: 0, stdout: 'still there?\n' });
  });

  test('ends when the client closes, though its own input stays open', async () => {
    const server = listen('pipe');
    const client = await connectTo(server);
    await client.send(new TextEncoder().encode('hello\n'));
    await client.close();
    expect(await server.ended).toMatchObject({ code: 0, stdout: 'hello\n' });
  });
});

describe('signals', () => {
  test.each(['SIGINT', 'SIGTERM'] as const)(
    '%s closes in order: the peer has what was sent, and knows that it is a part',
    async (signal) => {
      const server = listen('ignore');
      const client = connect(await portOf(server));
      client.child.stdin?.write('as far as it went\n');
      await once(server.child.stdout as Readable, 'data');
      const { code, stderr } = await client.stop(signal);
      expect(stderr).toContain(`stopped by ${signal}`);
      expect(code).toBe(signal === 'SIGINT' ? 130 : 143);
      expect(await server.ended).toMatchObject({
        code: 4,
        stdout: 'as far as it went\n',
        stderr: expect.stringContaining('secure-sockets: the peer was stopped before it had sent everything'),
      });
    },
  );

  test('a client of a server that is stopped knows that there was more', async () => {
    const server = listen('pipe', '-k');
    const client = connect(await portOf(server));
    server.child.stdin?.write('as far as it went\n');
    await once(client.child.stdout as Readable, 'data');
    expect(await server.stop('SIGTERM')).toMatchObject({ code: 0 });
    expect(await client.ended).toMatchObject({ code: 4, stdout: 'as far as it went\n' });
  });

  test('a peer that is killed is not taken for one that has ended', async () => {
    const server = listen('ignore');
    const client = connect(await portOf(server));
    client.child.stdin?.write('half of ');
    await once(server.child.stdout as Readable, 'data');
    await client.stop('SIGKILL');
    const { code, stderr } = await server.ended;
    expect(stderr).toMatch(/secure-sockets: the connection was lost: /);
    expect(code).toBe(4);
  });

  test('a server that waits for clients stops', async () => {
    const server = listen('ignore', '-k');
    await portOf(server);
    expect(await server.stop('SIGTERM')).toMatchObject({ code: 0 });
  });
});

describe('long pipes', () => {
  const mebibytes = Number(process.env.SECURE_SOCKETS_PIPE_MIB ?? 256);

  test(`${mebibytes} MiB pass through both ways with flat memory`, {
    timeout: 60_000 + mebibytes * 200,
  }, async () => {
    const server = listen('pipe');
    const client = connect(await portOf(server));
    const [up, down] = [pour(client, server, mebibytes), pour(server, client, mebibytes)];
    let max = 0;
    const watch = setInterval(() => {
      for (const { child } of [client, server]) max = Math.max(max, residentMiB(child.pid));
    }, 50);
    expect(await up).toBe(await contentHash(mebibytes));
    expect(await down).toBe(await contentHash(mebibytes));
    clearInterval(watch);
    expect(await client.ended).toMatchObject({ code: 0 });
    expect(await server.ended).toMatchObject({ code: 0 });
    expect(max).toBeGreaterThan(20);
    expect(max).toBeLessThan(300);
  });

  test('a reader that is slow slows the writer', { timeout: 60_000 }, async () => {
    const server = listen('ignore');
    server.child.stdout?.pause();
    const client = connect(await portOf(server));
    server.child.stdout?.pause();
    const stdin = client.child.stdin as Writable;
    let taken = 0;
    const piece = Buffer.alloc(1 << 20);
    while (taken < 400 && (await writeWithin(stdin, piece, 2000))) taken++;
    expect(taken).toBeLessThan(200);
    for (const { child } of [client, server]) expect(residentMiB(child.pid)).toBeLessThan(300);
  });
});

async function startServing(
  serve: (client: SecureClient) => Promise<void>,
  options: ServerOptions = {},
): Promise<number> {
  const server = new SecureServer({ identity, ...options });
  await server.listen({ host: '127.0.0.1', port: 0 });
  undo.push(() => server.close({ timeout: 100 }));
  void (async () => {
    for await (const client of server) serve(client).catch(() => client.destroy());
  })();
  return portOfServer(server);
}

function connect(port: number, ...args: string[]): Running {
  return begin(['connect', ...args, '--server-key', identity.fingerprint, `127.0.0.1:${port}`]);
}

function listen(stdin: 'ignore' | 'pipe', ...args: string[]): Running {
  const running = begin(['listen', ...args, '--identity', 'key.pem', '127.0.0.1:0']);
  if (stdin === 'ignore') running.child.stdin?.end();
  return running;
}

async function connectTo(server: Running): Promise<SecureClient> {
  const client = new SecureClient({ serverKey: identity.fingerprint });
  await client.connect({ host: '127.0.0.1', port: await portOf(server) });
  undo.push(() => client.destroy());
  return client;
}

function begin(args: string[]): Running {
  const running = start(folder, args);
  running.child.stdin?.on('error', () => {});
  undo.push(() => running.stop('SIGKILL'));
  return running;
}

function endless(stdin: Writable | null): void {
  if (stdin === null || stdin.destroyed) return;
  stdin.write(Buffer.alloc(1 << 16), (error) => {
    if (!error) endless(stdin);
  });
}

const pattern = randomBytes(1 << 20);

/** Writes so much to one end and returns the hash of what the other end prints. */
async function pour(from: Running, to: Running, mebibytes: number): Promise<string> {
  const hash = createHash('sha256');
  const stdout = to.child.stdout as Readable;
  stdout.removeAllListeners('data').setEncoding('latin1');
  stdout.on('data', (text: string) => hash.update(text, 'latin1'));
  const ended = once(stdout, 'end');
  const stdin = from.child.stdin as Writable;
  for (let i = 0; i < mebibytes; i++) if (!stdin.write(pattern)) await once(stdin, 'drain');
  stdin.end();
  await ended;
  return hash.digest('hex');
}

async function contentHash(mebibytes: number): Promise<string> {
  const hash = createHash('sha256');
  for (let i = 0; i < mebibytes; i++) hash.update(pattern);
  return hash.digest('hex');
}

async function writeWithin(stdin: Writable, piece: Uint8Array, milliseconds: number): Promise<boolean> {
  if (stdin.write(piece)) return true;
  return Promise.race([once(stdin, 'drain').then(() => true), sleep(milliseconds, false)]);
}

/** Resident memory, as Linux tells it; 0 of a process that has ended. */
function residentMiB(pid: number | undefined): number {
  try {
    return (Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * 4096) / 2 ** 20;
  } catch (error) {
    if (error instanceof Error && 'code' in error && ['ENOENT', 'ESRCH'].includes(String(error.code)))
      return 0;
    throw error;
  }
}
