import { type ArgumentRules, anything, readArguments } from '../arguments.js';
import { decodeSpki, encodeSpki } from '../core/encodings/der.js';
import { badArgument, badOption, kindOf, reasonOf, SecureSocketError } from '../errors.js';
import type { KeyMaterial, KeyOperations, WebKey, WebKeyPair } from './key.js';
import { checkRole, type IdentityRole } from './roles.js';

/** How to take a pair of the Web Cryptography API for an identity. */
export interface KeyPairOptions {
  /** What the key is for. */
  readonly role: 'server' | 'client';
}

const rules: ArgumentRules<KeyPairOptions> = { role: anything };

/** A new key that the platform keeps. */
export async function generateWebKey(role: 'server' | 'client', modulusLength: number): Promise<KeyMaterial> {
  const algorithm = { ...algorithmOf[role], modulusLength, publicExponent: Uint8Array.of(1, 0, 1) };
  const pair = await subtle().generateKey(algorithm, false, usagesOf[role]);
  return materialOf(pair, role);
}

/**
 * A pair of the platform's, checked and tried. Whether both halves belong together cannot be seen from outside when the
 * private one is not extractable, so it is asked to decrypt or sign something: a pair that was put together wrongly
 * would otherwise fail with the first peer, where it looks like an attack.
 */
export async function fromWebKeyPair(pair: WebKeyPair, options: KeyPairOptions): Promise<KeyMaterial> {
  const { role } = readArguments(options, rules, 'Identity.fromKeyPair()');
  checkRole(role);
  const { name, hash } = algorithmOf[role] ?? badRole(role);
  if (!isKey(pair?.publicKey) || !isKey(pair?.privateKey))
    throw badArgument(`expected a CryptoKeyPair, not ${kindOf(pair)}`);
  const { privateKey } = pair;
  const [usage] = usagesOf[role];
  const isRight = nameOf(privateKey) === `${name} ${hash}` && nameOf(pair.publicKey) === `${name} ${hash}`;
  if (!isRight || privateKey.type !== 'private' || !privateKey.usages.includes(usage)) {
    const got = `${nameOf(privateKey)} that may ${privateKey.usages.join(', ') || 'nothing'}`;
    const text = `a key of role ${role} is a private ${name} key with ${hash} that may ${usage}; this is ${got}`;
    throw new SecureSocketError('BAD_IDENTITY', text);
  }
  return materialOf(pair, role);
}

const algorithmOf = {
  client: { name: 'RSA-PSS', hash: 'SHA-256' },
  server: { name: 'RSA-OAEP', hash: 'SHA-256' },
} as const;
const usagesOf = { client: ['sign', 'verify'], server: ['decrypt', 'encrypt'] } as const;

function badRole(role: IdentityRole): never {
  throw badOption(`a pair has role server or client, not ${role}`);
}

async function materialOf(keyPair: WebKeyPair, role: 'server' | 'client'): Promise<KeyMaterial> {
  const exported = await exportPublic(keyPair.publicKey);
  // encoded anew, so that what is not canonical shows here and not at a peer
  const spki = encodeSpki(decodeSpki(exported));
  const operations = role === 'client' ? signOperation(keyPair) : decryptOperation(keyPair);
  await (role === 'client' ? trySigning : tryDecrypting)(spki, operations);
  return { role, spki, operations, keyPair };
}

/** A pair that was put together, as of imported keys, may have a half that the platform gives to nobody. */
async function exportPublic(key: WebKey): Promise<Uint8Array> {
  if (key.type !== 'public') throw badPublic(`it is ${key.type}`);
  try {
    return new Uint8Array(await subtle().exportKey('spki', key));
  } catch (cause) {
    throw badPublic(reasonOf(cause), { cause });
  }
}

function badPublic(why: string, details?: { readonly cause: unknown }): SecureSocketError {
  return new SecureSocketError('BAD_IDENTITY', `the public key of the pair cannot be used: ${why}`, details);
}

function signOperation({ privateKey }: WebKeyPair): KeyOperations {
  const how = { name: 'RSA-PSS', saltLength: 32 };
  return {
    sign: async (message) => new Uint8Array(await subtle().sign(how, privateKey, copy(message))),
  };
}

function decryptOperation({ privateKey }: WebKeyPair): KeyOperations {
  return {
    decrypt: (ciphertext, label) =>
      subtle()
        .decrypt({ name: 'RSA-OAEP', label: copy(label) }, privateKey, copy(ciphertext))
        .then(
          (message) => new Uint8Array(message),
          () => null,
        ),
  };
}

const TRIAL = Uint8Array.of(1, 2, 3);

async function trySigning(spki: Uint8Array, { sign }: KeyOperations): Promise<void> {
  const key = await subtle().importKey('spki', copy(spki), algorithmOf.client, false, ['verify']);
  const signature = (await sign?.(TRIAL)) ?? new Uint8Array(0);
  const how = { name: 'RSA-PSS', saltLength: 32 };
  if (!(await subtle().verify(how, key, copy(signature), copy(TRIAL)))) throw noPair();
}

async function tryDecrypting(spki: Uint8Array, { decrypt }: KeyOperations): Promise<void> {
  const key = await subtle().importKey('spki', copy(spki), algorithmOf.server, false, ['encrypt']);
  const how = { name: 'RSA-OAEP', label: copy(TRIAL) };
  const ciphertext = new Uint8Array(await subtle().encrypt(how, key, copy(TRIAL)));
  const message = await decrypt?.(ciphertext, TRIAL);
  if (message?.join() !== TRIAL.join()) throw noPair();
}

function noPair(): SecureSocketError {
  return new SecureSocketError(
    'BAD_IDENTITY',
    'the public and the private key of the pair do not belong together',
  );
}

function isKey(value: unknown): value is WebKey {
  const { algorithm, usages } = Object(value) as Partial<WebKey>;
  return typeof algorithm === 'object' && algorithm !== null && Array.isArray(usages);
}

function nameOf({ algorithm }: WebKey): string {
  const hash = 'hash' in algorithm ? Object(algorithm.hash).name : '';
  return `${algorithm.name} ${String(hash)}`;
}

/** In memory of its own, which the Web Cryptography API asks for. */
function copy(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(bytes);
}

/** As much of the `SubtleCrypto` of the Web Cryptography API as is used here. */
interface Subtle {
  generateKey(algorithm: object, extractable: boolean, usages: readonly string[]): Promise<WebKeyPair>;
  importKey(
    format: 'spki',
    data: Uint8Array,
    algorithm: object,
    extractable: boolean,
    usages: readonly string[],
  ): Promise<WebKey>;
  exportKey(format: 'spki', key: WebKey): Promise<ArrayBuffer>;
  sign(algorithm: object, key: WebKey, data: Uint8Array): Promise<ArrayBuffer>;
  verify(algorithm: object, key: WebKey, signature: Uint8Array, data: Uint8Array): Promise<boolean>;
  encrypt(algorithm: object, key: WebKey, data: Uint8Array): Promise<ArrayBuffer>;
  decrypt(algorithm: object, key: WebKey, data: Uint8Array): Promise<ArrayBuffer>;
}

function subtle(): Subtle {
  const { crypto } = globalThis as { readonly crypto?: { readonly subtle?: Subtle } };
  if (crypto?.subtle !== undefined) return crypto.subtle;
  throw new SecureSocketError(
    'BAD_IDENTITY',
    'there is no Web Cryptography API here: a page needs https or localhost for it',
  );
}
