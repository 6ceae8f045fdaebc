import { execFileSync, spawnSync } from 'node:child_process';
import { createHash, createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { inspect, promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { RsaPrivateNumbers } from '../src/backend.js';
import { decodePkcs8, encodePkcs8 } from '../src/core/encodings/der.js';
import { encodePem } from '../src/core/encodings/pem.js';
import { SecureSocketError } from '../src/errors.js';
import { privateNumbersOf } from '../src/identity/identity.js';
import { Identity } from '../src/identity/identity.node.js';
import type { PemOptions } from '../src/identity/key-text.js';
import type { IdentityRole } from '../src/identity/roles.js';
import { AuthorizedKeys } from '../src/trust/authorized-keys.node.js';
import { KnownHosts } from '../src/trust/known-hosts.node.js';

const roles: readonly IdentityRole[] = ['server', 'client', 'classic-server'];
const hasOpenssl = spawnSync('openssl', ['version']).status === 0;

let directory: string;
/** A key for each role, and one that has none yet. */
let keys: Record<IdentityRole | 'spare', KeyObject>;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'identity-'));
  const [server, client, classic, spare] = await Promise.all(Array.from({ length: 4 }, () => makeKey(2048)));
  if (!server || !client || !classic || !spare) throw new Error('there are no keys');
  keys = { server, client, 'classic-server': classic, spare };
});

afterAll(() => rm(directory, { recursive: true }));

describe('generate', () => {
  test('makes a server of 3072 bits with node:crypto unless told otherwise', async () => {
    const identity = await Identity.generate();
    expect(identity.role).toBe('server');
    expect(identity.spki).toHaveLength(422);
    expect(identity.fingerprint).toMatch(/^SHA256:[A-Za-z0-9+/]{43}$/);
  });

  test.each([
    ['server', undefined, 3072],
    ['client', undefined, 3072],
    ['client', 2048, 2048],
    ['classic-server', undefined, 2048],
    ['classic-server', 1024, 1024],
  ] as const)('asks the given backend: %s, %s bits', async (role, modulusLength, asked) => {
    const lengths: number[] = [];
    const numbers = numbersOf(await makeKey(modulusLength ?? 2048));
    const backend = {
      generateRsaKey: async (bits: number): Promise<RsaPrivateNumbers> => {
        lengths.push(bits);
        return numbers;
      },
    };
    const identity = await Identity.generate({ role, modulusLength, backend });
    expect(lengths).toEqual([asked]);
    expect(identity.role).toBe(role);
    expect(privateNumbersOf(identity)).toBe(numbers);
  });

  test.each([
    ['server', 1024, '2048 to 4096, a multiple of 8'],
    ['server', 2052, 'a multiple of 8'],
    ['client', 4104, '2048 to 4096'],
    ['classic-server', 511, '512 to 4096 for role'],
    ['classic-server', 4097, '512 to 4096 for role'],
    ['server', 2048.5, 'modulusLength is 2048.5'],
    ['server', Number.NaN, 'modulusLength is NaN'],
    ['admin' as IdentityRole, 2048, 'role is "admin"; expected server, client, classic-server'],
    ['toString' as IdentityRole, 2048, 'role is "toString"'],
  ] as const)('refuses %s with %d bits', async (role, modulusLength, text) => {
    await expect(Identity.generate({ role, modulusLength })).rejects.toThrow(problem('BAD_OPTION', text));
  });
});

