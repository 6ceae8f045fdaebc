// What programs of others do through a tunnel, and without it. Redis and HTTP are in tunnel-programs.test.ts. One file,
// because all use the same tunnel and folder, and are skipped by the same rule.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { freePort } from '../scripts/lib/free-port.mjs';
import { havePrograms } from './cli/command.js';
import { tunnelTo, usePlace } from './cli/place.js';
import { type Outcome, outcomeOf } from './helpers/pack.js';

const place = usePlace();
const run = promisify(execFile);
const isRoot = process.getuid?.() === 0;
const NOBODY = 65_534;

const postgresBin = postgresFolder();
const havePostgres = havePrograms('psql', 'pgbench') && isThere(postgresBin, 'postgresql');

describe.skipIf(!havePostgres)('PostgreSQL', { timeout: 180_000 }, () => {
  test('psql says what it says without the tunnel', async () => {
    const plain = await postgres();
    const { port } = await tunnelTo(`127.0.0.1:${plain}`);
    const script = `CREATE TABLE numbers AS SELECT i, md5(i::text) FROM generate_series(1, 50000) i;
      SELECT count(*), sum(i) FROM numbers;
      SELECT * FROM numbers ORDER BY i DESC LIMIT 3;
      BEGIN; DELETE FROM numbers; ROLLBACK;
      SELECT count(*) FROM numbers;
      SELECT 1/0;
      COPY numbers TO STDOUT;
      DROP TABLE numbers;`;
    const [direct, tunnelled] = [await psql(plain, script), await psql(port, script)];
    expect(direct.stdout).toContain('50000 | 1250025000');
    expect(direct.stdout.length).toBeGreaterThan(1_900_000);
    expect(tunnelled.stdout === direct.stdout).toBe(true);
    expect([tunnelled.stderr, tunnelled.code]).toEqual([direct.stderr, direct.code]);
  });

  test('a statement is cancelled over a second connection, and a server that stops ends the client', async () => {
    const plain = await postgres();
    const { port } = await tunnelTo(`127.0.0.1:${plain}`);
    const sleeper = beginPsql(port, 'SELECT pg_sleep(100)');
    await sleeping(plain);
    sleeper.child.kill('SIGINT');
    expect((await sleeper.ended).stderr).toContain('canceling statement due to user request');
    const cut = beginPsql(port, 'SELECT pg_sleep(100)');
    await sleeping(plain);
    await psql(
      plain,
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'",
    );
    expect(await cut.ended).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('terminating connection'),
    });
  });

  test.each([
    ['over connections that stay', 40, []],
    ['with a connection for each transaction', 15, ['-C']],
  ])('pgbench loses no transaction, %s', async (_, each, more) => {
    const plain = await postgres();
    const { port } = await tunnelTo(`127.0.0.1:${plain}`);
    const at = (to: number): string[] => ['-h', '127.0.0.1', '-p', String(to), '-U', 'test', 'postgres'];
    await run('pgbench', ['-i', '-q', ...at(port)]);
    const { stdout } = await run('pgbench', [
      '-c',
      '8',
      '-t',
      String(each),
      '-M',
      'prepared',
      ...more,
      ...at(port),
    ]);
    expect(stdout).toContain(`number of transactions actually processed: ${8 * each}/${8 * each}`);
    expect(stdout).toMatch(/number of failed transactions: 0 /);
    expect((await psql(plain, 'SELECT count(*) FROM pgbench_history')).stdout).toMatch(
      new RegExp(` ${8 * each}\n`),
    );
  });
});

