import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { Identity, SecureClient, webSocket } from 'secure-sockets';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { portOf, type Running, start } from './cli/command.js';
import { kill, type Outcome, outcomeOf, requireBuild, root } from './helpers/pack.js';
import { type Runtime, runtimes, runtimesAreRequired } from './helpers/runtimes.js';

// What was built, on Bun and Deno, against Node: test/runtimes/peer.mjs and the command at either end. The tests that run
// inside of Bun and Deno are those of vitest.runtimes.config.ts.

const { Node, Bun, Deno } = runtimes;
const backends = ['node', 'web', 'noble', 'sodium'];
const folder = mkdtempSync(join(tmpdir(), 'secure-sockets-runtimes-'));
let fingerprint: string;

beforeAll(async () => {
  await requireBuild();
  for (const role of ['server', 'classic-server', 'client'] as const) {
    const identity = await Identity.generate({ role, modulusLength: 2048 });
    await identity.save(join(folder, `${role === 'classic-server' ? 'classic' : role}.pem`));
    if (role === 'server') fingerprint = identity.fingerprint;
  }
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each([Bun, Deno])('$name', (other) => {
  if (other.problem) console.warn(`SKIPPED: everything on ${other.name}. ${other.problem}`);

  test('is installed', ({ skip }) => {
    if (other.problem && !runtimesAreRequired) skip(`NOT TESTED: ${other.problem}`);
    expect(other.problem).toBeUndefined();
  });

  describe.skipIf(other.problem)('is there', () => {
    describe.each([
      [Node, other],
      [other, Node],
      [other, other],
    ])('a server on $name', (server, client) => {
      pairings(server, client);
    });

    describe.each([
      [Node, other],
      [other, Node],
    ])('the command: a server on $name', (server, client) => {
      commands(server, client);
    });

    webSocketServer(other);
  });
});

/** The server of docs/recipes.md over Bun.serve or Deno.serve, as it is in examples/websocket. */
function webSocketServer({ name, command: [file, ...options] }: Runtime): void {
  test(`${name}.serve serves a client on Node`, async () => {
    const script = join(root, 'examples/websocket', `${name.toLowerCase()}.mjs`);
    const serving = spawn(file, [...options, script, '0'], {
      env: { ...process.env, DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1' },
    });
    try {
      const [url = '', serverKey = ''] = (await firstLine(serving)).split(' ');
      const answer = await fetch(url.replace('ws:', 'http:'));
      expect([answer.status, await answer.text()]).toEqual([426, 'a WebSocket was expected']);
      await using client = new SecureClient({ serverKey });
      await client.connect(webSocket(url, { WebSocket }));
      for (const length of [0, 1, 1_000_000]) {
        const message = randomBytes(length);
        await client.send(message);
        expect(Buffer.from((await client.recv()) ?? 'no message').equals(message)).toBe(true);
      }
      expect((await client.close()).error).toBeUndefined();
    } finally {
      await kill(serving);
    }
  }, 90_000);
}

interface Pairing {
  readonly protocol: string;
  readonly client: string;
  readonly server: string;
  readonly problem: string | null;
}

/** Every backend with every other, in both protocols: one process for each end. */
function pairings(server: Runtime, client: Runtime): void {
  let outcome: { readonly pairings: readonly Pairing[]; readonly missing: object };
  let missingAtServer: object;
  const expected = ['sealed', 'classic'].flatMap((protocol) =>
    backends.flatMap((there) =>
      backends.map(
        (here) =>
          [`${protocol}: ${here} of ${client.name} with ${there}`, { protocol, here, there }] as const,
      ),
    ),
  );

  beforeAll(async () => {
    const serving = runPeer(server, 'serve');
    try {
      const ready = await firstLine(serving);
      missingAtServer = JSON.parse(ready).missing;
      const talking = runPeer(client, 'converse');
      talking.stdin?.end(ready);
      const { code, stdout, stderr } = await outcomeOf(talking, 150_000);
      expect({ code, stderr: withoutWarnings(stderr) }).toEqual({ code: 0, stderr: '' });
      outcome = JSON.parse(stdout);
    } finally {
      serving.stdin?.end();
    }
    expect((await once(serving, 'exit'))[0]).toBe(0);
  }, 240_000);

  test('every backend is loaded at both ends', () => {
    expect({ server: missingAtServer, client: outcome.missing }).toEqual({ server: {}, client: {} });
    expect(outcome.pairings).toHaveLength(expected.length);
  });

  test.each(expected)('%s', (_, { protocol, here, there }) => {
    const found = outcome.pairings.find(
      (each) => each.protocol === protocol && each.client === here && each.server === there,
    );
    expect(found).toMatchObject({ problem: null });
  });
}

function runPeer({ command: [file, ...options] }: Runtime, mode: string): ChildProcess {
  const { NODE_OPTIONS: _, ...env } = process.env;
  return spawn(file, [...options, join(root, 'test/runtimes/peer.mjs'), mode, folder], {
    env: { ...env, DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1' },
  });
}

async function firstLine(child: ChildProcess): Promise<string> {
  const errors: string[] = [];
  child.stderr?.on('data', (text) => errors.push(String(text)));
  const lines = createInterface({ input: child.stdout as Readable })[Symbol.asyncIterator]();
  const { value, done } = await lines.next();
  if (done) throw new Error(`the server did not begin to listen:\n${errors.join('')}`);
  return value;
}

/** Of classic, and of servers in JavaScript: what the peers do is what is warned of. */
function withoutWarnings(text: string): string {
  const isWarning = /\[SECURE_SOCKETS_(CLASSIC|JAVASCRIPT_SERVER)\] SecurityWarning|--trace-warnings/;
  return text
    .split('\n')
    .filter((line) => !isWarning.test(line))
    .join('\n');
}

/** The command at both ends; its first end listens. */
function commands(server: Runtime, client: Runtime): void {
  const running: Running[] = [];
  const on = (runtime: Runtime, ...args: string[]): Running => {
    const started = start(
      folder,
      args,
      { DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1' },
      'pipe',
      runtime.command,
    );
    running.push(started);
    return started;
  };
  const whole = (runtime: Runtime, ...args: string[]): Promise<Outcome> => {
    const started = on(runtime, ...args);
    started.child.stdin?.end();
    return started.ended;
  };
  afterEach(async () => {
    await Promise.all(running.splice(0).map(({ child }) => kill(child)));
  });

  test('keygen makes a key that the other end reads', async () => {
    const key = `key-of-${server.name}-${client.name}.pem`;
    const made = await whole(server, 'keygen', '--bits', '2048', '-o', key);
    const read = await whole(client, 'fingerprint', key);
    expect([made.code, read.code]).toEqual([0, 0]);
    expect(made.stdout + made.stderr).toContain(/SHA256:[\w+/]{43}/.exec(read.stdout)?.[0] ?? 'none');
  }, 60_000);

  test('listen and connect carry input to output, both ways', async () => {
    const [there, back] = [randomBytes(200_000).toString('hex'), randomBytes(150_000).toString('hex')];
    const listening = on(server, 'listen', '--identity', 'server.pem', '127.0.0.1:0');
    const to = `127.0.0.1:${await portOf(listening)}`;
    const connecting = on(client, 'connect', '--server-key', fingerprint, to);
    listening.child.stdin?.end(back);
    connecting.child.stdin?.end(there);
    expect(await connecting.ended).toMatchObject({ code: 0, stdout: back });
    expect(await listening.ended).toMatchObject({ code: 0, stdout: there });
  }, 60_000);

  test('send and receive transfer a file', async () => {
    const file = randomBytes(3_000_000);
    const box = `box-of-${server.name}-${client.name}`;
    mkdirSync(join(folder, box));
    writeFileSync(join(folder, 'file.bin'), file);
    const receiving = on(server, 'receive', '--identity', 'server.pem', '-o', box, '127.0.0.1:0');
    const to = `127.0.0.1:${await portOf(receiving)}`;
    expect(await whole(client, 'send', '--server-key', fingerprint, 'file.bin', to)).toMatchObject({
      code: 0,
    });
    expect(await receiving.ended).toMatchObject({ code: 0 });
    expect(readFileSync(join(folder, box, 'file.bin')).equals(file)).toBe(true);
  }, 60_000);

  test('SIGTERM ends a service in order', async () => {
    const listening = on(server, 'listen', '-k', '--identity', 'server.pem', '127.0.0.1:0');
    const to = `127.0.0.1:${await portOf(listening)}`;
    const connecting = on(client, 'connect', '--server-key', fingerprint, to);
    connecting.child.stdin?.end('to the service\n');
    await connecting.ended;
    listening.child.kill('SIGTERM');
    expect(await listening.ended).toMatchObject({ code: 0, stdout: 'to the service\n' });
  }, 60_000);

  test('a key that is not the pinned one is refused', async () => {
    const listening = on(server, 'listen', '-k', '--identity', 'server.pem', '127.0.0.1:0');
    const to = `127.0.0.1:${await portOf(listening)}`;
    const refused = await whole(client, 'connect', '--server-key', `SHA256:${'A'.repeat(43)}`, to);
    expect(refused).toMatchObject({ stdout: '', stderr: expect.stringContaining(fingerprint) });
    expect(refused.code).not.toBe(0);
  }, 60_000);
}
