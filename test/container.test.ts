import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { freePort } from '../scripts/lib/free-port.mjs';
import { plainClient, plainServer, tunnelClient, usePlace } from './cli/place.js';
import { installPackage, outcomeOf, root } from './helpers/pack.js';

// What examples/container does, as far as that goes without a container runtime.

const place = usePlace();
const folder = join(root, 'examples/container');
const file = readFileSync(join(folder, 'Containerfile'), 'utf8');
const compose = readFileSync(join(folder, 'compose.yaml'), 'utf8');
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;
/** A namespace of mounts needs a right that a container may not have. */
const canMount = isRoot && spawnSync('unshare', ['-m', 'true']).status === 0;

test('the Containerfile has instructions that builders know, and runs as nobody', () => {
  const instructions = file
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => /^([A-Z]+) (.+)$/.exec(line)?.slice(1));
  const names = instructions.map((one) => one?.[0]);
  expect(names).toEqual('FROM COPY RUN FROM COPY ENV USER WORKDIR ENTRYPOINT CMD'.split(' '));
  expect(file).toMatch(/^USER 65534:65534$/m);
  for (const [name, value] of instructions as [string, string][])
    if (name === 'ENTRYPOINT' || name === 'CMD') expect(JSON.parse(value)).toBeInstanceOf(Array);
  // what is copied is what npm pack writes
  const { name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  expect(`${name}-${version}.tgz`).toMatch(/^secure-sockets-.*\.tgz$/);
});

describe.skipIf(!canMount)('as nobody, without capabilities, on a read-only file system', () => {
  test('the installed package serves with the command of compose.yaml', { timeout: 120_000 }, async () => {
    const project = await installPackage();
    place.undo.push(() => project.remove());
    const secrets = join(project.path, 'secrets');
    mkdirSync(secrets);
    for (const [from, to] of [
      ['server.pem', 'key.pem'],
      ['keys', 'keys'],
    ] as const) {
      copyFileSync(join(place.folder, from), join(secrets, to));
      chmodSync(join(secrets, to), 0o400);
      chownSync(join(secrets, to), NOBODY, NOBODY);
    }
    chmodSync(project.path, 0o755);
    const target = await plainServer((socket) => socket.end('through'));
    const [port, metrics] = [await freePort(), await freePort()];
    const command = (/^ {4}command: (.*)$/m.exec(compose)?.[1] ?? '')
      .replaceAll('/run/secrets', secrets)
      .replace('127.0.0.1:9100', `127.0.0.1:${metrics}`)
      .replace(' :9000', ` 127.0.0.1:${port}`)
      .replace('redis:6379', `127.0.0.1:${(target.address() as AddressInfo).port}`);
    const server = runContained(project.path, command.split(' '));
    const ended = outcomeOf(server);
    await whenAnnounced(server);
    const { port: local } = await tunnelClient(port);
    expect(await text(plainClient(local))).toBe('through');
    const check = /- "(fetch.*)"/.exec(compose)?.[1]?.replace('9100', String(metrics)) ?? '';
    expect(spawnSync(process.execPath, ['--eval', check]).status).toBe(0);
    server.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: 0, stderr: expect.not.stringContaining('warning') });
    expect(spawnSync(process.execPath, ['--eval', check]).status).toBe(1);
  });
});

/** Starts the entry point of the image with these arguments. */
function runContained(project: string, args: readonly string[]): ChildProcess {
  const [, entry = ''] = JSON.parse(/^ENTRYPOINT (.*)$/m.exec(file)?.[1] ?? '[]') as string[];
  const script = entry.replace('/opt/secure-sockets/lib', project);
  const [, name = '', value = ''] = /^ENV (\w+)=(.*)$/m.exec(file) ?? [];
  const readOnly = `mount --make-rprivate / && for m in $(awk '{ print $2 }' /proc/mounts); do
      mount -o remount,bind,ro "$m" 2>/dev/null; done
    touch /tmp/writable 2>/dev/null && exit 99
    exec setpriv --reuid=${NOBODY} --regid=${NOBODY} --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all "$@"`;
  const command = ['sh', '-c', readOnly, 'sh', process.execPath, script, ...args];
  const child = spawn('unshare', ['-m', ...command], {
    cwd: '/',
    env: { PATH: process.env.PATH, HOME: '/nonexistent', [name]: value },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  place.undo.push(() => child.kill('SIGKILL'));
  return child;
}

async function whenAnnounced(child: ChildProcess): Promise<void> {
  let errors = '';
  child.stderr?.on('data', (chunk) => {
    errors += String(chunk);
  });
  const exited = once(child, 'exit').then(([code]) => {
    throw new Error(`it ended with ${code}: ${errors}`);
  });
  const listening = expect.poll(() => errors, { timeout: 30_000 }).toContain('listening at');
  await Promise.race([listening, exited]);
  exited.catch(() => {});
}
