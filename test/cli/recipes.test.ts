// Every recipe of docs/cli.md and docs/python.md, as written: only addresses, and the fingerprint, are those of the test.
// One file, because a test compares the recipes of a page with those that are tried here.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { delimiter, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../scripts/lib/free-port.mjs';
import { outcomeOf, root } from '../helpers/pack.js';
import { pythonProblem, startPython } from '../helpers/python.js';
import { havePrograms, script } from './command.js';
import { plainClient, plainServer, usePlace } from './place.js';

const place = usePlace();
const run = promisify(execFile);
const started: ChildProcess[] = [];
let env: NodeJS.ProcessEnv;

beforeAll(() => {
  const bin = join(place.folder, 'bin');
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, 'secure-sockets'), `#!/bin/sh\nexec ${process.execPath} ${script} "$@"\n`);
  chmodSync(join(bin, 'secure-sockets'), 0o755);
  // whom the recipes call these
  for (const [from, to] of [
    ['server', 'key'],
    ['client', 'me'],
  ])
    writeFileSync(join(place.folder, `${to}.pem`), readFileSync(join(place.folder, `${from}.pem`)), {
      mode: 0o600,
    });
  const { NODE_OPTIONS: _, ...rest } = process.env;
  env = { ...rest, HOME: place.folder, PATH: `${bin}${delimiter}${process.env.PATH}` };
});
afterEach(async () => {
  for (const { pid, exitCode, signalCode } of started.splice(0)) {
    if (exitCode === null && signalCode === null && pid !== undefined) process.kill(-pid, 'SIGKILL');
  }
});

const cli = readFileSync(join(root, 'docs/cli.md'), 'utf8');
const python = readFileSync(join(root, 'docs/python.md'), 'utf8');