describe('WebSocket', { timeout: 60_000 }, () => {
  test('messages of all sizes, pings, and how it ends', async () => {
    const port = await webSocketServer();
    const { port: through } = await tunnelTo(`127.0.0.1:${port}`);
    const socket = new WebSocket(`ws://127.0.0.1:${through}`);
    place.undo.push(() => socket.terminate());
    await once(socket, 'open');
    for (const size of [0, 1, 125, 126, 65_535, 65_536, 20_000_000]) {
      const message = randomBytes(size);
      socket.send(message);
      const [answer, isBinary] = await once(socket, 'message');
      expect(isBinary && (answer as Buffer).equals(message)).toBe(true);
    }
    socket.send('text');
    expect(String((await once(socket, 'message'))[0])).toBe('text');
    socket.ping('are you there');
    expect(String((await once(socket, 'pong'))[0])).toBe('are you there');
    socket.close(4001, 'enough');
    const [code, reason] = await once(socket, 'close');
    expect([code, String(reason)]).toEqual([4001, 'enough']);
  });

  test('fifty at once, and a server that vanishes', async () => {
    const port = await webSocketServer();
    const { port: through } = await tunnelTo(`127.0.0.1:${port}`);
    const sockets = Array.from({ length: 50 }, () => new WebSocket(`ws://127.0.0.1:${through}`));
    for (const socket of sockets) place.undo.push(() => socket.terminate());
    await Promise.all(
      sockets.map(async (socket, index) => {
        await once(socket, 'open');
        socket.send(`number ${index}`);
        expect(String((await once(socket, 'message'))[0])).toBe(`number ${index}`);
      }),
    );
    const [first] = sockets as [WebSocket];
    first.on('error', () => {});
    first.send('vanish');
    // 1006: without a close frame
    expect((await once(first, 'close'))[0]).toBe(1006);
  });
});

// it wants to be started by its full path
const SSHD = '/usr/sbin/sshd';
const haveSsh =
  havePrograms('ssh', 'ssh-keygen', 'scp') && isThere(existsSync(SSHD) ? SSHD : undefined, 'sshd');

describe.skipIf(!haveSsh)('ssh', { timeout: 60_000 }, () => {
  test('commands, their input, output and exit code; files by scp; a forwarded port', async () => {
    const plain = await sshServer();
    const { port } = await tunnelTo(`127.0.0.1:${plain}`);
    const input = randomBytes(8_000_000);
    const sum = createHash('sha256').update(input).digest('hex');
    const { stdout, code } = await ssh(port, input, 'sha256sum; exit 3');
    expect([stdout.slice(0, 64), code]).toEqual([sum, 3]);
    writeFileSync(join(place.folder, 'large'), input);
    const [from, to] = [join(place.folder, 'large'), join(place.folder, 'copy')];
    await run('scp', ['-P', String(port), ...sshOptions(), from, `${userInfo().username}@127.0.0.1:${to}`]);
    expect(readFileSync(to).equals(input)).toBe(true);
    const web = await webSocketServer();
    const local = await freePort();
    const forward = ['-N', '-L', `127.0.0.1:${local}:127.0.0.1:${web}`, '-o', 'ExitOnForwardFailure=yes'];
    const forwarder = spawn('ssh', ['-v', '-p', String(port), ...sshOptions(), ...forward, '127.0.0.1']);
    place.undo.push(() => forwarder.kill('SIGKILL'));
    await waitForOutput(forwarder, /Entering interactive session/);
    const socket = new WebSocket(`ws://127.0.0.1:${local}`);
    await once(socket, 'open');
    socket.send('through both');
    expect(String((await once(socket, 'message'))[0])).toBe('through both');
    socket.terminate();
  });
});

/** Debian keeps the programs of the server in a folder of the version. */
function postgresFolder(): string | undefined {
  const versions = '/usr/lib/postgresql';
  const folders = existsSync(versions)
    ? readdirSync(versions).map((name) => join(versions, name, 'bin'))
    : [];
  return [...folders.sort(), '/usr/bin'].find((folder) => existsSync(join(folder, 'initdb')));
}

function isThere(path: string | undefined, what: string): boolean {
  if (path !== undefined) return true;
  if (process.env.REQUIRE_PROGRAMS) throw new Error(`${what} must be installed`);
  console.warn(`SKIPPED: ${what} is not installed`);
  return false;
}

