import { execFileSync, spawnSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { FileLines } from '../src/trust/file-lines.node.js';
import { KnownHosts } from '../src/trust/known-hosts.node.js';
import { directory, first, hosts, path, second } from './helpers/known-hosts.js';

// The real file system, into which a test can step at the moment a file takes another's place
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  return { ...real, open: vi.fn(real.open), rename: vi.fn(real.rename) };
});

describe('what is no regular file', () => {
  const make = {
    fifo: async () => void execFileSync('mkfifo', [path]),
    folder: () => mkdir(path),
    socket: () => new Promise<void>((resolve) => void createServer().unref().listen(path, resolve)),
    device: async () => void execFileSync('mknod', [path, 'c', '1', '3']),
  };
  const canMakeDevices =
    spawnSync('sh', ['-c', 'mknod /tmp/$$.device c 1 3 && rm /tmp/$$.device']).status === 0;

  test.each([
    ['a FIFO', make.fifo, true],
    ['a folder', make.folder, true],
    ['a socket', make.socket, true],
    ['a device', make.device, canMakeDevices],
  ])('%s is neither written nor replaced', async (kind, create, isPossible) => {
    if (!isPossible) return expect(canMakeDevices).toBe(false);
    await create();
    const { ino, mode, rdev } = await stat(path);
    if (kind !== 'a FIFO') await hosts.add('example.org', 5000, first).catch(() => {});
    for (const change of [
      () => hosts.remove('example.org', 5000),
      () => new FileLines(path).append('a line'),
    ]) {
      await expect(change()).rejects.toMatchObject({
        code: 'BAD_OPTION',
        message: expect.stringContaining(`${path} is ${kind}`),
      });
    }
    expect(await stat(path)).toMatchObject({ ino, mode, rdev });
    expect(await readdir(directory)).toEqual(['known_hosts']);
  });

  test('/dev/null, as ssh uses it, keeps nothing and says so', async () => {
    const none = new KnownHosts({ path: '/dev/null', mode: 'tofu' });
    expect(await none.check('example.org', 5000, first)).toBe('unknown');
    await expect(none.add('example.org', 5000, first)).rejects.toThrow('/dev/null is a device');
    expect((await stat('/dev/null')).isCharacterDevice()).toBe(true);
  });

  test('a device without an end is not read to its end', async () => {
    await expect(new KnownHosts('/dev/zero').list()).rejects.toMatchObject({ code: 'BAD_OPTION' });
  });

  test('a FIFO is read once', async () => {
    await make.fifo();
    const writing = writeFile(path, `example.org 5000 ${first}\n`);
    expect(await hosts.check('example.org', 5000, first)).toBe('known');
    await writing;
    await expect(hosts.check('example.org', 5000, second)).rejects.toMatchObject({
      code: 'UNTRUSTED_SERVER',
    });
    expect(await hosts.list()).toHaveLength(1);
    await expect(hosts.add('b.org', 1, first)).rejects.toThrow('is a FIFO');
  });
});

describe('a symbolic link', () => {
  test('that dangles makes the file it points to', async () => {
    await symlink('real', path);
    expect(await hosts.list()).toEqual([]);
    expect(await hosts.remove('example.org', 5000)).toBe(0);
    await hosts.add('example.org', 5000, first);
    expect(await readFile(join(directory, 'real'), 'utf8')).toBe(`example.org 5000 ${first}\n`);
    expect((await fs.lstat(path)).isSymbolicLink()).toBe(true);
  });

  test('that points into a folder which is not there is an error', async () => {
    await symlink('nowhere/real', path);
    await expect(hosts.add('example.org', 5000, first)).rejects.toMatchObject({ code: 'ENOENT' });
    expect((await fs.lstat(path)).isSymbolicLink()).toBe(true);
  });

  test('to a link to a file in another file system is followed for removing, too', async () => {
    const elsewhere = await mkdtemp('/dev/shm/known-hosts-').catch(() => mkdtemp(join(directory, 'else')));
    const real = join(elsewhere, 'real');
    await writeFile(real, `example.org 5000 ${first}\nb.org 1 ${second}\n`);
    await symlink(real, join(directory, 'middle'));
    await symlink('middle', path);
    expect(await hosts.remove('example.org', 5000)).toBe(1);
    expect(await readFile(real, 'utf8')).toBe(`b.org 1 ${second}\n`);
    expect(await readdir(elsewhere)).toEqual(['real']);
    expect((await readdir(directory)).sort()).toEqual(['known_hosts', 'middle']);
    await rm(elsewhere, { recursive: true });
  });
});
