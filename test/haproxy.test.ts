import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { BlockList, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fromDuplex, Identity, reconnecting, SecureClient, SecureServer } from 'secure-sockets';
import { afterAll, afterEach, beforeAll, describe, expect, it, test } from 'vitest';
import { freePort } from '../scripts/lib/free-port.mjs';
import { kill, outcomeOf, root, spawnNode } from './helpers/pack.js';
import { pause } from './helpers/sockets.js';

// Debian keeps it where only the administrator's PATH leads.
const program = ['haproxy', '/usr/sbin/haproxy'].find((name) => spawnSync(name, ['-v']).status === 0);
const folder = mkdtempSync(join(tmpdir(), 'secure-sockets-haproxy-'));
const children: ChildProcess[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) await kill(child);
});
afterAll(() => rmSync(folder, { recursive: true }));

if (program === undefined) {
  test.skipIf(!process.env.REQUIRE_PROGRAMS)(
    'the servers behind HAProxy are NOT TESTED: there is no haproxy (apt-get install haproxy)',
    () => expect.fail('REQUIRE_PROGRAMS is set, and there is no haproxy (apt-get install haproxy)'),
  );
}

describe.runIf(program !== undefined)('with the real HAProxy', () => {
  let identity: Identity;
  const keyFile = join(folder, 'server.pem');
  const ticketKeys = join(folder, 'ticket-keys');

  beforeAll(async () => {
    const check = await outcomeOf(spawnNode(folder, [join(root, 'scripts/ensure-install.mjs'), '--check']));
    expect(check.code, `${check.stderr.trim()} has to be run first`).toBe(0);
    identity = await Identity.generate({ modulusLength: 2048 });
    await identity.save(keyFile);
    await writeFile(ticketKeys, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
  }, 60_000);

  /** HAProxy as in the example, in front of two ports. */
  async function haproxy(one: number | string, two: number | string): Promise<number> {
    const port = await freePort();
    const child = spawn(program as string, ['-db', '-f', join(root, 'examples/haproxy/haproxy.cfg')], {
      env: {
        ...process.env,
        LISTEN: `127.0.0.1:${port}`,
        SERVER_ONE: `127.0.0.1:${one}`,
        SERVER_TWO: `127.0.0.1:${two}`,
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    children.push(child);
    const lines: string[] = [];
    child.stderr.on('data', (text) => lines.push(String(text)));
    for (;;) {
      if (child.exitCode !== null) throw new Error(`haproxy ended: ${lines.join('')}`);
      if (await answers(port)) return port;
      await pause(20);
    }
  }

  /** A client from an address of its own, so that it is not mistaken for the proxy. */
  async function clientFrom(localAddress: string, port: number): Promise<SecureClient> {
    const client = new SecureClient({ serverKey: identity.fingerprint });
    await client.connect(fromDuplex(await socketFrom(localAddress, port)));
    return client;
  }

  describe('two processes with one identity, as in examples/haproxy,', () => {
    async function server(): Promise<{ child: ChildProcess; port: string; log: string[] }> {
      const child = spawn(process.execPath, [join(root, 'examples/haproxy/server.mjs')], {
        cwd: folder,
        env: { ...process.env, KEY_FILE: keyFile, TICKET_KEYS: ticketKeys },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      children.push(child);
      const log: string[] = [];
      createInterface({ input: child.stderr as NodeJS.ReadableStream }).on('line', (line) => log.push(line));
      const [line] = (await once(
        createInterface({ input: child.stdout as NodeJS.ReadableStream }),
        'line',
      )) as [string];
      const [port = '', fingerprint] = line.split(' ');
      expect(fingerprint).toBe(identity.fingerprint);
      return { child, port, log };
    }

    async function whoServes(client: SecureClient): Promise<string> {
      await client.send(new Uint8Array());
      const answer = Buffer.from((await client.recv()) as Uint8Array).toString();
      await client.close();
      return answer;
    }

    it('share the clients, and both know who they are', { timeout: 60_000 }, async () => {
      const [one, two] = [await server(), await server()];
      const port = await haproxy(one.port, two.port);
      const served: string[] = [];
      for (let i = 0; i < 6; i++) served.push(await whoServes(await clientFrom(`127.0.0.${10 + i}`, port)));
      for (const { child } of [one, two]) {
        const mine = served.filter((answer) => answer.startsWith(`process ${child.pid} `));
        expect(mine.length, served.join('\n')).toBeGreaterThanOrEqual(2);
      }
      expect(served.map((answer) => answer.split(' ').at(-1))).toEqual(
        Array.from({ length: 6 }, (_, i) => `127.0.0.${10 + i}`),
      );
      const output = await outcomeOf(
        spawnNode(folder, [join(root, 'examples/haproxy/client.mjs'), `${port}`, identity.fingerprint, '4']),
      );
      expect(output.stderr).toBe('');
      expect(output.stdout.trimEnd().split('\n')).toEqual(
        [0, 1, 2, 3].map((i) =>
          expect.stringMatching(
            `^process \\d+ serves 127\\.0\\.0\\.1 \\(${i === 0 ? 'full handshake' : 'resumed'}\\)$`,
          ),
        ),
      );
      // at either process, whichever issued the ticket
      const resumedAt = output.stdout.trimEnd().split('\n').slice(1);
      expect([...new Set(resumedAt.map((line) => line.split(' ')[1]))].sort()).toEqual(
        [one.child.pid, two.child.pid].map(String).sort(),
      );
    });

    it('report an unauthenticated client by its own address, and no health check', {
      timeout: 60_000,
    }, async () => {
      const [one, two] = [await server(), await server()];
      const port = await haproxy(one.port, two.port);
      for (const address of ['127.0.0.21', '127.0.0.22']) {
        const socket = await socketFrom(address, port);
        socket.end('GET / HTTP/1.1\r\nHost: here\r\n\r\n');
        await once(socket.resume(), 'close');
      }
      // time for a health check or two
      await pause(2500);
      const lines = [...one.log, ...two.log];
      expect(lines.map((line) => line.split(':')[0]).sort()).toEqual(['127.0.0.21', '127.0.0.22']);
    });

    it('stand in for each other', { timeout: 60_000 }, async () => {
      const [one, two] = [await server(), await server()];
      const port = await haproxy(one.port, two.port);
      const served = new Set<string | undefined>();
      let rounds = 0;
      for await (const client of reconnecting(
        { host: '127.0.0.1', port },
        { serverKey: identity.fingerprint, closeTimeout: 500 },
        { initialDelay: 10, maxDelay: 200 },
      )) {
        try {
          await client.send(new Uint8Array());
          served.add(
            Buffer.from((await client.recv()) as Uint8Array)
              .toString()
              .split(' ')[1],
          );
        } catch (error) {
          // the server that has just been stopped, before HAProxy has noticed
          expect((error as { code?: string }).code).toBeTypeOf('string');
          continue;
        }
        if (served.size < 2) continue;
        if (rounds++ === 0) {
          await kill(one.child);
          served.clear();
          served.add(String(one.child.pid));
        } else break;
      }
      expect([...served]).toEqual([String(one.child.pid), String(two.child.pid)]);
    });
  });

  it('carries large messages both ways, and ends in order', { timeout: 60_000 }, async () => {
    const proxies = new BlockList();
    proxies.addAddress('127.0.0.1');
    const server = new SecureServer({ identity, trustedProxies: proxies, allowHalfOpen: true });
    await server.listen({ host: '127.0.0.1', port: 0 });
    const { port: behind } = server.address as { port: number };
    const port = await haproxy(behind, behind);
    const large = randomBytes(8_000_000);
    for (const _version of [2, 1]) {
      const client = await clientFrom('127.0.0.30', port);
      const peer = await server.accept();
      expect(peer.remoteAddress).toBe('127.0.0.30');
      const sending = [client.send(large), peer.send(large)];
      expect(hash((await peer.recv()) as Uint8Array)).toBe(hash(large));
      expect(hash((await client.recv()) as Uint8Array)).toBe(hash(large));
      await Promise.all(sending);
      await client.end();
      expect(await peer.recv()).toBeNull();
      await peer.send(Uint8Array.of(1));
      await peer.end();
      expect(await client.recv()).toEqual(Uint8Array.of(1));
      expect(await client.recv()).toBeNull();
    }
    await server.close();
  });
});

const hash = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

async function socketFrom(localAddress: string, port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, localAddress, allowHalfOpen: true });
  await once(socket, 'connect');
  return socket;
}

async function answers(port: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port });
  const [event] = await Promise.race([
    once(socket, 'connect').then(() => ['connect']),
    once(socket, 'close').then(() => ['close']),
  ]).catch(() => ['error']);
  socket.on('error', () => {}).destroy();
  return event === 'connect';
}
