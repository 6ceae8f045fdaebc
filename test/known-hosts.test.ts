import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { directory, first, hosts, path, second, third } from './helpers/known-hosts.js';

// The real file system, into which a test can step at the moment a file takes another's place
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  return { ...real, open: vi.fn(real.open), rename: vi.fn(real.rename) };
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

  test.each([
    ['without its mark', Buffer.from(`# hosts\nexample.org 1 ${first}\n`, 'utf16le')],
    ['with the larger half first', Buffer.from(`# hosts\nexample.org 1 ${first}\n`, 'utf16le').swap16()],
    ['in part', Buffer.from(`example.org 1 ${first} there\0\n`)],
  ])('a file that is UTF-16, %s, is refused', async (_, bytes) => {
    await writeFile(path, bytes);
    for (const use of [
      () => hosts.check('b.org', 1, first),
      () => hosts.add('b.org', 1, first),
      () => hosts.remove('b.org', 1),
    ])
      await expect(use()).rejects.toMatchObject({
        code: 'BAD_OPTION',
        message: `${path}: it has zero bytes, as UTF-16 has: save it as UTF-8`,
      });
    expect(await readFile(path)).toEqual(bytes);
  });

  test.each([
    ['a vertical tab', '\v'],
    ['a form feed', '\f'],
    ['a record separator', '\u001e'],
    ['NEL', '\u0085'],
    ['a line separator', '\u2028'],
    ['a paragraph separator', '\u2029'],
  ])('%s hides no line', async (_, end) => {
    for (const before of [`a.org 1 ${second}`, `a.org 1 ${second} there`, '# hosts', '#']) {
      await writeFile(path, `${before}${end}b.org 1 ${second}\n`);
      for (const use of [() => hosts.check('b.org', 1, first), () => hosts.add('b.org', 1, first)])
        await expect(use()).rejects.toMatchObject({
          code: 'BAD_OPTION',
          message: expect.stringContaining(`${path}:1: `),
        });
    }
    await expect(hosts.add('c.org', 1, first, `here${end}there`)).rejects.toMatchObject({
      code: 'BAD_OPTION',
    });
    await writeFile(path, `${end}\nb.org 1 ${first}\n`);
    // NEL and a record separator are no white space in ECMAScript
    if (/\s/.test(end)) expect(await hosts.check('b.org', 1, first)).toBe('known');
  });

  test.each([
    ['a comment before', ' there'],
    ['a blank before', ' '],
    ['nothing before', ''],
  ])('a file put behind one whose last line has no end, %s, hides no server', async (_, before) => {
    for (const key of [second, `sha256//${second.slice(7)}=`, Buffer.alloc(32, 7).toString('hex')]) {
      await writeFile(path, `a.org 1 ${second}${before}b.org 1 ${key}\n`);
      await expect(hosts.check('b.org', 1, first)).rejects.toMatchObject({
        code: 'BAD_OPTION',
        message: expect.stringContaining(`${path}:1: `),
      });
    }
    await writeFile(path, '');
    await expect(hosts.add('a.org', 1, first, `was ${second}`)).rejects.toMatchObject({ code: 'BAD_OPTION' });
    expect(await hosts.list()).toEqual([]);
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
    ['several hosts', `a.org,b.org 1 ${first}`, 'not a host'],
    ['a pattern', `*.org 1 ${first}`, 'not a host'],
    ['a host in quotation marks', `"a.org" 1 ${first}`, 'not a host'],
    ['a host that is excluded', `!a.org 1 ${first}`, 'not a host'],
    ['a hashed host', `|1|F1E1KeoE= 1 ${first}`, 'not a host'],
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

function literally(text: string): string {
  return text.replace(/[^\w]/g, '\\$&');
}
