import { execFileSync } from 'node:child_process';
import { chmod, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test, vi } from 'vitest';
import { SecureSocketError } from '../src/errors.js';
import { Identity } from '../src/identity/identity.node.js';
import { AuthorizedKeys } from '../src/trust/authorized-keys.node.js';
import { KnownHosts } from '../src/trust/known-hosts.node.js';
import { describeIdentity, directory, keys, pemOf, problem } from './helpers/identity-keys.js';

describe('what editors and pipelines make of a key file', () => {
  const edits: [string, (text: string) => string][] = [
    ['a byte-order mark', (text) => `\ufeff${text}`],
    ['a blank line before', (text) => `\n \n${text}`],
    ['CRLF', (text) => text.replaceAll('\n', '\r\n')],
    ['CR', (text) => text.replaceAll('\n', '\r')],
    ['a byte-order mark and CRLF', (text) => `\ufeff${text.replaceAll('\n', '\r\n')}`],
    ['blanks behind the role', (text) => text.replace('\n', ' \t\n')],
    ['blanks before the role', (text) => ` \t\u00a0${text}`],
    ['blank lines behind', (text) => `${text}\n\n`],
    ['no end of the last line', (text) => text.trimEnd()],
  ];

  test.each(edits)('%s does not hide the role', async (_, edit) => {
    const text = edit(Identity.fromPem(pemOf(keys.client), { role: 'client' }).toPem());
    const path = join(directory, `edited-${edits.findIndex(([, one]) => one === edit)}.pem`);
    await writeFile(path, text, { mode: 0o600 });
    for (const load of [() => Identity.fromPem(text), () => Identity.load(path)])
      expect((await load()).role).toBe('client');
    const asServer = () => Identity.fromPem(text, { role: 'server' });
    expect(asServer).toThrow(problem('BAD_IDENTITY', 'the key has the role client, not server'));
    await expect(Identity.load(path, { role: 'server' })).rejects.toThrow(
      problem('BAD_IDENTITY', 'role client'),
    );
  });

  test.each([
    ['other letters', 'secure-sockets-role: client'],
    ['a blank before the colon', 'Secure-Sockets-Role : client'],
    ['no hyphens', 'Secure Sockets Role: client'],
    ['hyphens of a word processor', 'Secure\u2010Sockets\u2010Role: client'],
    ['a sign that does not show', '\u200bSecure-Sockets-Role: client'],
    ['a quotation mark', '> Secure-Sockets-Role: client'],
    ['a comment', '# Secure-Sockets-Role: client'],
    ['letters between which there are zeros', [...'Secure-Sockets-Role: client'].join('\0')],
    ['more than a role', 'Secure-Sockets-Role: client server'],
    ['two roles', 'Secure-Sockets-Role: client\nSecure-Sockets-Role: server'],
    ['a break within it', 'Secure-Sockets-\nRole: client'],
    ['a break before the role', 'Secure-Sockets-Role:\n client'],
  ])('a line of a role with %s is refused, whatever role is asked for', (_, line) => {
    for (const options of [{}, { role: 'client' }, { role: 'server' }] as const) {
      expect(() => Identity.fromPem(`${line}\n${pemOf(keys.client)}`, options)).toThrow(
        problem('BAD_IDENTITY', 'expected one line "Secure-Sockets-Role: ROLE"'),
      );
    }
  });

  test('a role behind the key is refused', () => {
    expect(() =>
      Identity.fromPem(`${pemOf(keys.client)}Secure-Sockets-Role: client\n`, { role: 'server' }),
    ).toThrow(problem('BAD_IDENTITY', 'text after'));
  });

  test('UTF-16 is named', async () => {
    const path = join(directory, 'utf16.pem');
    await writeFile(path, Buffer.from(`\ufeff${pemOf(keys.client)}`, 'utf16le'), { mode: 0o600 });
    await expect(Identity.load(path, { role: 'client' })).rejects.toThrow(
      problem('BAD_OPTION', `${path}: it is UTF-16: save it as UTF-8`),
    );
  });
});