describe.each(roles)('PEM of a %s', (role) => {
  test('says the role before the key, and comes back', () => {
    const identity = Identity.fromPem(pemOf(keys[role]), { role });
    const pem = identity.toPem();
    expect(pem).toBe(`Secure-Sockets-Role: ${role}\n${pemOf(keys[role])}`);
    expect(describeIdentity(Identity.fromPem(pem))).toEqual(describeIdentity(identity));
    expect(describeIdentity(Identity.fromPem(pem, { role }))).toEqual(describeIdentity(identity));
  });

  test('is read by node:crypto', () => {
    const identity = Identity.fromPem(pemOf(keys[role]), { role });
    expect(createPrivateKey(identity.toPem()).equals(keys[role])).toBe(true);
    const passphrase = 'correct horse';
    expect(createPrivateKey({ key: identity.toPem({ passphrase }), passphrase }).equals(keys[role])).toBe(
      true,
    );
  });

  test('encrypted comes back with its passphrase, and hides what it holds', () => {
    const identity = Identity.fromPem(pemOf(keys[role]), { role });
    const pem = identity.toPem({ passphrase: 'pässword' });
    expect(pem).toMatch(new RegExp(`^Secure-Sockets-Role: ${role}\n-----BEGIN ENCRYPTED PRIVATE KEY-----\n`));
    expect(pem).not.toContain(pemOf(keys[role]).slice(200, 240));
    expect(describeIdentity(Identity.fromPem(pem, { passphrase: 'pässword' }))).toEqual(
      describeIdentity(identity),
    );
  });
});

test('the public half is what node:crypto says', () => {
  const identity = Identity.fromPem(pemOf(keys.server), { role: 'server' });
  const publicKey = createPublicKey(keys.server);
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  expect(identity.spki).toEqual(Uint8Array.from(spki));
  expect(identity.publicPem).toBe(publicKey.export({ type: 'spki', format: 'pem' }));
  expect(`${identity.fingerprint}=`).toBe(`SHA256:${createHash('sha256').update(spki).digest('base64')}`);
});

test('changing what spki gave changes nothing', () => {
  const identity = Identity.fromPem(pemOf(keys.server), { role: 'server' });
  identity.spki.fill(0);
  expect(identity.spki[0]).toBe(0x30);
});

test('PKCS#1 is read as well', () => {
  const pem = keys.server.export({ type: 'pkcs1', format: 'pem' }).toString();
  expect(pem).toContain('RSA PRIVATE KEY');
  const identity = Identity.fromPem(pem, { role: 'server' });
  expect(identity.toPem()).toContain(pemOf(keys.server));
});

test.skipIf(!hasOpenssl)(
  'the openssl command reads both kinds of file and shows the same fingerprint',
  async () => {
    const identity = Identity.fromPem(pemOf(keys.server), { role: 'server' });
    const [plain, encrypt] = [join(directory, 'plain.pem'), join(directory, 'encrypted.pem')];
    await identity.save(plain);
    await identity.save(encrypt, { passphrase: 'secret' });
    for (const options of [
      ['-in', plain],
      ['-in', encrypt, '-passin', 'pass:secret'],
    ]) {
      const der = execFileSync('openssl', ['pkey', ...options, '-pubout', '-outform', 'der']);
      expect(Uint8Array.from(der)).toEqual(identity.spki);
    }
  },
);

describe('a role', () => {
  const withLines = (...lines: string[]): string => [...lines, pemOf(keys.server)].join('\n');

  test.each<[string, () => string, PemOptions, string]>([
    ['that is not given', () => withLines(), {}, "{ role: 'server' }"],
    [
      'that is another than asked for',
      () => withLines('Secure-Sockets-Role: server'),
      { role: 'client' },
      'role server, not client',
    ],
    ['that is none', () => withLines('Secure-Sockets-Role: admin'), {}, '"admin"'],
    [
      'that is none, though one was asked for',
      () => withLines('Secure-Sockets-Role: admin'),
      { role: 'server' },
      '"admin"',
    ],
    ['that is inherited', () => withLines('Secure-Sockets-Role: constructor'), {}, '"constructor"'],
    ['that is empty', () => withLines('Secure-Sockets-Role:'), { role: 'server' }, '""'],
    [
      'said twice',
      () => withLines('Secure-Sockets-Role: server', 'Secure-Sockets-Role: server'),
      {},
      '"server, server"',
    ],
  ])('%s is refused', (_, pem, options, text) => {
    expect(() => Identity.fromPem(pem(), options)).toThrow(problem('BAD_IDENTITY', text));
  });

  test('asked for that is none is refused', () => {
    expect(() => Identity.fromPem(withLines(), { role: 'admin' as IdentityRole })).toThrow(
      problem('BAD_OPTION', '"admin"'),
    );
  });

  test('may stand among other lines', () => {
    const pem = withLines('Bag Attributes', '  friendlyName: example', 'Secure-Sockets-Role:  server ');
    expect(Identity.fromPem(pem).role).toBe('server');
  });
});

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

