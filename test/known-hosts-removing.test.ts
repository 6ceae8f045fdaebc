import * as fs from 'node:fs/promises';
import { appendFile, chmod, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { directory, first, hosts, path, second, third, whenOpened } from './helpers/known-hosts.js';

// The real file system, into which a test can step at the moment a file takes another's place
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  return { ...real, open: vi.fn(real.open), rename: vi.fn(real.rename) };
});

describe('list and remove', () => {
  beforeEach(() =>
    writeFile(
      path,
      `# top\na.org 1 ${first} the first\n\na.org 1 ${second}\na.org 2 ${first}\nb.org 1 ${first}`,
    ),
  );

  test('all entries are listed with their lines', async () => {
    expect(await hosts.list()).toEqual([
      { host: 'a.org', port: 1, fingerprint: first, comment: 'the first', line: 2 },
      { host: 'a.org', port: 1, fingerprint: second, line: 4 },
      { host: 'a.org', port: 2, fingerprint: first, line: 5 },
      { host: 'b.org', port: 1, fingerprint: first, line: 6 },
    ]);
  });

  test('a server is removed with all its keys, and nothing else', async () => {
    expect(await hosts.remove('A.org', 1)).toBe(2);
    expect(await readFile(path, 'utf8')).toBe(`# top\n\na.org 2 ${first}\nb.org 1 ${first}`);
    expect(await hosts.check('a.org', 1, third)).toBe('unknown');
  });

  test('a single key is removed', async () => {
    expect(await hosts.remove('a.org', 1, second)).toBe(1);
    expect(await hosts.check('a.org', 1, first)).toBe('known');
    await expect(hosts.check('a.org', 1, second)).rejects.toMatchObject({ code: 'UNTRUSTED_SERVER' });
  });

  test('the last line is removed', async () => {
    expect(await hosts.remove('b.org', 1)).toBe(1);
    expect(await readFile(path, 'utf8')).toBe(
      `# top\na.org 1 ${first} the first\n\na.org 1 ${second}\na.org 2 ${first}\n`,
    );
  });

  test('what another process adds meanwhile is kept', async () => {
    const { rename: really } = await vi.importActual<typeof fs>('node:fs/promises');
    vi.mocked(fs.rename).mockImplementationOnce(async (from, to) => {
      await appendFile(path, `\nlate.org 1 ${third}\n`);
      await really(from, to);
    });
    expect(await hosts.remove('a.org', 1)).toBe(2);
    expect(await readFile(path, 'utf8')).toBe(
      `# top\n\na.org 2 ${first}\nb.org 1 ${first}\n\nlate.org 1 ${third}\n`,
    );
    expect(await readdir(directory)).toEqual(['known_hosts']);
  });

  test('the mode of the file is kept', async () => {
    await chmod(path, 0o640);
    await hosts.remove('a.org', 1);
    expect((await stat(path)).mode & 0o777).toBe(0o640);
  });

  test('a replacement that fails leaves the file as it was, and nothing beside it', async () => {
    const before = await readFile(path, 'utf8');
    const failure = Object.assign(new Error('no space left'), { code: 'ENOSPC' });
    vi.mocked(fs.rename).mockRejectedValueOnce(failure);
    await expect(hosts.remove('a.org', 1)).rejects.toBe(failure);
    expect(await readFile(path, 'utf8')).toBe(before);
    expect(await readdir(directory)).toEqual(['known_hosts']);
  });

  test('another process that removes is waited for, and its new file is not touched', async () => {
    await writeFile(`${path}.new`, 'another');
    let isDone = false;
    const removing = hosts.remove('a.org', 1).then((count) => {
      isDone = true;
      return count;
    });
    await sleep(150);
    expect(isDone).toBe(false);
    expect(await readFile(`${path}.new`, 'utf8')).toBe('another');
    await rm(`${path}.new`);
    expect(await removing).toBe(2);
  });

  test('another process that was stopped while it removed is named', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    await writeFile(`${path}.new`, 'another');
    const removing = hosts.remove('a.org', 1);
    setTimeout(() => vi.setSystemTime(Date.now() + 11_000), 50);
    await expect(removing).rejects.toMatchObject({
      code: 'BUSY',
      message: expect.stringContaining(`remove ${path}.new if there is none`),
    });
    expect(await readFile(`${path}.new`, 'utf8')).toBe('another');
  });

  describe('from a file that can be written but not replaced makes comments of the lines', () => {
    const systemError = (code: string): Error => Object.assign(new Error(`${code}: refused`), { code });
    const noNewFile = async (code: string): Promise<void> => {
      const { open } = await vi.importActual<typeof fs>('node:fs/promises');
      vi.mocked(fs.open).mockImplementation(async (...parameters) => {
        if (parameters[0] === `${path}.new`) throw systemError(code);
        return open(...parameters);
      });
    };
    const commented = `# top\n#.org 1 ${first} the first\n\n#.org 1 ${second}\na.org 2 ${first}\nb.org 1 ${first}`;

    test.each([
      ['its folder is closed', () => noNewFile('EACCES')],
      ['its folder belongs to another user', () => noNewFile('EPERM')],
      ['its name is too long for a second one', () => noNewFile('ENAMETOOLONG')],
      [
        'it is mounted by itself',
        async () => void vi.mocked(fs.rename).mockRejectedValueOnce(systemError('EBUSY')),
      ],
    ])('%s', async (_, refuse) => {
      await refuse();
      const { ino } = await stat(path);
      expect(await hosts.remove('a.org', 1)).toBe(2);
      expect(await readFile(path, 'utf8')).toBe(commented);
      expect((await stat(path)).ino).toBe(ino);
      expect(await readdir(directory)).toEqual(['known_hosts']);
      expect(await hosts.check('a.org', 1, third)).toBe('unknown');
      expect(await hosts.check('a.org', 2, first)).toBe('known');
      expect(await hosts.remove('a.org', 1)).toBe(0);
    });

    test('after a byte-order mark and letters of several bytes', async () => {
      await writeFile(path, `\ufeffa.org 1 ${first} Büro\r\na.org 2 ${first}\r\na.org 1 ${second}`);
      await noNewFile('EROFS');
      expect(await hosts.remove('a.org', 1)).toBe(2);
      const text = `\ufeff#.org 1 ${first} Büro\r\na.org 2 ${first}\r\n#.org 1 ${second}`;
      expect(await readFile(path, 'utf8')).toBe(text);
    });

    test('that the owner of its folder replaces meanwhile, in the new one too', async () => {
      const text = await readFile(path, 'utf8');
      const replaceIt = async (): Promise<void> => {
        await writeFile(`${path}.other`, text);
        await rename(`${path}.other`, path);
      };
      await whenOpened(path, replaceIt, systemError('EACCES'));
      expect(await hosts.remove('a.org', 1)).toBe(2);
      expect(await readFile(path, 'utf8')).toBe(commented);
    });
  });

  test('what is not there cannot be removed', async () => {
    const { ino } = await stat(path);
    expect(await hosts.remove('c.org', 1)).toBe(0);
    expect((await stat(path)).ino).toBe(ino);
  });
});