describe('docs/cli.md', () => {
  const recipes = cli.slice(cli.indexOf('## Recipes'));

  test('every recipe has its test here', () => {
    const titles = [...recipes.matchAll(/^([A-Z].*?)[:.](?: .*)?$\n(?:.*\n)*?\n```/gm)].map(
      ([, title]) => title,
    );
    expect(blocks(recipes, 'sh')).toHaveLength(4);
    expect(blocks(recipes, 'ini')).toHaveLength(2);
    expect(titles.length).toBeGreaterThan(0);
  });

  test('a folder to another machine', async () => {
    const [there = '', here = ''] = linesOf(recipeWith(recipes, 'tar c folder'));
    const port = await freePort();
    for (const name of ['there', 'here/folder']) mkdirSync(join(place.folder, name), { recursive: true });
    writeFileSync(join(place.folder, 'here/folder/file'), 'content');
    writeFileSync(join(place.folder, 'there/key.pem'), readFileSync(join(place.folder, 'key.pem')), {
      mode: 0o600,
    });
    const server = await serve(there.replace(':9000', `127.0.0.1:${port}`), 'there');
    const exited = once(server, 'exit');
    await sh(adapt(here, { 'there.example:9000': `127.0.0.1:${port}` }), 'here');
    await exited;
    expect(readFileSync(join(place.folder, 'there/folder/file'), 'utf8')).toBe('content');
  });

  test('backups that only two machines may leave', async () => {
    const [keygen = '', receive = '', send = ''] = linesOf(recipeWith(recipes, 'receive -k'));
    const port = await freePort();
    writeFileSync(join(place.folder, 'keys'), String((await sh(keygen)).split('public key: ')[1]), {
      flag: 'a',
    });
    mkdirSync(join(place.folder, 'backup'));
    await serve(adapt(receive, { '/backup': 'backup', ':9000': `127.0.0.1:${port}` }));
    writeFileSync(join(place.folder, 'dump.sql.gz'), 'dump');
    await sh(adapt(send, { 'backup.example:9000': `127.0.0.1:${port}` }));
    expect(readFileSync(join(place.folder, 'backup/dump.sql.gz'), 'utf8')).toBe('dump');
  });

  test.skipIf(!havePrograms('redis-server', 'redis-cli'))('Redis on another machine', async () => {
    const [there = '', here = '', ping = ''] = linesOf(recipeWith(recipes, 'redis-cli ping'));
    const [redis, sealed, local] = [await freePort(), await freePort(), await freePort()];
    const child = spawn('redis-server', ['--port', String(redis), '--bind', '127.0.0.1', '--save', ''], {
      detached: true,
      cwd: place.folder,
    });
    started.push(child);
    for await (const chunk of child.stdout) if (String(chunk).includes('Ready to accept')) break;
    await serve(adapt(there, { ' :9000': ` 127.0.0.1:${sealed}`, '127.0.0.1:6379': `127.0.0.1:${redis}` }));
    await serve(
      adapt(here, { 'there.example:9000': `127.0.0.1:${sealed}`, '127.0.0.1:6379': `127.0.0.1:${local}` }),
    );
    expect(await sh(ping.replace('redis-cli', `redis-cli -p ${local}`))).toBe('PONG\n');
  });

  test('the port that a server was given', async () => {
    const recipe = recipeWith(recipes, 'port=$(sed');
    // a busy machine may need longer than a second
    const patient = recipe.replace(
      'sleep 1;',
      'for i in 1 2 3 4 5 6 7 8 9; do grep -q listening events && break; sleep 1; done;',
    );
    expect(patient).not.toBe(recipe);
    expect(await sh(`${patient}\necho "$port"; kill $!`)).toMatch(/^\d{2,5}\n$/);
  });
});

describe('the unit of systemd', () => {
  const unit = blocks(cli, 'ini').find((block) => block.includes('LoadCredential')) as string;

  test.skipIf(!havePrograms('systemd-analyze'))('is one that systemd takes', async () => {
    const path = join(place.folder, 'sealed-tunnel.service');
    writeFileSync(path, unit.replace('/usr/bin/secure-sockets', join(place.folder, 'bin/secure-sockets')));
    const { stdout, stderr } = await run('systemd-analyze', ['verify', path]);
    // what it says of other units of this machine is not about this one
    expect(`${stdout}${stderr}`.split('\n').filter((line) => line.includes('sealed-tunnel'))).toEqual([]);
  });

  test.skipIf(!havePrograms('systemd-analyze'))('is one that a unit of type socket starts', async () => {
    const socket = blocks(cli, 'ini').find((block) => block.includes('[Socket]')) as string;
    const service = unit
      .replace('/usr/bin/secure-sockets', join(place.folder, 'bin/secure-sockets'))
      .replace(' :9000 ', ' fd:sealed ');
    expect(service).toContain(' fd:sealed 127.0.0.1:6379');
    const paths = ['socket', 'service'].map((type) => join(place.folder, `sealed-tunnel.${type}`));
    writeFileSync(paths[0] as string, socket);
    writeFileSync(paths[1] as string, service);
    const { stdout, stderr } = await run('systemd-analyze', ['verify', ...paths]);
    expect(`${stdout}${stderr}`.split('\n').filter((line) => line.includes('sealed-tunnel'))).toEqual([]);
    // how the command takes over such a socket is tried in activation.test.ts
    expect(socket).toContain('FileDescriptorName=sealed\n');
  });

  const isRoot = process.getuid?.() === 0;
  if (!isRoot) console.warn('SKIPPED: only root can start the unit as another user');
  const NOBODY = 65_534;

  test.skipIf(!isRoot || !havePrograms('setpriv', 'systemd-notify', 'python3')).each([0o400, 0o440])(
    'starts as another user, with credentials of mode %o, says that it is ready, and lives',
    { timeout: 60_000 },
    async (mode) => {
      const credentials = join(place.folder, `credentials-${mode}`);
      mkdirSync(credentials);
      for (const [name, from] of [
        ['key.pem', 'server.pem'],
        ['keys', 'keys'],
      ] as const) {
        const path = join(credentials, name);
        writeFileSync(path, readFileSync(join(place.folder, from)));
        // systemd lets the user in by an access list, which shows as the group's right, or makes it the owner
        chownSync(path, mode === 0o400 ? NOBODY : 0, NOBODY);
        chmodSync(path, mode);
      }
      chownSync(credentials, NOBODY, NOBODY);
      for (const folder of [place.folder, join(place.folder, 'bin')]) chmodSync(folder, 0o755);
      const target = await plainServer((socket) => socket.end('through'));
      const port = await freePort();
      const command = (/^ExecStart=(.*)$/m.exec(unit)?.[1] ?? '')
        .replaceAll(/\$\{CREDENTIALS_DIRECTORY\}/g, credentials)
        .replace('/usr/bin/secure-sockets', join(place.folder, 'bin/secure-sockets'))
        .replace(' :9000', ` 127.0.0.1:${port}`)
        .replace('127.0.0.1:6379', `127.0.0.1:${(target.address() as AddressInfo).port}`);
      const notify = await notifications();
      const as = ['--reuid=65534', '--regid=65534', '--clear-groups', '--no-new-privs', '--inh-caps=-all'];
      const service = {
        ...env,
        HOME: '/nonexistent',
        NOTIFY_SOCKET: notify.path,
        WATCHDOG_USEC: '1000000',
        CREDENTIALS_DIRECTORY: credentials,
      };
      const child = spawn('setpriv', [...as, ...command.split(' ')], {
        cwd: '/',
        env: service,
        detached: true,
      });
      started.push(child);
      const errors = text(child.stderr);
      const exited = once(child, 'exit');
      await notify.until(/^READY=1$/m);
      await notify.until(/WATCHDOG=1\n[\s\S]*WATCHDOG=1\n/);
      const me = ['--identity', 'me.pem', '--server-key', place.serverKey];
      const client = await serve(
        `secure-sockets tunnel client ${me.join(' ')} 127.0.0.1:0 127.0.0.1:${port}`,
      );
      expect(await text(plainClient(portIn(client)))).toBe('through');
      child.kill('SIGTERM');
      await notify.until(/^STOPPING=1$/m);
      const [code] = await exited;
      expect([code, await errors]).toEqual([0, expect.not.stringMatching(/EACCES|warning/)]);
    },
  );
});

describe.skipIf(pythonProblem)('docs/python.md', () => {
  test('the four steps', { timeout: 60_000 }, async () => {
    const peer = await startPython<{ ports: Record<string, number> }>('server.py', 'echo', '[]');
    const [first = '', second = '', third = '', fourth = ''] = blocks(python, 'sh').filter((block) =>
      /bridge|ss -t|listen --identity/.test(block),
    );
    const [sealed, local] = [await freePort(), await freePort()];
    const fresh = { 'server.pem': 'bridge-server.pem', 'client.pem': 'bridge-client.pem' };
    const [makeServer = '', makeList = '', inward = ''] = linesOf(first);
    const fingerprint = /SHA256:\S+/.exec(await sh(adapt(makeServer, fresh)))?.[0] as string;
    await sh(makeList);
    const [makeClient = '', outward = ''] = linesOf(second);
    const line = (await sh(adapt(makeClient, fresh))).split('public key: ')[1];
    writeFileSync(join(place.folder, 'keys'), String(line), { flag: 'a' });
    const bridge = await serve(
      adapt(inward, {
        ...fresh,
        ' :9000': ` 127.0.0.1:${sealed}`,
        '127.0.0.1:8000': `127.0.0.1:${peer.ready.ports[4]}`,
      }),
    );
    await serve(
      adapt(outward, {
        ...fresh,
        'SHA256:...': fingerprint,
        'server.example:9000': `127.0.0.1:${sealed}`,
        '127.0.0.1:8000': `127.0.0.1:${local}`,
      }),
    );
    const { runPython } = await import('../helpers/python.js');
    const { stdout } = await runPython('many.py', String(local), '3', '[0, 100]');
    expect(JSON.parse(stdout)).toEqual({ right: 3, failed: [] });
    const old = { ':8000': `:${peer.ready.ports[4]}` };
    const direct = plainClient(Number(peer.ready.ports[4]));
    await once(direct, 'connect');
    const [connected, listening] = linesOf(third).map((command) => sh(adapt(command, old)));
    expect(await connected).toContain(`127.0.0.1:${direct.localPort}`);
    expect(await listening).toMatch(new RegExp(`LISTEN.*:${peer.ready.ports[4]} `));
    direct.destroy();
    await peer.stop();
    await stopped(bridge);
    const [server = '', client = ''] = linesOf(fourth);
    const rewritten = await serve(
      `${adapt(server, { ...fresh, ' :9000': ` 127.0.0.1:${sealed}` })} > received`,
    );
    const there = { ...fresh, 'SHA256:...': fingerprint, 'server.example:9000': `127.0.0.1:${sealed}` };
    await sh(`echo hello | ${adapt(client, there)}`);
    await expect.poll(() => rewritten.exitCode, { timeout: 10_000 }).toBe(0);
    expect(readFileSync(join(place.folder, 'received'), 'utf8')).toBe('hello\n');
  });

  test('the tunnel with --settle', { timeout: 60_000 }, async () => {
    const peer = await startPython<{ ports: Record<string, number> }>('server.py', 'echo', '[]');
    const [server = '', client = ''] = linesOf(
      blocks(python, 'sh').find((block) => block.includes('--settle')) as string,
    );
    const [sealed, local] = [await freePort(), await freePort()];
    await serve(
      adapt(server, {
        ' :9000': ` 127.0.0.1:${sealed}`,
        '127.0.0.1:8000': `127.0.0.1:${peer.ready.ports[4]}`,
      }),
    );
    await serve(
      adapt(client, {
        'server.example:9000': `127.0.0.1:${sealed}`,
        '127.0.0.1:8000': `127.0.0.1:${local}`,
      }),
    );
    const { runPython } = await import('../helpers/python.js');
    const { stdout } = await runPython('many.py', String(local), '3', '[100]');
    expect(JSON.parse(stdout)).toEqual({ right: 3, failed: [] });
    await peer.stop();
  });
});

function blocks(document: string, language: string): string[] {
  return [...document.matchAll(new RegExp(`^ *\`\`\`${language}\\n([\\s\\S]*?)^ *\`\`\`$`, 'gm'))].map(
    ([, block = '']) => block,
  );
}

function recipeWith(document: string, part: string): string {
  const found = blocks(document, 'sh').find((block) => block.includes(part));
  if (found === undefined) throw new Error(`there is no recipe with ${part}`);
  return found;
}

function linesOf(block: string): string[] {
  return block
    .split('\n')
    .map((line) => line.replace(/\s+# .*$/, '').trim())
    .filter(Boolean);
}

function adapt(command: string, names: Record<string, string>): string {
  let text = command;
  for (const [from, to] of Object.entries({ ...names, 'SHA256:...': names['SHA256:...'] ?? place.serverKey }))
    text = text.replace(from, to);
  return text;
}

/** Runs a line to its end; what it printed. */
async function sh(command: string, folder = '.'): Promise<string> {
  const outcome = await outcomeOf(spawn('sh', ['-c', command], { cwd: join(place.folder, folder), env }));
  expect(outcome, `${command}\n${outcome.stderr}`).toMatchObject({ code: 0 });
  return outcome.stdout;
}

const printed = new WeakMap<ChildProcess, string>();

/** Starts a line that serves, and waits until it does. */
async function serve(command: string, folder = '.'): Promise<ChildProcess> {
  const child = spawn('sh', ['-c', command], {
    cwd: join(place.folder, folder),
    env,
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  started.push(child);
  let errors = '';
  for await (const chunk of child.stderr.iterator({ destroyOnReturn: false })) {
    errors += String(chunk);
    if (errors.includes('listening at')) break;
  }
  expect(errors, command).toContain('listening at');
  child.stderr.resume();
  printed.set(child, errors);
  return child;
}

async function stopped(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  process.kill(-Number(child.pid), 'SIGTERM');
  await exited;
}

function portIn(child: ChildProcess): number {
  return Number(/listening at .*:(\d+)/.exec(printed.get(child) ?? '')?.[1]);
}

/** What systemd would be told. */
async function notifications(): Promise<{ path: string; until: (pattern: RegExp) => Promise<void> }> {
  const path = join(place.folder, `notify-${Date.now()}`);
  const program = `import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(sys.argv[1]); os.chmod(sys.argv[1], 0o777)
print("bound", flush=True)
while True: print(s.recv(4096).decode(), flush=True)`;
  const child = spawn('python3', ['-c', program, path], { detached: true });
  started.push(child);
  let told = '';
  child.stdout.on('data', (chunk) => {
    told += String(chunk);
  });
  const until = async (pattern: RegExp): Promise<void> =>
    expect.poll(() => told, { timeout: 20_000 }).toMatch(pattern);
  await until(/bound/);
  expect(existsSync(path)).toBe(true);
  return { path, until };
}