/** Starts PostgreSQL, which refuses to run as root, in a folder of its own. */
async function postgres(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'secure-sockets-postgres-'));
  if (isRoot) chownSync(folder, NOBODY, NOBODY);
  const data = join(folder, 'data');
  const as = (program: string, ...args: string[]): [string, string[]] => {
    const command = [join(postgresBin as string, program), ...args];
    const prefix = isRoot ? ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'] : [];
    const [first = '', ...rest] = [...prefix, ...command];
    return [first, rest];
  };
  const options = ['-A', 'trust', '-U', 'test', '-E', 'UTF8', '--locale=C', '--no-sync'];
  await run(...as('initdb', '-D', data, ...options), { cwd: folder });
  const port = await freePort();
  const settings = ['fsync=off', 'unix_socket_directories=', 'listen_addresses=127.0.0.1'];
  const flags = settings.flatMap((setting) => ['-c', setting]);
  const child = spawn(...as('postgres', '-D', data, '-p', String(port), ...flags), { cwd: folder });
  place.undo.push(async () => {
    if (child.exitCode === null) {
      // at once, and with its own processes
      child.kill('SIGQUIT');
      await once(child, 'exit');
    }
    rmSync(folder, { recursive: true, force: true });
  });
  await waitForOutput(child, /ready to accept connections/);
  return port;
}

function beginPsql(port: number, script: string): { child: ChildProcess; ended: Promise<Outcome> } {
  const args = ['-X', '-h', '127.0.0.1', '-p', String(port), '-U', 'test', 'postgres', '-c', script];
  const child = spawn('psql', args);
  place.undo.push(() => child.kill('SIGKILL'));
  return { child, ended: outcomeOf(child) };
}

function psql(port: number, script: string): Promise<Outcome> {
  const args = ['-X', '-h', '127.0.0.1', '-p', String(port), '-U', 'test', 'postgres'];
  const child = spawn('psql', args);
  child.stdin.end(script);
  return outcomeOf(child);
}

/** Waits until the server has the statement. */
async function sleeping(port: number): Promise<void> {
  const query =
    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'";
  await expect.poll(async () => (await psql(port, query)).stdout, { timeout: 20_000 }).toMatch(/ 1\n/);
}

/** Echoes, and vanishes when it is told to. */
async function webSocketServer(): Promise<number> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  server.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => {
      if (!isBinary && String(data) === 'vanish') socket.terminate();
      else socket.send(data, { binary: isBinary });
    });
  });
  await once(server, 'listening');
  place.undo.push(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** Starts sshd as the user of the test, with keys for it alone. */
async function sshServer(): Promise<number> {
  const folder = join(place.folder, 'ssh');
  mkdirSync(folder, { recursive: true });
  for (const name of ['host', 'me'])
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, name)]);
  writeFileSync(join(folder, 'authorized'), readFileSync(join(folder, 'me.pub')));
  chmodSync(join(folder, 'authorized'), 0o600);
  // as its unit makes it
  if (isRoot) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const port = await freePort();
  writeFileSync(
    join(folder, 'config'),
    `Port ${port}
ListenAddress 127.0.0.1
HostKey ${join(folder, 'host')}
AuthorizedKeysFile ${join(folder, 'authorized')}
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UsePAM no
StrictModes no
PidFile none
Subsystem sftp internal-sftp
`,
  );
  const child = spawn(SSHD, ['-D', '-e', '-f', join(folder, 'config')]);
  place.undo.push(() => child.kill('SIGKILL'));
  await waitForOutput(child, /Server listening on/);
  return port;
}

function sshOptions(): string[] {
  const folder = join(place.folder, 'ssh');
  const options = ['StrictHostKeyChecking=accept-new', `UserKnownHostsFile=${folder}/known`, 'BatchMode=yes'];
  return ['-F', 'none', '-i', join(folder, 'me'), ...options.flatMap((option) => ['-o', option])];
}

function ssh(port: number, input: Uint8Array, command: string): Promise<Outcome> {
  const child = spawn('ssh', ['-p', String(port), ...sshOptions(), '127.0.0.1', command]);
  place.undo.push(() => child.kill('SIGKILL'));
  child.stdin.end(input);
  return outcomeOf(child);
}

/** Waits until a program has said so. */
async function waitForOutput(child: ChildProcess, pattern: RegExp): Promise<void> {
  let all = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk) => {
      all += String(chunk);
    });
  await expect
    .poll(() => (child.exitCode === null ? all : `it ended: ${all}`), { timeout: 30_000 })
    .toMatch(pattern);
}
