import { type ChildProcess, spawn } from 'node:child_process';
import { scryptSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { outcomeOf, root, spawnNode } from './helpers/pack.js';

const folder = mkdtempSync(join(tmpdir(), 'secure-sockets-servers-'));
const servers: ChildProcess[] = [];

beforeAll(async () => {
  const check = await outcomeOf(spawnNode(folder, [join(root, 'scripts/ensure-install.mjs'), '--check']));
  expect(check.code, `${check.stderr.trim()} has to be run first`).toBe(0);
}, 30_000);
afterEach(async () => {
  for (const server of servers.splice(0)) if (server.kill('SIGKILL')) await once(server, 'exit');
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Starts an example's server and gives its port and fingerprint, which are the first line that it prints. */
async function start(
  file: string,
  ...args: string[]
): Promise<{ server: ChildProcess; port: string; fingerprint: string }> {
  const server = spawn(process.execPath, [join(root, 'examples', file), ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  servers.push(server);
  const lines = createInterface({ input: server.stdout });
  const [line] = (await Promise.race([
    once(lines, 'line'),
    once(server, 'exit').then(([code]) => [`ended with ${code} before it listened`]),
  ])) as [string];
  const [port = '', fingerprint = ''] = line.split(' ');
  expect(fingerprint, line).toMatch(/^SHA256:/);
  return { server, port, fingerprint };
}

async function run(file: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await outcomeOf(
    spawnNode(folder, [join(root, 'examples', file), ...args]),
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

test('echo sends back what it is sent, and ends at a signal', { timeout: 60_000 }, async () => {
  const { server, port, fingerprint } = await start('echo/server.mjs');
  expect(await run('echo/client.mjs', port, fingerprint, 'one', 'two', '')).toBe('one\ntwo\n\n');
  server.kill('SIGTERM');
  expect(await once(server, 'exit')).toEqual([0, null]);
});

test('http answers many questions over one connection', { timeout: 60_000 }, async () => {
  const { port, fingerprint } = await start('http/server.mjs');
  const answers = await run('http/client.mjs', port, fingerprint, '/a', '/b', '/c');
  expect(answers).toBe(['/a', '/b', '/c'].map((path) => `200 GET ${path} from 127.0.0.1\n`).join(''));
});

test('worker-pool computes what it is given, more at once than it has threads', {
  timeout: 60_000,
}, async () => {
  const { server, port, fingerprint } = await start('worker-pool/server.mjs');
  const words = ['alpha', 'beta', 'gamma', 'delta', 'epsilon', 'zeta', 'eta'];
  const answers = await run('worker-pool/client.mjs', port, fingerprint, ...words);
  expect(answers.trimEnd().split('\n')).toEqual(
    words.map((word) => `${word} ${scryptSync(word, 'an example of a salt', 32).toString('hex')}`),
  );
  server.kill('SIGTERM');
  expect(await once(server, 'exit')).toEqual([0, null]);
});

test('cluster spreads connections over its workers, which resume at any of them', {
  timeout: 60_000,
}, async () => {
  const { port, fingerprint } = await start('cluster/server.mjs', '0', '2');
  const lines = (await run('cluster/client.mjs', port, fingerprint)).trimEnd().split('\n');
  expect(lines.map((line) => line.replace(/^worker \d+: /, ''))).toEqual(
    [1, 2, 3, 4].map((i) => `hello from connection ${i} (${i === 1 ? 'full handshake' : 'resumed'})`),
  );
  const resumedAt = lines.slice(1).map((line) => line.split(':')[0]);
  expect([...new Set(resumedAt)].sort()).toEqual(['worker 1', 'worker 2']);
});
