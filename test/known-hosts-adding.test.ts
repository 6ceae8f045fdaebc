import * as fs from 'node:fs/promises';
import { appendFile, chmod, readdir, readFile, rename, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { KnownHosts } from '../src/trust/known-hosts.node.js';
import { directory, first, hosts, path, second, whenOpened } from './helpers/known-hosts.js';

// The real file system, into which a test can step at the moment a file takes another's place
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  return { ...real, open: vi.fn(real.open), rename: vi.fn(real.rename) };
});

describe('add', () => {
  test("makes a file that is the owner's alone, and its directory", async () => {
    const deep = join(directory, 'a', 'b', 'known_hosts');
    await new KnownHosts(deep).add('Example.org', 5000, first);
    expect(await readFile(deep, 'utf8')).toBe(`example.org 5000 ${first}\n`);
    expect((await stat(deep)).mode & 0o777).toBe(0o600);
    expect((await stat(join(directory, 'a'))).mode & 0o777).toBe(0o700);
    expect(await readdir(join(directory, 'a', 'b'))).toEqual(['known_hosts']);
  });

  test('keeps all there is, and the mode of the file', async () => {
    const before = `# a comment\r\n\nother.org 1 ${second}  kept   as it is`;
    await writeFile(path, before);
    await chmod(path, 0o644);
    await hosts.add('::1', 5000, first);
    expect(await readFile(path, 'utf8')).toBe(`${before}\n::1 5000 ${first}\n`);
    expect((await stat(path)).mode & 0o777).toBe(0o644);
  });

  test('of what is there already changes nothing', async () => {
    await hosts.add('example.org', 5000, first);
    const { ino } = await stat(path);
    await hosts.add('EXAMPLE.ORG', 5000, first);
    expect(await readFile(path, 'utf8')).toBe(`example.org 5000 ${first}\n`);
    expect((await stat(path)).ino).toBe(ino);
  });

  test('never replaces another key', async () => {
    await hosts.add('example.org', 5000, first);
    await expect(hosts.add('example.org', 5000, second)).rejects.toMatchObject({ code: 'UNTRUSTED_SERVER' });
    expect(await readFile(path, 'utf8')).toBe(`example.org 5000 ${first}\n`);
    expect(await readdir(directory)).toEqual(['known_hosts']);
  });

  test('of a Unix path keeps its case and its odd characters', async () => {
    const odd = 'unix:/run/My App/100% #1\té.sock';
    await hosts.add(odd, 0, first);
    expect(await readFile(path, 'utf8')).toBe(`unix:/run/My%20App/100%25%20%231%09é.sock 0 ${first}\n`);
    expect(await hosts.check(odd, 0, first)).toBe('known');
    expect(await hosts.check(odd.toLowerCase(), 0, second)).toBe('unknown');
    expect(await hosts.list()).toEqual([{ host: odd, port: 0, fingerprint: first, line: 1 }]);
  });

  test('through a symbolic link changes the file that it leads to', async () => {
    const real = join(directory, 'real');
    await writeFile(real, '# real\n');
    await symlink(real, path);
    await hosts.add('example.org', 5000, first);
    expect(await readFile(real, 'utf8')).toBe(`# real\nexample.org 5000 ${first}\n`);
    expect((await fs.lstat(path)).isSymbolicLink()).toBe(true);
  });

  test('many at once all arrive, and a reader never sees a part', async () => {
    const names = Array.from({ length: 40 }, (_, index) => `host-${index}`);
    let isDone = false;
    const reading = (async () => {
      let max = 0;
      while (!isDone) {
        const { length } = await hosts.list();
        expect(length).toBeGreaterThanOrEqual(max);
        max = length;
        await sleep(1);
      }
    })();
    await Promise.all(names.map((name, index) => new KnownHosts(path).add(name, index, first)));
    isDone = true;
    await reading;
    const entries = await hosts.list();
    expect(entries.map(({ host }) => host).sort()).toEqual(names.sort());
    expect(await readdir(directory)).toEqual(['known_hosts']);
  });

  test('of one server with two keys at once takes one of them', async () => {
    const outcomes = await Promise.allSettled([
      hosts.add('example.org', 5000, first),
      new KnownHosts(path).add('example.org', 5000, second),
    ]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(await hosts.list()).toHaveLength(1);
  });

  test('that fails half-way leaves the file as it was', async () => {
    await writeFile(path, '# before\n');
    const failure = Object.assign(new Error('no space left'), { code: 'ENOSPC' });
    await whenOpened(path, async (file) => {
      file.appendFile = async (data) => {
        await file.write((data as Buffer).subarray(0, 9));
        throw failure;
      };
    });
    await expect(hosts.add('example.org', 5000, first)).rejects.toBe(failure);
    expect(await readFile(path, 'utf8')).toBe('# before\n');
    expect(await readdir(directory)).toEqual(['known_hosts']);
  });

  test('that fails half-way takes nothing away that another process has added', async () => {
    await writeFile(path, '# before\n');
    const failure = Object.assign(new Error('no space left'), { code: 'ENOSPC' });
    await whenOpened(path, async (file) => {
      file.appendFile = async () => {
        await appendFile(path, `other.org 1 ${second}\n`);
        throw failure;
      };
    });
    await expect(hosts.add('example.org', 5000, first)).rejects.toBe(failure);
    expect(await readFile(path, 'utf8')).toBe(`# before\nother.org 1 ${second}\n`);
  });

  test('to a file that is replaced meanwhile adds to the new one', async () => {
    await writeFile(path, '# before\n');
    await whenOpened(path, async () => {
      await writeFile(`${path}.other`, '# after\n');
      await rename(`${path}.other`, path);
    });
    await hosts.add('example.org', 5000, first);
    expect(await readFile(path, 'utf8')).toBe(`# after\nexample.org 5000 ${first}\n`);
  });

  test('of a server that another process adds at the same time with another key yields to it', async () => {
    await writeFile(path, '# before\n');
    await whenOpened(path, () => appendFile(path, `example.org 5000 ${second}\n`));
    await expect(hosts.add('example.org', 5000, first)).rejects.toMatchObject({ code: 'UNTRUSTED_SERVER' });
    expect(await readFile(path, 'utf8')).toBe(`# before\nexample.org 5000 ${second}\n`);
  });

  test('keeps a comment, which must be one line', async () => {
    await hosts.add('example.org', 5000, first, ' on my desk ');
    expect(await readFile(path, 'utf8')).toBe(`example.org 5000 ${first} on my desk\n`);
    await expect(hosts.add('b.org', 1, first, 'a\nc.org 1')).rejects.toMatchObject({ code: 'BAD_OPTION' });
  });
});