test('what is to be written anew keeps its role', () => {
  const pem = Identity.fromPem(pemOf(keys.client), { role: 'client' }).toPem();
  const spoilt = [pem.replaceAll('\n', ' \n'), `${pem}${pemOf(keys.client)}`];
  for (const text of spoilt)
    expect(() => Identity.fromPem(text)).toThrow(
      problem('BAD_IDENTITY', '-out new.pem  and write the line of its role before it again'),
    );
  expect(() => Identity.fromPem(pemOf(keys.client).replaceAll('\n', ' \n'))).toThrow(
    problem('BAD_IDENTITY', '-out new.pem'),
  );
});

describe('files', () => {
  test("saved are the owner's alone, and load", async () => {
    const identity = Identity.fromPem(pemOf(keys.server), { role: 'server' });
    const path = join(directory, 'saved.pem');
    await identity.save(path);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readFile(path, 'utf8')).toBe(identity.toPem());
    expect(describeIdentity(await Identity.load(path))).toEqual(describeIdentity(identity));
  });

  test('are never overwritten', async () => {
    const path = join(directory, 'taken.pem');
    await writeFile(path, 'something else');
    const identity = Identity.fromPem(pemOf(keys.server), { role: 'server' });
    await expect(identity.save(path)).rejects.toThrow(
      problem('BAD_IDENTITY', `${path} exists and is not overwritten`),
    );
    expect(await readFile(path, 'utf8')).toBe('something else');
  });

  test('are not begun for a passphrase that is none', async () => {
    const path = join(directory, 'never.pem');
    const identity = Identity.fromPem(pemOf(keys.server), { role: 'server' });
    await expect(identity.save(path, { passphrase: '' })).rejects.toThrow(
      problem('BAD_OPTION', 'passphrase'),
    );
    await expect(stat(path)).rejects.toThrow('ENOENT');
  });

  test('that are broken are named', async () => {
    const path = join(directory, 'broken.pem');
    await writeFile(path, 'nothing', { mode: 0o600 });
    const error = await Identity.load(path, { role: 'server' }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      code: 'BAD_IDENTITY',
      message: `${path}: malformed PEM: there is no BEGIN line: a private RSA key in PEM is needed, as  secure-sockets keygen  and  openssl genpkey  write it`,
    });
    expect((error as Error).cause).toBeInstanceOf(SecureSocketError);
  });

  test('that the system does not give or take are named, with its reason', async () => {
    const path = join(directory, 'missing.pem');
    const identity = Identity.fromPem(pemOf(keys.server), { role: 'server' });
    for (const [attempt, file, code, verb] of [
      [() => Identity.load(path), path, 'ENOENT', 'read'],
      [() => Identity.load(directory), directory, 'EISDIR', 'read'],
      [() => identity.save(join(path, 'x')), join(path, 'x'), 'ENOENT', 'written'],
    ] as const)
      await expect(attempt()).rejects.toMatchObject({
        code: 'BAD_IDENTITY',
        blame: 'caller',
        message: expect.stringMatching(`^the key file cannot be ${verb}: ${code}: .*'${file}'$`),
        cause: { code },
      });
  });

  test('are named by a URL and by { path } too', async () => {
    const identity = Identity.fromPem(pemOf(keys.server), { role: 'server' });
    const path = join(directory, 'by url.pem');
    await identity.save(pathToFileURL(path));
    expect((await Identity.load(pathToFileURL(path))).fingerprint).toBe(identity.fingerprint);
    expect((await Identity.load({ path })).fingerprint).toBe(identity.fingerprint);
  });

  test.each([
    ['', 'empty'],
    ['a\0b', 'null character'],
    [new URL('https://example.org/key.pem'), 'https://example.org/key.pem'],
    [new URL('file:///key%2Fpem'), 'file:///key%2Fpem'],
    [{ path: '' }, 'empty'],
    [pathToFileURL('/a\0b'), ''],
  ])('are not named by %o', async (file, text) => {
    const problem = { code: 'BAD_ARGUMENT', message: expect.stringContaining(text) };
    const identity = Identity.fromPem(pemOf(keys.server), { role: 'server' });
    await expect(Identity.load(file)).rejects.toMatchObject(problem);
    await expect(identity.save(file)).rejects.toMatchObject(problem);
    expect(() => new KnownHosts(file)).toThrow(expect.objectContaining(problem));
    if (typeof file === 'object')
      expect(() => new AuthorizedKeys(file)).toThrow(expect.objectContaining(problem));
  });

  test('a FIFO is read once, without a warning about its mode', async () => {
    const emitWarning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const path = join(directory, 'fifo.pem');
    execFileSync('mkfifo', ['-m', '644', path]);
    const identity = Identity.fromPem(pemOf(keys.server), { role: 'server' });
    const writing = writeFile(path, identity.toPem({ passphrase: 'secret' }));
    expect((await Identity.load(path, { passphrase: () => 'secret' })).fingerprint).toBe(
      identity.fingerprint,
    );
    await writing;
    expect(emitWarning).not.toHaveBeenCalled();
    emitWarning.mockRestore();
  });

  test('a function is asked for the passphrase of an encrypted key, and of no other', async () => {
    const identity = Identity.fromPem(pemOf(keys.server), { role: 'server' });
    const [plain, encrypt] = [join(directory, 'unasked.pem'), join(directory, 'asked.pem')];
    await identity.save(plain);
    await identity.save(encrypt, { passphrase: 'secret' });
    let asked = 0;
    const passphrase = async (): Promise<string> => {
      asked++;
      return 'secret';
    };
    await Identity.load(plain, { passphrase });
    expect(asked).toBe(0);
    await Identity.load(encrypt, { passphrase });
    expect(asked).toBe(1);
    await expect(Identity.load(plain, { passphrase: 'secret' })).rejects.toThrow(
      problem('BAD_IDENTITY', 'not encrypted: leave the passphrase out'),
    );
  });

  test('a device without an end is no key file', async () => {
    await expect(Identity.load('/dev/zero')).rejects.toMatchObject({ code: 'BAD_OPTION' });
    await expect(Identity.load('/dev/null')).rejects.toThrow(problem('BAD_IDENTITY', 'it is empty'));
  });

  test.each(['/dev/null', '/dev/full'])('%s is not written over', async (path) => {
    const identity = Identity.fromPem(pemOf(keys.server), { role: 'server' });
    await expect(identity.save(path)).rejects.toThrow(
      problem('BAD_IDENTITY', 'exists and is not overwritten'),
    );
    expect((await stat(path)).isCharacterDevice()).toBe(true);
  });

  test('a link is not written through, dangling or not', async () => {
    const identity = Identity.fromPem(pemOf(keys.server), { role: 'server' });
    const path = join(directory, 'link.pem');
    await symlink('nowhere.pem', path);
    await expect(identity.save(path)).rejects.toThrow(problem('BAD_IDENTITY', 'exists'));
    await expect(stat(join(directory, 'nowhere.pem'))).rejects.toThrow('ENOENT');
  });

  test.skipIf(process.platform === 'win32')('that others may read load with a warning', async () => {
    const emitWarning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const path = join(directory, 'shared.pem');
    await Identity.fromPem(pemOf(keys.server), { role: 'server' }).save(path);
    await Identity.load(path);
    expect(emitWarning).not.toHaveBeenCalled();
    await chmod(path, 0o640);
    await Identity.load(path);
    expect(emitWarning.mock.calls).toEqual([
      [
        expect.stringContaining(`${path} is open to other users (mode 0640)`),
        { type: 'SecurityWarning', code: 'SECURE_SOCKETS_KEY_FILE_MODE' },
      ],
    ]);
    emitWarning.mockRestore();
  });
});