describe('a passphrase', () => {
  const encrypt = (): string =>
    Identity.fromPem(pemOf(keys.server), { role: 'server' }).toPem({ passphrase: 'right' });

  test.each<[string, () => string, PemOptions, 'BAD_IDENTITY' | 'BAD_OPTION', string]>([
    ['missing', encrypt, {}, 'BAD_IDENTITY', 'give its { passphrase }'],
    [
      'wrong',
      encrypt,
      { passphrase: 'wrong' },
      'BAD_IDENTITY',
      'the passphrase is wrong or the file is damaged',
    ],
    ['empty', encrypt, { passphrase: '' }, 'BAD_OPTION', '1 to 1024 bytes'],
    ['of 1025 bytes', encrypt, { passphrase: 'x'.repeat(1025) }, 'BAD_OPTION', '1 to 1024 bytes'],
    ['that is no string', encrypt, { passphrase: 7 as unknown as string }, 'BAD_OPTION', 'a string'],
    [
      'too many',
      () => pemOf(keys.server),
      { role: 'server', passphrase: 'x' },
      'BAD_IDENTITY',
      'not encrypted',
    ],
  ])('%s is refused', (_, pem, options, code, text) => {
    expect(() => Identity.fromPem(pem(), options)).toThrow(problem(code, text));
  });

  test('of 1024 bytes is the longest that can be given, and works', () => {
    const identity = Identity.fromPem(pemOf(keys.server), { role: 'server' });
    const passphrase = 'é'.repeat(512);
    expect(Identity.fromPem(identity.toPem({ passphrase }), { passphrase }).fingerprint).toBe(
      identity.fingerprint,
    );
    expect(() => identity.toPem({ passphrase: `${passphrase}x` })).toThrow(problem('BAD_OPTION', '1024'));
    expect(() => identity.toPem({ passphrase: '' })).toThrow(problem('BAD_OPTION', '1 to'));
  });
});

const isNode = !process.versions.bun && !process.versions.deno;

