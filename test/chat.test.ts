import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { type ClientOptions, Identity, type SecureClient, Sessions } from 'secure-sockets';
import { afterAll, afterEach, beforeAll, describe, expect, it, test } from 'vitest';
import { freePort } from '../scripts/lib/free-port.mjs';
import { kill, outcomeOf, root, spawnNode } from './helpers/pack.js';
import { pause } from './helpers/sockets.js';

/** What examples/chat/chat.mjs has. */
interface Chat {
  say(text: string): Promise<void>;
  run(to: { host: string; port: number }, options: ClientOptions, signal: AbortSignal): Promise<void>;
}
interface Said {
  readonly place: string;
  readonly name: string;
  readonly text: string;
}
type ChatClass = new (options: {
  name: string;
  onMessage: (message: Said) => void;
  onConnected: (client: SecureClient) => void;
}) => Chat;

const haproxy = ['haproxy', '/usr/sbin/haproxy'].find((name) => spawnSync(name, ['-v']).status === 0);
const hasRedis = spawnSync('redis-server', ['--version']).status === 0;
const hasAll = haproxy !== undefined && hasRedis;
const folder = mkdtempSync(join(tmpdir(), 'secure-sockets-chat-'));
const children: ChildProcess[] = [];

afterEach(async () => {
  for (const child of children.splice(0).reverse()) await kill(child);
});
afterAll(() => rmSync(folder, { recursive: true }));

if (!hasAll) {
  const missing = 'haproxy or redis-server (apt-get install haproxy redis-server)';
  test.skipIf(!process.env.REQUIRE_PROGRAMS)(`the chat is NOT TESTED: there is no ${missing}`, () =>
    expect.fail(`REQUIRE_PROGRAMS is set, and there is no ${missing}`),
  );
}

