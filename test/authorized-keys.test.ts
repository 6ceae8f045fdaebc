// Lists of authorised keys, in memory and in a file. One file, because the same good and bad lines are tried on both.

import { execFileSync } from 'node:child_process';
import { createHash, generateKeyPairSync } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { mkdir, mkdtemp, readFile, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { AuthorizedKeys } from '../src/trust/authorized-keys.node.js';

// The real file system, counting, and with coarse times where a test wants them
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  return { ...real, open: vi.fn(real.open), stat: vi.fn(real.stat) };
});

const first = `SHA256:${'A'.repeat(43)}`;
const second = `SHA256:${'B'.repeat(42)}A`;
const spki = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({
  type: 'spki',
  format: 'der',
});
const spkiFingerprint = `SHA256:${createHash('sha256').update(spki).digest('base64').slice(0, -1)}`;
const weakSpki = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({
  type: 'spki',
  format: 'der',
});

const good: [string, string, string, object][] = [
  ['a fingerprint', first, first, {}],
  ['a fingerprint and a name', `${first} alice`, first, { name: 'alice' }],
  ['a name of several words', `  ${first}\talice   at home  `, first, { name: 'alice at home' }],
  ['a name and a comment', `${first} alice # laptop`, first, { name: 'alice' }],
  ['a name with # in it', `${first} alice#2`, first, { name: 'alice#2' }],
  ['a comment in place of a name', `${first} # laptop`, first, {}],
  ['the base64 of an SPKI', `${spki.toString('base64')} bob`, spkiFingerprint, { name: 'bob' }],
  ['hexadecimal digits', `${'0'.repeat(64)} carol`, first, { name: 'carol' }],
  ["curl's form", `sha256//${'A'.repeat(43)}= dave`, first, { name: 'dave' }],
];

const bad: [string, string, string][] = [
  ['a word', 'alice', 'not a fingerprint: "alice"'],
  ['the name before the key', `alice ${first}`, 'not a fingerprint'],
  ['a fingerprint cut short', first.slice(0, -1), 'not a fingerprint'],
  ["ssh's form", 'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAB', 'not a fingerprint: "ssh-rsa"'],
  ['an SPKI of 1024 bits', weakSpki.toString('base64'), 'modulus of 1024 bits'],
  ['a damaged SPKI', `MIIC${spki.toString('base64').slice(4)}`, 'malformed DER'],
  ['an SPKI cut short', spki.toString('base64').slice(0, -4), 'malformed DER'],
  [
    'an SPKI without its padding',
    spki.toString('base64').replace(/=*$/, '').slice(0, -1),
    'neither a fingerprint nor canonical base64',
  ],
  ['a control character in a name', `${first} \u001b[31malice`, 'control characters'],
  ['a key that was there before', second, 'already on a line before'],
];

describe('a list', () => {
  test.each(good)('with %s', async (_, line, fingerprint, key) => {
    const keys = new AuthorizedKeys(['# comment', second, '', line]);
    expect(await keys.check(fingerprint)).toEqual({ ...key, fingerprint, line: 4 });
    expect(await keys.check(second)).toEqual({ fingerprint: second, line: 2 });
    expect(await keys.check(`SHA256:${'C'.repeat(42)}A`)).toBeNull();
  });

  test.each(bad)('with %s is refused', async (_, line, text) => {
    expect(() => new AuthorizedKeys([second, line])).toThrow(
      expect.objectContaining({
        code: 'BAD_OPTION',
        message: expect.stringMatching(/^authorizedKeys\[1\]: /),
      }),
    );
    expect(() => new AuthorizedKeys([second, line])).toThrow(text);
  });

  test('that is empty lets no client in', async () => {
    expect(await new AuthorizedKeys([]).check(first)).toBeNull();
  });

  test('is added to and removed from, and tells who watches', async () => {
    const keys = new AuthorizedKeys(first);
    let changes = 0;
    keys.watch(() => changes++);
    await keys.add(second, 'bob');
    expect(await keys.list()).toEqual([
      { fingerprint: first, line: 1 },
      { fingerprint: second, name: 'bob', line: 2 },
    ]);
    await keys.reload();
    expect(changes).toBe(1);
    expect(await keys.remove(first)).toBe(true);
    expect(keys.has(first)).toBe(false);
    expect(changes).toBe(2);
  });

  test('takes keys as they come out of a file, with what ends the line', async () => {
    const keys = new AuthorizedKeys(`${first} alice\r\n`);
    await keys.add(`${second}\n`, 'bob\n');
    expect((await keys.list()).map(({ fingerprint, name }) => [fingerprint, name])).toEqual([
      [first, 'alice'],
      [second, 'bob'],
    ]);
    expect(await keys.check(` ${second}\n`)).toMatchObject({ name: 'bob' });
    expect(await keys.remove(`${second}\n`)).toBe(true);
  });

  test('is asked for a fingerprint in any form', async () => {
    const keys = new AuthorizedKeys(first);
    const hex = Buffer.from(first.slice(7), 'base64').toString('hex');
    expect(await keys.check(hex)).toMatchObject({ fingerprint: first });
    await expect(keys.check('alice')).rejects.toThrow(
      expect.objectContaining({ code: 'BAD_OPTION', message: expect.stringContaining('not a fingerprint') }),
    );
  });

  test('with several lines in one text is refused', () => {
    expect(() => new AuthorizedKeys(`${first} alice\n${second} bob`)).toThrow('more than one line');
  });

  test('changed afterwards changes nothing', async () => {
    const list = [first];
    const keys = new AuthorizedKeys(list);
    list[0] = second;
    expect(await keys.check(first)).toEqual({ fingerprint: first, line: 1 });
    expect(await keys.check(second)).toBeNull();
  });
});

