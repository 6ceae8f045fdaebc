import { createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { encodePkcs8 } from '../src/core/encodings/der.js';
import { encodePem } from '../src/core/encodings/pem.js';
import { Identity } from '../src/identity/identity.node.js';
import type { PemOptions } from '../src/identity/key-text.js';
import type { IdentityRole } from '../src/identity/roles.js';
import { keys, makeKey, numbersOf, pemOf, problem } from './helpers/identity-keys.js';

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

async function makePssKey(): Promise<KeyObject> {
  return (await promisify(generateKeyPair)('rsa-pss', { modulusLength: 2048 })).privateKey;
}

async function makeEcKey(): Promise<KeyObject> {
  return (await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' })).privateKey;
}