describe.runIf(hasAll)('a chat on two processes, as in examples/chat,', () => {
  let identity: Identity;
  let Chat: ChatClass;

  beforeAll(async () => {
    const check = await outcomeOf(spawnNode(folder, [join(root, 'scripts/ensure-install.mjs'), '--check']));
    expect(check.code, `${check.stderr.trim()} has to be run first`).toBe(0);
    identity = await Identity.generate({ modulusLength: 2048 });
    await identity.save(join(folder, 'server.pem'));
    await writeFile(join(folder, 'ticket-keys'), `${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
    ({ Chat } = await import(pathToFileURL(join(root, 'examples/chat/chat.mjs')).href));
  }, 60_000);

  function start(program: string, args: readonly string[], env: Record<string, string> = {}): ChildProcess {
    const child = spawn(program, args, {
      ...{ cwd: folder, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] },
    });
    children.push(child);
    return child;
  }

  /** Redis, with what it had in its folder before. */
  async function redis(port: number, data: string): Promise<ChildProcess> {
    const durable = ['--appendonly', 'yes', '--appendfsync', 'always', '--dir', data];
    const child = start('redis-server', ['--bind', '127.0.0.1', '--port', `${port}`, ...durable]);
    child.stdout?.resume();
    await waitForAnswer(port);
    return child;
  }

  async function server(url: string, port = '0'): Promise<{ child: ChildProcess; port: string }> {
    const child = start(process.execPath, [join(root, 'examples/chat/server.mjs'), port], { REDIS_URL: url });
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
    const [line] = (await once(lines, 'line')) as [string];
    return { child, port: line.split(' ')[0] as string };
  }

  async function balancer(one: string, two: string): Promise<number> {
    const port = await freePort();
    start(haproxy as string, ['-db', '-f', join(root, 'examples/haproxy/haproxy.cfg')], {
      LISTEN: `127.0.0.1:${port}`,
      SERVER_ONE: `127.0.0.1:${one}`,
      SERVER_TWO: `127.0.0.1:${two}`,
    });
    await waitForAnswer(port);
    return port;
  }

  /** A member of the chat that keeps what it receives. */
  class Member {
    readonly seen: string[] = [];
    readonly resumed: boolean[] = [];
    readonly name: string;
    readonly chat: Chat;

    constructor(name: string) {
      this.name = name;
      this.chat = new Chat({
        name,
        onMessage: (message) => this.seen.push(`${message.name}: ${message.text}`),
        onConnected: (client) => this.resumed.push(client.resumed),
      });
    }
  }

  it('loses nothing that was told to be delivered, says nothing twice, and goes on when processes and Redis are killed', {
    timeout: 120_000,
  }, async () => {
    const [redisPort, data] = [await freePort(), mkdtempSync(join(folder, 'redis-'))];
    const broker = await redis(redisPort, data);
    const url = `redis://127.0.0.1:${redisPort}`;
    const [one, two] = [await server(url), await server(url)];
    const port = await balancer(one.port, two.port);
    const ending = new AbortController();
    const members = ['alice', 'bob', 'carol', 'dave'].map((name) => new Member(name));
    const to = { host: '127.0.0.1', port };
    const running = members.map(({ chat }) => {
      const options = { serverKey: identity.fingerprint, sessions: new Sessions(), closeTimeout: 500 };
      return chat.run(to, options, ending.signal);
    });
    const delivered: string[] = [];
    const talking = members.map(async ({ name, chat }) => {
      for (let i = 0; i < 60; i++) {
        const told = chat.say(`${i}`).then(() => delivered.push(`${name}: ${i}`));
        // now and then several are on their way at once
        if (i % 3 === 0) await told;
      }
    });
    await expect.poll(() => delivered.length, { timeout: 60_000 }).toBeGreaterThan(40);
    await kill(one.child);
    await expect.poll(() => delivered.length, { timeout: 60_000 }).toBeGreaterThan(100);
    await server(url, one.port);
    await kill(two.child);
    await expect.poll(() => delivered.length, { timeout: 60_000 }).toBeGreaterThan(150);
    await kill(broker);
    await redis(redisPort, data);
    await Promise.all(talking);
    await expect.poll(() => delivered.length, { timeout: 60_000 }).toBe(240);
    for (const { seen } of members) await expect.poll(() => seen.length, { timeout: 60_000 }).toBe(240);
    for (const { seen, name } of members) {
      // all members see the same messages in the same order, and those of each author in the order of sending
      expect(seen).toEqual(members[0]?.seen);
      const own = seen.filter((text) => text.startsWith(name));
      expect(own).toEqual(Array.from({ length: 60 }, (_, i) => `${name}: ${i}`));
    }
    expect([...delivered].sort()).toEqual([...(members[0]?.seen ?? [])].sort());
    // some were at a process that was killed, and came back to another one without RSA
    const again = members.flatMap(({ resumed }) => resumed.slice(1));
    expect(again).toContain(true);
    ending.abort();
    await Promise.all(running);
  });

  it('answers what is no request by its close code, and shows late-comers what was said', {
    timeout: 60_000,
  }, async () => {
    const redisPort = await freePort();
    await redis(redisPort, mkdtempSync(join(folder, 'redis-')));
    const url = `redis://127.0.0.1:${redisPort}`;
    const { port } = await server(url);
    const through = await balancer(port, port);
    const { SecureClient: Client } = await import('secure-sockets');
    for (const nonsense of [
      '',
      'no JSON',
      '{}',
      '{"type":"join","name":"x","after":"+"}',
      '{"type":"say"}',
      '7',
    ]) {
      await using client = new Client({ serverKey: identity.fingerprint });
      await client.connect({ host: '127.0.0.1', port: through });
      await client.send(new TextEncoder().encode(nonsense));
      await client.recv().catch(() => null);
      expect(client.closeCode).toBe(0x4000);
    }
    const say = async (name: string, ...lines: string[]): Promise<string[]> => {
      const args = [join(root, 'examples/chat/client.mjs'), `${through}`, identity.fingerprint, name];
      const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
      children.push(child);
      const shown: string[] = [];
      createInterface({ input: child.stdout }).on('line', (line) => shown.push(line));
      for (const line of lines) child.stdin.write(`${line}\n`);
      await expect.poll(() => shown.at(-1), { timeout: 30_000 }).toBe(`${name}: ${lines.at(-1)}`);
      child.stdin.end();
      expect(await once(child, 'exit')).toEqual([0, null]);
      return shown;
    };
    const before = await say('alice', 'one', 'two');
    expect(await say('bob', 'three')).toEqual([...before, 'bob: three']);
  });
});

/** Until something accepts connections there. */
async function waitForAnswer(port: number): Promise<void> {
  for (;;) {
    const socket = connect({ host: '127.0.0.1', port });
    const isOpen = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.on('error', () => {}).destroy();
    if (isOpen) return;
    await pause(20);
  }
}
