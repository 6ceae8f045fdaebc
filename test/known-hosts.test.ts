import * as fs from 'node:fs/promises';
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { KnownHosts } from '../src/trust/known-hosts.node.js';

// The real file system, into which a test can step at the moment a file takes another's place
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  return { ...real, open: vi.fn(real.open), rename: vi.fn(real.rename) };
});

const first = `SHA256:${'A'.repeat(43)}`;
const second = `SHA256:${'B'.repeat(42)}A`;
const third = `SHA256:${'C'.repeat(42)}A`;

let directory: string;
let path: string;
let hosts: KnownHosts;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'known-hosts-'));
  path = join(directory, 'known_hosts');
  hosts = new KnownHosts(path);
});

afterEach(async () => {
  vi.useRealTimers();
  await rm(directory, { recursive: true });
});

describe('check', () => {
  test('without a file nobody is known, and none is made', async () => {
    expect(await hosts.check('example.org', 5000, first)).toBe('unknown');
    expect(await readdir(directory)).toEqual([]);
  });

  test('a server is known by host, port and key', async () => {
    await writeFile(path, `example.org 5000 ${first}\n`);
    expect(await hosts.check('example.org', 5000, first)).toBe('known');
    expect(await hosts.check('EXAMPLE.org', 5000, first)).toBe('known');
    expect(await hosts.check('example.org', 5001, second)).toBe('unknown');
    expect(await hosts.check('www.example.org', 5000, second)).toBe('unknown');
    expect(await hosts.check('example.org.', 5000, second)).toBe('unknown');
  });

  test('another key is refused, with both keys, the file and the line', async () => {
    await writeFile(path, `# servers\n\nexample.org 5000 ${first} added by hand\n`);
    const error = await hosts.check('Example.org', 5000, second).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'UNTRUSTED_SERVER', blame: 'peer', fingerprint: second });
    const { message } = error as Error;
    for (const part of ['example.org port 5000', second, `${first} (${path}:3)`])
      expect(message).toContain(part);
  });

  test('a server may have several keys; with none of them all are named', async () => {
    await writeFile(path, `example.org 5000 ${first}\nother.org 1 ${third}\nexample.org 5000 ${second}\n`);
    expect(await hosts.check('example.org', 5000, first)).toBe('known');
    expect(await hosts.check('example.org', 5000, second)).toBe('known');
    await expect(hosts.check('example.org', 5000, third)).rejects.toThrow(
      `${first} (${path}:1) or ${second} (${path}:3)`,
    );
  });

  test('all forms of a fingerprint, CRLF, tabs and upper case are read', async () => {
    const hex = Buffer.from(`${'A'.repeat(43)}=`, 'base64').toString('hex');
    await writeFile(path, `A.org\t1  sha256//${'A'.repeat(43)}=\r\n  b.ORG 2 ${hex.toUpperCase()}\r\n`);
    expect(await hosts.check('a.org', 1, first)).toBe('known');
    expect(await hosts.check('b.org', 2, `sha256//${'A'.repeat(43)}=`)).toBe('known');
  });

  test.each([
    ['no port', `example.org ${first}`, 'not a port'],
    ['a port that is none', `example.org http ${first}`, 'not a port: "http"'],
    ['a port beyond 65535', `example.org 65536 ${first}`, '65536'],
    ['a negative port', `example.org -1 ${first}`, 'not a port'],
    ['no fingerprint', 'example.org 5000', 'not a fingerprint'],
    ['a fingerprint cut short', `example.org 5000 ${first.slice(0, -1)}`, 'not a fingerprint'],
    ['a Unix path with a port', `unix:/run/x 1 ${first}`, 'expected 0'],
    ['a Unix path that is not percent-encoded', `unix:/run/%x 0 ${first}`, 'not percent-encoded'],
    ['a merge conflict', '<<<<<<< ours', 'not a port'],
  ])('a line with %s is an error, whichever server is asked for', async (_, line, text) => {
    await writeFile(path, `other.org 1 ${first}\n${line}\n`);
    const questions = [
      () => hosts.check('other.org', 1, first),
      () => hosts.check('x', 1, first),
      () => hosts.add('x', 1, first),
      () => hosts.list(),
    ];
    for (const ask of questions) {
      await expect(ask()).rejects.toMatchObject({
        code: 'BAD_OPTION',
        message: expect.stringMatching(new RegExp(`^${literally(path)}:2: .*${literally(text)}`)),
      });
    }
  });

  test.each([
    ['', 1],
    ['a b', 1],
    ['a\nb', 1],
    ['#a', 1],
    ['unix:', 0],
    ['unix:/run/x', 1],
    ['a', -1],
    ['a', 65536],
    ['a', 1.5],
    [undefined as unknown as string, 1],
  ])('%j port %d is no server', async (host, port) => {
    await expect(hosts.check(host, port, first)).rejects.toMatchObject({ code: 'BAD_OPTION' });
    await expect(hosts.add(host, port, first)).rejects.toMatchObject({ code: 'BAD_OPTION' });
    expect(await readdir(directory)).toEqual([]);
  });

  test('a file that cannot be read is no empty file', async () => {
    await mkdir(path);
    await expect(hosts.check('example.org', 5000, first)).rejects.toMatchObject({ code: 'EISDIR' });
  });
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
      let most = 0;
      while (!isDone) {
        const { length } = await hosts.list();
        expect(length).toBeGreaterThanOrEqual(most);
        most = length;
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

  test('that fails leaves the file as it was, and nothing beside it', async () => {
    await writeFile(path, '# before\n');
    const failure = Object.assign(new Error('no space left'), { code: 'ENOSPC' });
    vi.mocked(fs.rename).mockRejectedValueOnce(failure);
    await expect(hosts.add('example.org', 5000, first)).rejects.toBe(failure);
    expect(await readFile(path, 'utf8')).toBe('# before\n');
    expect(await readdir(directory)).toEqual(['known_hosts']);
  });
});

