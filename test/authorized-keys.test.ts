import { createHash, generateKeyPairSync } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { mkdtemp, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { AuthorizedKeys } from '../src/trust/authorized-keys.node.js';

// The real file system, counting, and with coarse times where a test wants them
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  return { ...real, open: vi.fn(real.open), stat: vi.fn(real.stat) };
});

const backend = { sha256: (data: Uint8Array): Uint8Array => createHash('sha256').update(data).digest() };
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
    const keys = await AuthorizedKeys.open(['# comment', second, '', line], backend);
    expect(await keys.find(fingerprint)).toEqual(key);
    expect(await keys.find(second)).toEqual({});
    expect(await keys.find(`SHA256:${'C'.repeat(42)}A`)).toBeNull();
  });

  test.each(bad)('with %s is refused', async (_, line, text) => {
    await expect(AuthorizedKeys.open([second, line], backend)).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringMatching(/^authorizedKeys\[1\]: /),
    });
    await expect(AuthorizedKeys.open([second, line], backend)).rejects.toThrow(text);
  });

  test('that is empty lets nobody in', async () => {
    expect(await (await AuthorizedKeys.open([], backend)).find(first)).toBeNull();
  });

  test('changed afterwards changes nothing', async () => {
    const list = [first];
    const keys = await AuthorizedKeys.open(list, backend);
    list[0] = second;
    expect(await keys.find(first)).toEqual({});
    expect(await keys.find(second)).toBeNull();
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

  test.each(good)('with %s', async (_, line, fingerprint, key) => {
    await writeFile(path, `# comment\r\n\n${second}\r\n${line}`);
    const keys = await AuthorizedKeys.open(path, backend);
    expect(await keys.find(fingerprint)).toEqual(key);
    expect(await keys.find(second)).toEqual({});
  });

  test.each(bad)('with %s is refused, with the line', async (_, line) => {
    await writeFile(path, `# comment\n\n${second}\n${line}\n`);
    const error = await AuthorizedKeys.open(path, backend).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'BAD_OPTION' });
    expect((error as Error).message.startsWith(`${path}:4: `)).toBe(true);
  });

  test('that is not there gives the error of the system', async () => {
    await expect(AuthorizedKeys.open(path, backend)).rejects.toMatchObject({ code: 'ENOENT', path });
  });

  test('is read again when it has changed', async () => {
    await writeFile(path, `${first} alice\n`);
    const keys = await AuthorizedKeys.open(path, backend);
    await writeFile(path, `${first} alice\n${second} bob\n`);
    expect(await keys.find(second)).toEqual({ name: 'bob' });
    await writeFile(path, `${second} bob\n`);
    expect(await keys.find(first)).toBeNull();
  });

  test('is read again even if size and time stay the same', async () => {
    await writeFile(path, first);
    const { atime, mtime } = await stat(path);
    const keys = await AuthorizedKeys.open(path, backend);
    expect(await keys.find(first)).toEqual({});
    await writeFile(path, second);
    await utimes(path, atime, mtime);
    expect(await keys.find(first)).toBeNull();
    expect(await keys.find(second)).toEqual({});
  });

  test('just changed is read again though its times are too coarse to show it', async () => {
    await writeFile(path, first);
    const unchanged = await stat(path, { bigint: true });
    const keys = await AuthorizedKeys.open(path, backend);
    await writeFile(path, second);
    vi.mocked(fs.stat).mockResolvedValueOnce(unchanged);
    expect(await keys.find(first)).toBeNull();
    vi.mocked(fs.stat).mockReset();
  });

  test('replaced by another is read again', async () => {
    await writeFile(path, first);
    const keys = await AuthorizedKeys.open(path, backend);
    await writeFile(`${path}.new`, second);
    await rename(`${path}.new`, path);
    expect(await keys.find(first)).toBeNull();
    expect(await keys.find(second)).toEqual({});
  });

  test('that has long been the same is not read again until it changes', async () => {
    await writeFile(path, first);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3000 });
    const keys = await AuthorizedKeys.open(path, backend);
    vi.mocked(fs.open).mockClear();
    for (let time = 0; time < 5; time += 1) expect(await keys.find(first)).toEqual({});
    expect(fs.open).not.toHaveBeenCalled();
    await writeFile(path, second);
    expect(await keys.find(first)).toBeNull();
    expect(fs.open).toHaveBeenCalled();
  });

  test.each([
    [
      'broken',
      (): Promise<void> => writeFile(path, `${first}\nnonsense\n`),
      { code: 'BAD_OPTION', message: expect.stringContaining(':2: ') },
    ],
    ['deleted', (): Promise<void> => rm(path), { code: 'ENOENT' }],
  ])('%s while in use lets nobody in until it is mended', async (_, damage, error) => {
    await writeFile(path, `${first} alice\n`);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3000 });
    const keys = await AuthorizedKeys.open(path, backend);
    expect(await keys.find(first)).toEqual({ name: 'alice' });
    await damage();
    await expect(keys.find(first)).rejects.toMatchObject(error);
    await expect(keys.find(first)).rejects.toMatchObject(error);
    await expect(keys.find(second)).rejects.toMatchObject(error);
    await writeFile(path, `${first} alice again\n`);
    expect(await keys.find(first)).toEqual({ name: 'alice again' });
  });

  test('asked many times at once while it changes answers each by what it has', async () => {
    await writeFile(path, first);
    const keys = await AuthorizedKeys.open(path, backend);
    const before = await Promise.all(Array.from({ length: 20 }, () => keys.find(first)));
    expect(before).toEqual(Array(20).fill({}));
    await writeFile(path, second);
    const after = await Promise.all(Array.from({ length: 20 }, () => keys.find(first)));
    expect(after).toEqual(Array(20).fill(null));
  });
});