describe('a file', () => {
  let directory: string;
  let path: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'authorized-keys-'));
    path = join(directory, 'authorized_keys');
  });

  afterEach(async () => {
    vi.useRealTimers();
    await rm(directory, { recursive: true });
  });

  /** A list that was good once. */
  async function openFile(onError?: (error: Error) => void): Promise<AuthorizedKeys> {
    const keys = new AuthorizedKeys({ path }, { onError });
    await keys.list();
    return keys;
  }

  test.each(good)('with %s', async (_, line, fingerprint, key) => {
    await writeFile(path, `# comment\r\n\n${second}\r\n${line}`);
    const keys = await openFile();
    expect(await keys.check(fingerprint)).toEqual({ ...key, fingerprint, line: 4 });
    expect(await keys.check(second)).toEqual({ fingerprint: second, line: 3 });
  });

  test.each(bad)('with %s is refused, with the line', async (_, line) => {
    await writeFile(path, `# comment\n\n${second}\n${line}\n`);
    const error = await openFile().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'BAD_OPTION' });
    expect((error as Error).message.startsWith(`${path}:4: `)).toBe(true);
  });

  test.each([
    ['is not there', (): Promise<unknown> => Promise.resolve(), 'ENOENT'],
    ['is a folder', (): Promise<unknown> => mkdir(path), 'EISDIR'],
    ['is a link to itself', (): Promise<unknown> => symlink(path, path), 'ELOOP'],
  ])('that %s is named, with the option and what to do', async (_, make, code) => {
    await make();
    const error = await openFile().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'BAD_OPTION', blame: 'caller', cause: { code } });
    expect((error as Error).message).toMatch(`the authorised keys cannot be read: ${code}`);
    expect((error as Error).message).toContain(`'${path}'`);
    expect((error as Error).message).toMatch(
      /: name a file in authorizedKeys; an empty one lets in no client$/,
    );
  });

  test('that cannot be written is named too', async () => {
    await mkdir(path);
    const keys = new AuthorizedKeys({ path });
    for (const attempt of [keys.add(first), keys.remove(first)])
      await expect(attempt).rejects.toMatchObject({
        code: 'BAD_OPTION',
        message: expect.stringContaining(path),
      });
  });

  test('is read again when it has changed', async () => {
    await writeFile(path, `${first} alice\n`);
    const keys = await openFile();
    await writeFile(path, `${first} alice\n${second} bob\n`);
    expect(await keys.check(second)).toMatchObject({ name: 'bob', line: 2 });
    await writeFile(path, `${second} bob\n`);
    expect(await keys.check(first)).toBeNull();
  });

  test('is read again even if size and time stay the same', async () => {
    await writeFile(path, first);
    const { atime, mtime } = await stat(path);
    const keys = await openFile();
    expect(await keys.check(first)).toEqual({ fingerprint: first, line: 1 });
    await writeFile(path, second);
    await utimes(path, atime, mtime);
    expect(await keys.check(first)).toBeNull();
    expect(await keys.check(second)).toEqual({ fingerprint: second, line: 1 });
  });

  test('just changed is read again though its times are too coarse to show it', async () => {
    await writeFile(path, first);
    const unchanged = await stat(path, { bigint: true });
    const keys = await openFile();
    await writeFile(path, second);
    vi.mocked(fs.stat).mockResolvedValueOnce(unchanged);
    expect(await keys.check(first)).toBeNull();
    vi.mocked(fs.stat).mockReset();
  });

  test('replaced by another is read again', async () => {
    await writeFile(path, first);
    const keys = await openFile();
    await writeFile(`${path}.new`, second);
    await rename(`${path}.new`, path);
    expect(await keys.check(first)).toBeNull();
    expect(await keys.check(second)).toEqual({ fingerprint: second, line: 1 });
  });

  test('that has long been the same is not read again until it changes', async () => {
    await writeFile(path, first);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3000 });
    const keys = await openFile();
    vi.mocked(fs.open).mockClear();
    for (let time = 0; time < 5; time += 1)
      expect(await keys.check(first)).toEqual({ fingerprint: first, line: 1 });
    expect(fs.open).not.toHaveBeenCalled();
    await writeFile(path, second);
    expect(await keys.check(first)).toBeNull();
    expect(fs.open).toHaveBeenCalled();
  });

  test.each([
    [
      'with a line that is none',
      (): Promise<void> => writeFile(path, `${second}\nnonsense\n`),
      ':2: not a finger',
    ],
    ['that is UTF-16', (): Promise<void> => writeFile(path, `\ufeff${second}\n`, 'utf16le'), 'UTF-16'],
    ['that is not there', (): Promise<void> => rm(path), 'ENOENT'],
    ['that is a folder', (): Promise<void> => rm(path).then(() => mkdir(path)), 'EISDIR'],
    ['that is a link to nothing', (): Promise<void> => rm(path).then(() => symlink('gone', path)), 'ENOENT'],
  ])('%s while in use leaves the last good list, and is reported once', async (_, damage, text) => {
    await writeFile(path, `${first} alice\n`);
    const errors: Error[] = [];
    const keys = await openFile((error) => errors.push(error));
    await damage();
    for (let time = 0; time < 3; time++) {
      expect(await keys.check(first)).toMatchObject({ name: 'alice' });
      expect(await keys.check(second)).toBeNull();
    }
    expect(errors).toHaveLength(1);
    expect(errors[0]?.message).toContain(path);
    expect(errors[0]?.message).toContain(text);
    await expect(keys.reload()).rejects.toThrow(text);
    expect(await keys.check(first)).toMatchObject({ name: 'alice' });
    await rm(path, { recursive: true, force: true });
    await writeFile(path, `${second} bob\n`);
    expect(await keys.check(second)).toMatchObject({ name: 'bob' });
    expect(await keys.check(first)).toBeNull();
    expect(errors).toHaveLength(text === 'ENOENT' ? 1 : errors.length);
  });

  test('that is damaged again, in whatever way, is reported again', async () => {
    await writeFile(path, `${first} alice\n`);
    const errors: string[] = [];
    const keys = await openFile(({ message }) => errors.push(message));
    for (const damage of [`${first}\n\nnonsense`, `${first}\n\nnonsense\n`, `${first}\nnonsense`]) {
      await writeFile(path, damage);
      for (let time = 0; time < 2; time++) expect(await keys.check(first)).toMatchObject({ name: 'alice' });
    }
    expect(errors).toEqual(
      [3, 3, 2].map((line) => expect.stringContaining(`${path}:${line}: not a fingerprint`)),
    );
    await writeFile(path, `${first}\n`);
    await keys.check(first);
    await rm(path);
    await keys.check(first);
    await writeFile(path, `${first}\n`);
    await keys.check(first);
    await rm(path);
    await keys.check(first);
    expect(errors.slice(3)).toEqual([expect.stringContaining('ENOENT'), expect.stringContaining('ENOENT')]);
  });

  test('without a listener for errors, what is wrong is a warning', async () => {
    const emitWarning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    await writeFile(path, `${first} alice\n`);
    const keys = await openFile();
    await writeFile(path, 'nonsense\n');
    await keys.check(first);
    expect(emitWarning.mock.calls).toEqual([
      [
        expect.stringContaining(`${path}:1: not a fingerprint`),
        expect.objectContaining({ code: 'SECURE_SOCKETS_AUTHORIZED_KEYS' }),
      ],
    ]);
    emitWarning.mockRestore();
  });

  test.each([
    ['a byte-order mark', (text: string) => `\ufeff${text}`],
    ['CRLF', (text: string) => text.replaceAll('\n', '\r\n')],
    ['CR', (text: string) => text.replaceAll('\n', '\r')],
    ['blanks around lines', (text: string) => text.replaceAll('\n', ' \t\u00a0\n \t')],
    ['blank lines', (text: string) => `\n${text.replaceAll('\n', '\n \n')}`],
    ['no end of the last line', (text: string) => text.trimEnd()],
  ])('with %s has the same keys', async (_, edit) => {
    await writeFile(path, edit(`${first} alice\n# ${'SHA256:'}\n${second} bob\n`));
    const keys = await openFile();
    expect((await keys.list()).map(({ fingerprint, name }) => [fingerprint, name])).toEqual([
      [first, 'alice'],
      [second, 'bob'],
    ]);
  });

  test.each([
    ['a comment and a line separator', `# ${first}\u2028${second} bob\n`],
    ['a comment and a form feed', `# ${first}\f${second} bob\n`],
    ['a line separator', `${first} alice\u2028${second} bob\n`],
    ['a vertical tab', `${first} alice\v${second} bob\n`],
    ['no end between two lines', `${first} alice${second} bob\n`],
    [
      'no end between two lines, the second with a whole key',
      `${first} alice${spki.toString('base64')} bob\n`,
    ],
    ['UTF-16 without its mark', Buffer.from(`# clients\n${first} alice\n`, 'utf16le')],
  ])('that hides a line by %s is refused', async (_, text) => {
    await writeFile(path, text);
    const keys = new AuthorizedKeys({ path });
    for (const key of [first, second])
      await expect(keys.check(key)).rejects.toMatchObject({
        code: 'BAD_OPTION',
        message: expect.stringContaining(`${path}:`),
      });
  });

  test('given through a FIFO is read once, and stays what it was', async () => {
    execFileSync('mkfifo', [path]);
    const writing = writeFile(path, `${first} alice\n`);
    const keys = await openFile();
    await writing;
    expect(await keys.check(first)).toMatchObject({ name: 'alice' });
    await keys.reload();
    expect(await keys.check(first)).toMatchObject({ name: 'alice' });
    await expect(keys.add(second)).rejects.toThrow('is a FIFO');
  });

  test('is added to and removed from', async () => {
    await writeFile(path, `# clients\n${first} alice`);
    const keys = await openFile();
    await keys.add(spki.toString('base64'), 'bob at home');
    await keys.add(spkiFingerprint, 'the same key');
    expect(await readFile(path, 'utf8')).toBe(
      `# clients\n${first} alice\n${spki.toString('base64')} bob at home\n`,
    );
    expect(await keys.check(spkiFingerprint)).toMatchObject({ name: 'bob at home', line: 3 });
    expect(await keys.remove(first)).toBe(true);
    expect(await keys.remove(first)).toBe(false);
    expect(await readFile(path, 'utf8')).toBe(`# clients\n${spki.toString('base64')} bob at home\n`);
    for (const [key, name] of [
      ['nonsense', ''],
      ['', ''],
      ['# comment', ''],
      [second, `bob\n${first}`],
      [second, 'b\u0007b'],
    ])
      await expect(keys.add(key as string, name)).rejects.toMatchObject({ code: 'BAD_OPTION' });
  });

  test('that is watched is read without a request for a key', async () => {
    await writeFile(path, `${first} alice\n`);
    const errors: Error[] = [];
    const keys = await openFile((error) => errors.push(error));
    let changes = 0;
    const stop = keys.watch(() => changes++);
    await writeFile(path, `${second} bob\n`);
    await expect.poll(() => changes, { timeout: 5000 }).toBe(1);
    expect([keys.has(first), keys.has(second)]).toEqual([false, true]);
    await writeFile(path, 'nonsense\n');
    await expect.poll(() => errors.length, { timeout: 5000 }).toBe(1);
    expect([changes, keys.has(second)]).toEqual([1, true]);
    stop();
    await writeFile(path, `${first}\n`);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(keys.has(first)).toBe(false);
  });

  test('asked many times at once while it changes answers each by what it has', async () => {
    await writeFile(path, first);
    const keys = await openFile();
    const before = await Promise.all(Array.from({ length: 20 }, () => keys.check(first)));
    expect(before).toEqual(Array(20).fill({ fingerprint: first, line: 1 }));
    await writeFile(path, second);
    const after = await Promise.all(Array.from({ length: 20 }, () => keys.check(first)));
    expect(after).toEqual(Array(20).fill(null));
  });
});
