// A folder, and keys of OpenSSL for each role, for the tests of a file that imports this one.

import { generateKeyPair, type KeyObject } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect } from 'vitest';
import type { RsaPrivateNumbers } from '../../src/backend.js';
import { decodePkcs8 } from '../../src/core/encodings/der.js';
import { privateNumbersOf } from '../../src/identity/identity.js';
import type { Identity } from '../../src/identity/identity.node.js';
import type { IdentityRole } from '../../src/identity/roles.js';

export let directory: string;

/** A key for each role, and one that has none yet. */
export let keys: Record<IdentityRole | 'spare', KeyObject>;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'identity-'));
  const [server, client, classic, spare] = await Promise.all(Array.from({ length: 4 }, () => makeKey(2048)));
  if (!server || !client || !classic || !spare) throw new Error('there are no keys');
  keys = { server, client, 'classic-server': classic, spare };
});

afterAll(() => rm(directory, { recursive: true }));

export function describeIdentity(identity: Identity): unknown {
  return { role: identity.role, fingerprint: identity.fingerprint, numbers: privateNumbersOf(identity) };
}

export function numbersOf(key: KeyObject): RsaPrivateNumbers {
  return decodePkcs8(key.export({ type: 'pkcs8', format: 'der' }));
}

export function pemOf(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

export async function makeKey(modulusLength: number, publicExponent = 65537): Promise<KeyObject> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength, publicExponent });
  const made = privateKey.asymmetricKeyDetails?.modulusLength;
  if (made !== modulusLength) throw new Error(`a key of ${made} bits was made in place of ${modulusLength}`);
  return privateKey;
}

export function problem(code: string, text: string): unknown {
  return expect.objectContaining({ code, message: expect.stringContaining(text) });
}