describe('the lock', () => {
  test('of another process is waited for', async () => {
    await writeFile(`${path}.lock`, 'another');
    let isDone = false;
    const adding = hosts.add('example.org', 5000, first).then(() => {
      isDone = true;
    });
    await sleep(150);
    expect(isDone).toBe(false);
    expect(await readdir(directory)).toEqual(['known_hosts.lock']);
    await rm(`${path}.lock`);
    await adding;
    expect(await readdir(directory)).toEqual(['known_hosts']);
  });

  test('left behind by a process that died is removed', async () => {
    await writeFile(`${path}.lock`, 'another');
    await utimes(`${path}.lock`, new Date(), new Date(Date.now() - 6000));
    await hosts.add('example.org', 5000, first);
    expect(await readdir(directory)).toEqual(['known_hosts']);
  });

  test('left behind is removed by one of many, and all go on in turn', async () => {
    await writeFile(`${path}.lock`, 'another');
    await utimes(`${path}.lock`, new Date(), new Date(Date.now() - 6000));
    await Promise.all(
      Array.from({ length: 10 }, (_, index) => new KnownHosts(path).add(`host-${index}`, 1, first)),
    );
    expect(await hosts.list()).toHaveLength(10);
    expect(await readdir(directory)).toEqual(['known_hosts']);
  });

  test('held without end is given up on', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    await writeFile(`${path}.lock`, 'another');
    await utimes(`${path}.lock`, new Date(), new Date(Date.now() + 3_600_000));
    const adding = hosts.add('example.org', 5000, first);
    setTimeout(() => vi.setSystemTime(Date.now() + 11_000), 50);
    await expect(adding).rejects.toMatchObject({
      code: 'BUSY',
      message: expect.stringContaining(`${path}.lock is held by another process`),
    });
    expect(await readFile(`${path}.lock`, 'utf8')).toBe('another');
  });

  test('taken over keeps the slow one from writing, and stays with the other', async () => {
    const { open } = await vi.importActual<typeof fs>('node:fs/promises');
    await writeFile(path, '# before\n');
    vi.mocked(fs.open).mockImplementation(async (...parameters) => {
      if (String(parameters[0]).endsWith('.tmp')) await writeFile(`${path}.lock`, 'another');
      return open(...parameters);
    });
    await expect(hosts.add('example.org', 5000, first)).rejects.toMatchObject({
      code: 'BUSY',
      message: expect.stringContaining('nothing was written'),
    });
    vi.mocked(fs.open).mockImplementation(open);
    expect(await readFile(path, 'utf8')).toBe('# before\n');
    expect((await readdir(directory)).sort()).toEqual(['known_hosts', 'known_hosts.lock']);
    expect(await readFile(`${path}.lock`, 'utf8')).toBe('another');
  });

  test('moved away by mistake, being fresh, is put back', async () => {
    const { rename } = await vi.importActual<typeof fs>('node:fs/promises');
    await writeFile(`${path}.lock`, 'stale');
    await utimes(`${path}.lock`, new Date(), new Date(Date.now() - 6000));
    vi.mocked(fs.rename).mockImplementationOnce(async (from, to) => {
      await writeFile(`${path}.fresh`, 'fresh');
      await rename(`${path}.fresh`, from);
      await rename(from, to);
    });
    const adding = hosts.add('example.org', 5000, first);
    await sleep(150);
    expect(await readdir(directory)).toEqual(['known_hosts.lock']);
    expect(await readFile(`${path}.lock`, 'utf8')).toBe('fresh');
    await rm(`${path}.lock`);
    await adding;
    expect(await readdir(directory)).toEqual(['known_hosts']);
  });
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

  test('what is not there cannot be removed', async () => {
    const { ino } = await stat(path);
    expect(await hosts.remove('c.org', 1)).toBe(0);
    expect((await stat(path)).ino).toBe(ino);
  });
});

function literally(text: string): string {
  return text.replace(/[^\w]/g, '\\$&');
}
