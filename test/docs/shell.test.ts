// What the documents have for a shell. One file, because a test checks that no block of any document is left out here.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../scripts/lib/free-port.mjs';
import { havePrograms, requireBuild, script } from '../cli/command.js';
import { allDocuments, readDocument } from '../helpers/documents.js';
import { outcomeOf, root } from '../helpers/pack.js';
import { sealedPythonProblem } from '../helpers/python.js';

// What documents tell a reader to type. Every block has a test that runs it as written, but for ports, paths outside of
// the test's folder and fingerprints; those that nothing else runs are run here.

const folder = mkdtempSync(join(tmpdir(), 'secure-sockets-shell-'));
const started: ChildProcess[] = [];
/** What the programs wrote to standard error in this test. */
const said: string[] = [];
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  await requireBuild();
  for (const name of ['dist', 'examples', 'node_modules', 'package.json'])
    symlinkSync(join(root, name), join(folder, name));
  mkdirSync(join(folder, 'bin'));
  const command = `#!/bin/sh\nexec ${process.execPath} ${script} "$@"\n`;
  writeFileSync(join(folder, 'bin/secure-sockets'), command, { mode: 0o755 });
  const { NODE_OPTIONS: _, ...rest } = process.env;
  const path = [join(folder, 'bin'), '/usr/bin', process.env.PATH, '/usr/sbin'].join(delimiter);
  env = { ...rest, HOME: folder, PATH: path };
  await sh('secure-sockets keygen -o key.pem && secure-sockets keygen -o server.pem');
  await sh('secure-sockets keygen --role client -o me.pem | sed -n "s/public key: //p" > keys');
}, 60_000);
afterEach(({ task }) => {
  if (task.result?.state === 'fail') console.error(`what its programs wrote:\n${said.join('')}`);
  said.length = 0;
  for (const { pid, exitCode, signalCode } of started.splice(0))
    if (pid !== undefined && exitCode === null && signalCode === null) process.kill(-pid, 'SIGKILL');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Where each block is run, by its document and how it begins; or why it is not. */
const covered: Readonly<Record<string, readonly [begin: string, by: string][]>> = {
  'README.md': [
    ['npm install secure-sockets', 'test/package.test.ts: installPackage'],
    ['npm run demo', 'test/examples.test.ts: examples/demo/main.mjs'],
    ['$ secure-sockets keygen -o key.pem', 'here'],
    ['$ secure-sockets connect', 'here'],
  ],
  'docs/api.md': [
    ['openssl pkey -in server.pem', 'here'],
    ['npm i sodium-native', "test/package.test.ts: 'sodium-native'"],
  ],
  'docs/protocol.md': [['openssl pkey -in key.pem', 'here']],
  'docs/cli.md': [
    ['$ secure-sockets keygen --bits 2048', "test/cli.test.ts: 'shows sessions that go as shown'"],
    ['# of the whole process', 'here'],
    ['secure-sockets man', 'here'],
    ['npm install ws', 'here'],
    ['secure-sockets listen --identity key.pem :9000', "test/cli/recipes.test.ts: 'tar c folder'"],
    ['secure-sockets keygen --role client -o web1', "test/cli/recipes.test.ts: 'receive -k'"],
    ['secure-sockets tunnel server --identity', "test/cli/recipes.test.ts: 'redis-cli ping'"],
    ['[Unit]', 'test/cli/recipes.test.ts: the unit of systemd'],
    ['[Socket]', 'test/cli/recipes.test.ts: [Socket]'],
    ['secure-sockets listen --json', "test/cli/recipes.test.ts: 'port=$(sed'"],
  ],
  'docs/python.md': [
    ['secure-sockets listen --protocol classic', 'here'],
    ['secure-sockets keygen -o server.pem', "test/cli/recipes.test.ts: 'the four steps'"],
    ['secure-sockets keygen --role client', "test/cli/recipes.test.ts: 'the four steps'"],
    ['ss -tn state', "test/cli/recipes.test.ts: 'the four steps'"],
    ['secure-sockets listen --identity', "test/cli/recipes.test.ts: 'the four steps'"],
    ['secure-sockets tunnel server --settle', "test/cli/recipes.test.ts: '--settle'"],
    ['import struct', 'test/cli/messages.test.ts: python.md'],
    ['connection = Sealed(', 'test/cli/messages.test.ts: python.md'],
    ['from sealed import connect', 'test/sealed-python/documents.test.ts: the client runs as it stands'],
    ['import socket', 'test/sealed-python/documents.test.ts: and so does the server'],
  ],
  'docs/getting-started.md': [
    ['NODE_OPTIONS=--experimental-vm-modules', 'scripts/lib/consumer-jest.mjs: experimental-vm-modules'],
  ],
  'docs/wireshark/README.md': [
    ['node docs/wireshark/open-capture.mjs', 'test/wireshark.test.ts: open-capture.mjs'],
  ],
  'examples/chat/README.md': [['node dist/cli.js keygen', 'here']],
  'examples/cluster/README.md': [['npm run build', 'here']],
  'examples/haproxy/README.md': [['node dist/cli.js keygen', 'here']],
  'examples/python/README.md': [
    ['node dist/cli.js keygen', 'here'],
    ['echo hello | python3', 'test/sealed-python/documents.test.ts: the command of its README'],
  ],
};

/** For those who change this package, or who have what the tests cannot: a builder of containers, ProVerif. */
const forOthers =
  /^(CONTRIBUTING|docs\/(testing|benchmarks\/README|formal\/README)|examples\/container\/README)\.md$/;

test('no document with something to type is left out', () => {
  const shell = allDocuments().filter(({ text }) => /^ *```(?:sh|console|ini|toml)$/m.test(text));
  const reading = shell
    .map(({ name }) => name)
    .filter((name) => !/^(bench|test)\//.test(name) && !forOthers.test(name));
  expect(reading.filter((name) => !(name in covered))).toEqual([]);
});

test.each(Object.entries(covered))('every block of %s is run somewhere', (name, blocks) => {
  const shown = blocksOf(name, '(?:sh|console|ini|toml|python)').map((block) => block.split('\n')[0] ?? '');
  expect(shown).toHaveLength(blocks.length);
  for (const [index, [begin, by]] of blocks.entries()) {
    expect(shown[index]?.slice(0, begin.length)).toBe(begin);
    const [file, part] = by.split(': ');
    if (by !== 'here') expect(readFileSync(join(root, file as string), 'utf8'), by).toContain(part);
  }
});

test('README.md: a file from one terminal to another', { timeout: 60_000 }, async () => {
  const [server = '', client = ''] = blocksOf('README.md', 'console').map(
    (block) =>
      linesOf(block)
        .filter((line) => line.startsWith('$ '))
        .at(-1)
        ?.slice(2) ?? '',
  );
  expect(server).toContain('listen');
  writeFileSync(join(folder, 'in'), 'a file');
  const port = await freePort();
  const listening = start(server.replace('9000', `${port}`));
  await untilListening(port);
  await sh(client.replace('9000', `${port}`).replace('SHA256:...', await fingerprint('key.pem')));
  await ended(listening);
  expect(readFileSync(join(folder, 'out'), 'utf8')).toBe('a file');
});

test('docs/python.md: the command on both sides of classic', { timeout: 60_000 }, async () => {
  const block =
    blocksOf('docs/python.md', 'sh').find((one) => one.includes('connect --protocol classic')) ?? '';
  const port = await freePort();
  const [server = '', client = ''] = linesOf(block).map((line) => line.replace('9000', `${port}`));
  writeFileSync(join(folder, 'in'), 'a classic file');
  const listening = start(server);
  await untilListening(port);
  await sh(client);
  await ended(listening);
  expect(readFileSync(join(folder, 'out'), 'utf8')).toBe('a classic file');
});

test.each([
  ['docs/api.md', 'server.pem'],
  ['docs/protocol.md', 'key.pem'],
])('%s: the fingerprint with openssl', { skip: !havePrograms('openssl') }, async (name, key) => {
  const block = blocksOf(name, 'sh').find((one) => one.includes('openssl')) ?? '';
  expect(`SHA256:${(await sh(block)).trim().replace(/=$/, '')}`).toBe(await fingerprint(key));
});

test('docs/cli.md: the manual and the completion are written where they belong', async () => {
  const block = blocksOf('docs/cli.md', 'sh').find((one) => one.includes('secure-sockets man')) ?? '';
  const adapted = block.replaceAll(/> \/[\w/.-]+\//g, '> ');
  expect(adapted).not.toContain('> /');
  await sh(adapted);
  expect(readFileSync(join(folder, 'secure-sockets.1'), 'utf8')).toMatch(/^\.TH /m);
  expect(await sh('bash -n secure-sockets && echo fine')).toBe('fine\n');
});

test('docs/cli.md: the configuration runs', { timeout: 60_000 }, async () => {
  const [block = ''] = blocksOf('docs/cli.md', 'toml');
  const ports = new Map<string, number>();
  for (const [, port = ''] of block.matchAll(/:(\d+)"/g)) ports.set(port, await freePort());
  const adapted = [...ports].reduce(
    (text, [from, to]) => text.replaceAll(`:${from}"`, `:${to}"`).replaceAll(`":${to}`, `"127.0.0.1:${to}`),
    block.replace('SHA256:...', await fingerprint('server.pem')),
  );
  writeFileSync(join(folder, 'tunnels.toml'), adapted);
  const running = start('exec secure-sockets tunnel --config tunnels.toml');
  for (const port of ['9000', '5432', '6380', '9001', '9100'])
    await untilListening(ports.get(port) as number);
  running.kill('SIGTERM');
  await ended(running);
});

test('docs/cli.md: over a WebSocket', { timeout: 60_000 }, async () => {
  const block = blocksOf('docs/cli.md', 'sh').find((one) => one.includes('--websocket')) ?? '';
  const port = await freePort();
  // ws is installed with this package's own dependencies
  const [install, server = '', client = ''] = linesOf(block).map((line) => line.replace('9000', `${port}`));
  expect(install).toBe('npm install ws');
  start(`exec ${server} > web-socket`);
  await untilListening(port);
  await sh(`echo hello | ${client.replace('SHA256:...', await fingerprint('key.pem'))}`);
  await expect.poll(() => readFileSync(join(folder, 'web-socket'), 'utf8')).toBe('hello\n');
});

describe.skipIf(!havePrograms('haproxy', 'openssl'))('behind HAProxy', () => {
  test('examples/haproxy/README.md: its servers answer', { timeout: 60_000 }, async () => {
    const { port, client } = await behindHaproxy('haproxy');
    expect(client).toContain('client.mjs');
    const answers = (await sh(client)).trim().split('\n');
    expect(answers).toHaveLength(4);
    expect(answers[0]).toContain('full handshake');
    expect(port).toBeGreaterThan(0);
  });

  test('examples/chat/README.md: what one says the other is shown', {
    timeout: 60_000,
    skip: !havePrograms('redis-server'),
  }, async () => {
    const { client } = await behindHaproxy('chat');
    const bob = start(client.replace('alice', 'bob'), 'pipe');
    const told = new Promise<string>((resolve) => {
      let text = '';
      bob.stdout?.on('data', (chunk) => {
        text += chunk;
        if (text.includes('\n')) resolve(text);
      });
    });
    expect(await sh(`echo good morning | ${client}`)).toBeDefined();
    expect(await told).toContain('alice: good morning');
  });
});

test('examples/cluster/README.md: its workers answer', { timeout: 60_000 }, async () => {
  const [block = ''] = blocksOf('examples/cluster/README.md', 'sh');
  const [, server = '', client = ''] = linesOf(block);
  const port = await freePort();
  start(server.replace('4433', `${port}`));
  await untilListening(port);
  const key = await fingerprint('cluster-server.pem');
  expect(await sh(client.replace('4433', `${port}`).replace('SHA256:…', key))).toMatch(
    /hello from connection 4/,
  );
});

test('examples/python/README.md: a server in Python', {
  timeout: 60_000,
  skip: !!sealedPythonProblem,
}, async () => {
  const [block = ''] = blocksOf('examples/python/README.md', 'sh');
  const port = await freePort();
  const [keygen = '', server = '', wait = '', client = ''] = linesOf(block).map((line) =>
    line.replace('9000', `${port}`),
  );
  expect(wait).toBe('sleep 1');
  await sh(`rm -f server.pem; ${keygen}`);
  start(server.replace(/&$/, ''));
  await untilListening(port);
  expect(await sh(client)).toBe('hello\n');
});

/** Runs what a README says to start, and gives what it says to call then. */
async function behindHaproxy(example: string): Promise<{ port: number; client: string }> {
  const [block = ''] = blocksOf(`examples/${example}/README.md`, 'sh');
  const ports = new Map<string, number>();
  for (const name of ['9000', '9001', '9002', '6379']) ports.set(name, await freePort());
  const adapted = block.replaceAll(/\b(9000|9001|9002|6379)\b/g, (name) => `${ports.get(name)}`);
  const [setup = '', client = ''] = adapted.split('\n\n');
  // the broker is given by its usual port otherwise
  const broker = `export REDIS_URL=redis://127.0.0.1:${ports.get('6379')}\n`;
  start(`rm -f server.pem ticket-keys\n${broker}${setup}\nwait`);
  for (const [name, port] of ports) if (block.includes(name)) await untilListening(port);
  // HAProxy asks its servers before it sends anyone to them
  await expect.poll(() => existsSync(join(folder, 'ticket-keys')), { timeout: 20_000 }).toBe(true);
  return { port: ports.get('9000') as number, client: client.trim() };
}

function blocksOf(name: string, language: string): string[] {
  const pattern = new RegExp(`^ *\`\`\`${language}\\n([\\s\\S]*?)^ *\`\`\`$`, 'gm');
  return [...readDocument(name).text.matchAll(pattern)].map(([, block = '']) => block.replace(/^ {3}/gm, ''));
}

/** The lines of a block without their comments. */
function linesOf(block: string): string[] {
  return block
    .split('\n')
    .map((line) => line.replace(/\s+# .*$/, '').trim())
    .filter(Boolean);
}

async function fingerprint(file: string): Promise<string> {
  return (await sh(`secure-sockets fingerprint ${file}`)).trim();
}

async function sh(command: string): Promise<string> {
  const { code, stdout, stderr } = await outcomeOf(spawn('sh', ['-c', command], { cwd: folder, env }));
  expect(code, `${command}\n${stderr}`).toBe(0);
  return stdout;
}

/** Starts what goes on until it is killed, with all that it starts. */
function start(command: string, stdout: 'ignore' | 'pipe' = 'ignore'): ChildProcess {
  const child = spawn('sh', ['-c', command], {
    cwd: folder,
    env,
    detached: true,
    stdio: [stdout === 'pipe' ? 'pipe' : 'ignore', stdout, 'pipe'],
  });
  child.stderr?.on('data', (chunk) => said.push(`${chunk}`));
  started.push(child);
  return child;
}

async function ended(child: ChildProcess): Promise<void> {
  const [code] = child.exitCode === null ? await once(child, 'exit') : [child.exitCode];
  expect(code).toBe(0);
}

/** A probe by the system's table, since one that connects would be served. */
async function untilListening(port: number): Promise<void> {
  const hex = `:${port.toString(16).toUpperCase().padStart(4, '0')} `;
  const listens = async (): Promise<boolean> => {
    if (!existsSync('/proc/net/tcp')) return connects(port);
    const table = ['/proc/net/tcp', '/proc/net/tcp6'].map((file) => readFileSync(file, 'utf8')).join('\n');
    return table.split('\n').some((line) => line.includes(hex) && / 0A /.test(line));
  };
  await expect.poll(listens, { timeout: 40_000, interval: 100 }).toBe(true);
}

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: '127.0.0.1' });
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('close', () => socket.destroy());
  });
}
