import { execFileSync, spawnSync } from 'node:child_process';
import { createHash, createPrivateKey, createPublicKey } from 'node:crypto';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { RsaPrivateNumbers } from '../src/backend.js';
import { privateNumbersOf } from '../src/identity/identity.js';
import { Identity } from '../src/identity/identity.node.js';
import type { PemOptions } from '../src/identity/key-text.js';
import type { IdentityRole } from '../src/identity/roles.js';
import {
  describeIdentity,
  directory,
  keys,
  makeKey,
  numbersOf,
  pemOf,
  problem,
} from './helpers/identity-keys.js';

const roles: readonly IdentityRole[] = ['server', 'client', 'classic-server'];

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;

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
