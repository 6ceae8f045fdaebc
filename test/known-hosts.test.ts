import { execFileSync, spawnSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import {
  appendFile,
  chmod,
  type FileHandle,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { FileLines } from '../src/trust/file-lines.node.js';
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
  const { open } = await vi.importActual<typeof fs>('node:fs/promises');
  vi.mocked(fs.open).mockImplementation(open);
  await rm(directory, { recursive: true });
});

describe('check', () => {
  test('without a file no server is known, and none is made', async () => {
    expect(await hosts.check('example.org', 5000, first)).toBe('unknown');
    expect(await readdir(directory)).toEqual([]);
  });

  test('a server is known by host, port and key', async () => {
    await writeFile(path, `example.org 5000 ${first}\n`);
    expect(await hosts.check('example.org', 5000, first)).toBe('known');
    expect(await hosts.check('EXAMPLE.org', 5000, first)).toBe('known');
    expect(await hosts.check('example.org', 5001, second)).toBe('unknown');
    expect(await hosts.check('www.example.org', 5000, second)).toBe('unknown');
  });

  test.each([
    ['::1', '0:0:0:0:0:0:0:1', '0::1', '::0001', '[::1]', '::1%lo'],
    ['2001:db8::a', '2001:DB8:0:0::A', '2001:0db8:0000:0000:0000:0000:0000:000a', '2001:db8::0.0.0.10'],
    ['127.0.0.1', '::ffff:127.0.0.1', '::FFFF:7f00:1', '0:0:0:0:0:ffff:127.0.0.1', '127.1', '0x7f000001'],
    ['fe80::1', 'FE80::1%eth0', 'fe80:0::1%2', '[fe80::1%25]'],
    ['example.org', 'EXAMPLE.org', 'example.org.', 'Example\u3002ORG', 'exam\u00adple.org'],
    ['xn--bcher-kva.example', 'bücher.example', 'BÜCHER.example.', 'XN--BCHER-KVA.example'],
  ])('%s has one name, however it is spelled', async (name, ...spellings) => {
    for (const spelling of spellings) {
      await writeFile(path, `${spelling} 5000 ${first}\n`);
      expect(await hosts.list()).toMatchObject([{ host: name }]);
      for (const other of [name, ...spellings]) {
        expect(await hosts.check(other, 5000, first)).toBe('known');
        await expect(hosts.check(other, 5000, second)).rejects.toMatchObject({ code: 'UNTRUSTED_SERVER' });
        await expect(hosts.add(other, 5000, second)).rejects.toMatchObject({ code: 'UNTRUSTED_SERVER' });
        await hosts.add(other, 5000, first);
        expect(await hosts.find(other, 5000)).toHaveLength(1);
      }
      expect(await hosts.remove(name, 5000)).toBe(1);
    }
  });

  test('what only looks alike is another host', async () => {
    await writeFile(path, `::1 1 ${first}\nexample.org 1 ${first}\n127.0.0.1 1 ${first}\n`);
    for (const host of [
      '::2',
      '1::',
      '::127.0.0.1',
      'example.org.uk',
      'xample.org',
      '127.0.0.11',
      'localhost',
    ])
      expect(await hosts.check(host, 1, second)).toBe('unknown');
  });

  test('a socket has one name, whichever folder its path begins in', async () => {
    await hosts.add('unix:some/where', 0, first);
    const absolute = join(process.cwd(), 'some/where');
    expect(await hosts.list()).toMatchObject([{ host: `unix:${absolute}` }]);
    for (const other of ['./some/where', 'some//where', 'some/./where', absolute])
      expect(await hosts.check(`unix:${other}`, 0, first)).toBe('known');
    expect(await hosts.check('unix:\0some/where', 0, first)).toBe('unknown');
  });

  test.each([
    ['a byte-order mark', (text: string) => `\ufeff${text}`],
    ['CRLF', (text: string) => text.replaceAll('\n', '\r\n')],
    ['CR', (text: string) => text.replaceAll('\n', '\r')],
    ['blanks around lines', (text: string) => text.replaceAll('\n', ' \t\u00a0\n \t')],
    ['blank lines', (text: string) => text.replaceAll('\n', '\n\n \n')],
    ['no end of the last line', (text: string) => text.trimEnd()],
    ['files with byte-order marks put together', (text: string) => text.replaceAll('\n', '\n\ufeff')],
  ])('%s hides no line, and is kept', async (_, edit) => {
    const text = edit(`example.org 1 ${first}\n# ${second}\nb.org 2 ${second} there\n`);
    await writeFile(path, text);
    expect(await hosts.check('example.org', 1, first)).toBe('known');
    await expect(hosts.check('example.org', 1, second)).rejects.toMatchObject({ code: 'UNTRUSTED_SERVER' });
    await expect(hosts.check('b.org', 2, first)).rejects.toMatchObject({ code: 'UNTRUSTED_SERVER' });
    await hosts.add('c.org', 3, third);
    const end = /[\r\n]$/.test(text) ? '' : '\n';
    expect((await readFile(path, 'utf8')).replace(/\n*(?=c\.org)/, '')).toBe(
      `${text}${end}c.org 3 ${third}\n`.replace(/\n*(?=c\.org)/, ''),
    );
    expect(await hosts.remove('c.org', 3)).toBe(1);
    expect(await hosts.remove('b.org', 2)).toBe(1);
    expect((await hosts.list()).map(({ host }) => host)).toEqual(['example.org']);
  });

  test.each([
    ['UTF-16', Buffer.from(`\ufeffexample.org 1 ${first}\n`, 'utf16le')],
    ['UTF-16', Buffer.from(`\ufeffexample.org 1 ${first}\n`, 'utf16le').swap16()],
    ['not UTF-8', Buffer.from(`example.org 1 ${first} caf\xe9\n`, 'latin1')],
  ])('a file that is %s is refused', async (text, bytes) => {
    await writeFile(path, bytes);
    await expect(hosts.check('example.org', 1, first)).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining(`${path}: it is ${text}`),
    });
    await expect(hosts.remove('example.org', 1)).rejects.toMatchObject({ code: 'BAD_OPTION' });
    expect(await readFile(path)).toEqual(bytes);
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
    const failing = (code: string): Error => Object.assign(new Error(`${code}: refused`), { code });
    const noNewFile = async (code: string): Promise<void> => {
      const { open } = await vi.importActual<typeof fs>('node:fs/promises');
      vi.mocked(fs.open).mockImplementation(async (...parameters) => {
        if (parameters[0] === `${path}.new`) throw failing(code);
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
        async () => void vi.mocked(fs.rename).mockRejectedValueOnce(failing('EBUSY')),
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
      await whenOpened(path, replaceIt, failing('EACCES'));
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

/** Lets something happen to a file between the moment it is opened and the next; a new one beside it may be refused. */
async function whenOpened(
  target: string,
  happen: (file: FileHandle) => Promise<void>,
  refusal?: Error,
): Promise<void> {
  const { open } = await vi.importActual<typeof fs>('node:fs/promises');
  let isDone = false;
  vi.mocked(fs.open).mockImplementation(async (...parameters) => {
    if (refusal !== undefined && parameters[0] === `${target}.new`) throw refusal;
    const file = await open(...parameters);
    if (isDone || parameters[0] !== target || typeof parameters[1] !== 'number') return file;
    isDone = true;
    await happen(file);
    return file;
  });
}

function literally(text: string): string {
  return text.replace(/[^\w]/g, '\\$&');
}
