import { type ArgumentRules, anything, readArguments } from '../arguments.js';
import type { Backend } from '../backend.js';
import { isBytes } from '../core/bytes.js';
import { decodePem } from '../core/encodings/pem.js';
import { badArgument, badOption, kindOf, SecureSocketError } from '../errors.js';
import type { Decrypter, KeyMaterial, Signer } from './key.js';
import { checkModulusLength, checkRole, defaultLength, type IdentityRole } from './roles.js';
import { generateWebKey } from './web-key.js';

/** How to make a key. */
export interface GenerateOptions {
  /** Default `'server'`. */
  readonly role?: IdentityRole | undefined;
  /** Bits: 2048 to 4096 and a multiple of 8, default 3072; for `classic-server` from 512 on, default 2048. */
  readonly modulusLength?: number | undefined;
  /** Who makes the key. Default: the platform's backend. */
  readonly backend?: Pick<Backend, 'generateRsaKey'> | undefined;
  /**
   * Whether the private key can be taken out of the identity, as PEM. Default true. If not, the Web Cryptography API
   * makes and keeps it.
   */
  readonly extractable?: boolean | undefined;
}

const rules: ArgumentRules<GenerateOptions> = {
  role: anything,
  modulusLength: anything,
  backend: {
    wanted: 'a backend object',
    accepts: (value) => typeof (value as Partial<Backend> | null)?.generateRsaKey === 'function',
  },
  extractable: anything,
};

/** Makes a new key. */
export async function generateKey(
  options: GenerateOptions,
  defaultBackend: Pick<Backend, 'generateRsaKey'>,
): Promise<KeyMaterial> {
  const given = readArguments(options, rules, 'Identity.generate()');
  const { role = 'server', backend, extractable = true } = given;
  checkRole(role);
  const { modulusLength = defaultLength[role] } = given;
  checkModulusLength(modulusLength, role);
  if (typeof extractable !== 'boolean') throw badOption('extractable is true or false');
  if (extractable) return { role, numbers: await (backend ?? defaultBackend).generateRsaKey(modulusLength) };
  if (role === 'classic-server')
    throw badOption('the platform cannot keep a key of role classic-server: leave extractable out');
  if (backend !== undefined)
    throw badOption('with extractable: false the platform makes the key: leave backend out');
  return generateWebKey(role, modulusLength);
}

/** A client's key that is held elsewhere. */
export function readSigner(signer: Signer): KeyMaterial {
  if (typeof signer !== 'object' || signer === null || typeof signer.sign !== 'function')
    throw badArgument(`a signer is { spki, sign }, not ${kindOf(signer)}`);
  const sign = signer.sign.bind(signer);
  return { role: 'client', spki: spkiIn(signer.spki), operations: { sign } };
}

/** A server's key that is held elsewhere. */
export function readDecrypter(decrypter: Decrypter): KeyMaterial {
  if (typeof decrypter !== 'object' || decrypter === null || typeof decrypter.decrypt !== 'function')
    throw badArgument(`a decrypter is { spki, decrypt }, not ${kindOf(decrypter)}`);
  const decrypt = decrypter.decrypt.bind(decrypter);
  return { role: 'server', spki: spkiIn(decrypter.spki), operations: { decrypt } };
}

function spkiIn(spki: Uint8Array | string): Uint8Array {
  if (typeof spki !== 'string') {
    if (isBytes(spki)) return new Uint8Array(spki);
    throw badArgument(`spki is a Uint8Array or PEM text, not ${kindOf(spki)}`);
  }
  const { label, der } = decodePem(spki);
  if (label === 'PUBLIC KEY') return der;
  throw new SecureSocketError('BAD_IDENTITY', `spki holds a ${label}; expected a PUBLIC KEY`);
}