describe('what is no key for an identity', () => {
  test.for<[string, () => Promise<KeyObject>, IdentityRole, string]>([
    [
      '1024 bits in sealed',
      () => makeKey(1024),
      'server',
      'no key for role server: RSA key refused: modulus of 1024 bits',
    ],
    ['an exponent of 3 in sealed', () => makeKey(2048, 3), 'client', 'public exponent is not 65537'],
    ['a modulus of 2052 bits in sealed', () => makeKey(2052), 'server', 'a multiple of 8'],
    ['an RSA-PSS key', makePssKey, 'server', 'for RSA-PSS, which is bound to signing'],
    ['an EC key', makeEcKey, 'server', 'for EC, and one for RSA is needed'],
  ])('%s', async ([, make, role, text], { skip }) => {
    const pem = await make()
      .then(pemOf)
      .catch((error: unknown) => {
        // Bun and Deno make and export fewer kinds of keys than they read
        if (isNode) throw error;
        return skip(String(error));
      });
    expect(() => Identity.fromPem(pem, { role })).toThrow(problem('BAD_IDENTITY', text));
  });

  test('512 bits with the exponent 3 are one in classic', async () => {
    expect(Identity.fromPem(pemOf(await makeKey(512, 3)), { role: 'classic-server' }).role).toBe(
      'classic-server',
    );
  });

  test('numbers that do not fit together', () => {
    const numbers = numbersOf(keys.spare);
    const dp = numbers.dp.map((byte, index) => (index === 9 ? byte ^ 1 : byte));
    const pem = encodePem('PRIVATE KEY', encodePkcs8({ ...numbers, dp }));
    expect(() => Identity.fromPem(pem, { role: 'server' })).toThrow(
      problem('BAD_IDENTITY', 'components of the private key are inconsistent'),
    );
  });

  test('a public key', () => {
    const pem = createPublicKey(keys.spare).export({ type: 'spki', format: 'pem' }).toString();
    expect(() => Identity.fromPem(pem, { role: 'server' })).toThrow(
      problem('BAD_IDENTITY', 'it holds a PUBLIC KEY'),
    );
  });

  test('an encrypted EC key', async () => {
    const options = { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' } as const;
    const pem = (await makeEcKey()).export(options).toString();
    expect(() => Identity.fromPem(pem, { role: 'server', passphrase: 'x' })).toThrow(
      problem('BAD_IDENTITY', 'for EC, and one for RSA is needed'),
    );
  });

  test('no PEM', () => {
    expect(() => Identity.fromPem('', { role: 'server' })).toThrow(problem('BAD_IDENTITY', 'malformed PEM'));
  });

  test('no text', () => {
    expect(() => Identity.fromPem(undefined as unknown as string)).toThrow(
      expect.objectContaining({ code: 'BAD_ARGUMENT', message: expect.stringContaining('undefined') }),
    );
  });
});

describe('the private numbers', () => {
  test('do not show', () => {
    const identity = Identity.fromPem(pemOf(keys.server), { role: 'server' });
    const shown = [
      inspect(identity, { showHidden: true, depth: 9, getters: false, maxArrayLength: null }),
      JSON.stringify(identity),
      JSON.stringify(Reflect.ownKeys(identity)),
      JSON.stringify(structuredClone(identity)),
      String(identity),
    ];
    const { role, fingerprint } = identity;
    expect(JSON.parse(shown[1] ?? '')).toEqual({ role, fingerprint });
    for (const number of ['d', 'p', 'q', 'dp', 'dq', 'qi'] as const) {
      const secret = Buffer.from(numbersOf(keys.server)[number]);
      for (const form of [
        secret.toString('hex'),
        secret.toString('base64'),
        [...secret.subarray(0, 9)].join(', '),
      ]) {
        for (const text of shown) expect(text).not.toContain(form);
      }
    }
  });

  test('are given for a real identity only', () => {
    const { role, fingerprint, spki } = Identity.fromPem(pemOf(keys.server), { role: 'server' });
    expect(() => privateNumbersOf({ role, fingerprint, spki } as Identity)).toThrow(
      expect.objectContaining({ code: 'BAD_ARGUMENT', message: expect.stringContaining('Identity') }),
    );
  });
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
      message: `${path}: malformed PEM: there is no BEGIN line`,
    });
    expect((error as Error).cause).toBeInstanceOf(SecureSocketError);
  });

  test('that are not there give the error of the system', async () => {
    const path = join(directory, 'missing.pem');
    await expect(Identity.load(path)).rejects.toMatchObject({ code: 'ENOENT', path });
    await expect(
      Identity.fromPem(pemOf(keys.server), { role: 'server' }).save(join(path, 'x')),
    ).rejects.toMatchObject({
      code: 'ENOENT',
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
    await expect(Identity.load(directory)).rejects.toMatchObject({ code: 'EISDIR', path: directory });
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

function describeIdentity(identity: Identity): unknown {
  return { role: identity.role, fingerprint: identity.fingerprint, numbers: privateNumbersOf(identity) };
}

function numbersOf(key: KeyObject): RsaPrivateNumbers {
  return decodePkcs8(key.export({ type: 'pkcs8', format: 'der' }));
}

function pemOf(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

async function makeKey(modulusLength: number, publicExponent = 65537): Promise<KeyObject> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength, publicExponent });
  const made = privateKey.asymmetricKeyDetails?.modulusLength;
  if (made !== modulusLength) throw new Error(`a key of ${made} bits was made in place of ${modulusLength}`);
  return privateKey;
}

async function makePssKey(): Promise<KeyObject> {
  return (await promisify(generateKeyPair)('rsa-pss', { modulusLength: 2048 })).privateKey;
}

async function makeEcKey(): Promise<KeyObject> {
  return (await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' })).privateKey;
}

function problem(code: string, text: string): unknown {
  return expect.objectContaining({ code, message: expect.stringContaining(text) });
}
