import { type ArgumentRules, anything } from '../arguments.js';
import type { RsaPrivateNumbers } from '../backend.js';
import { decodePkcs1Private, decodePkcs8 } from '../core/encodings/der.js';
import { decodePem, type Pem } from '../core/encodings/pem.js';
import { badArgument, badOption, kindOf, reasonOf, SecureSocketError } from '../errors.js';
import { hasOldCipher } from './der-kinds.js';
import { explainDer, explainEncryption, explainPem, explainText } from './key-kinds.js';
import { chooseRole, type IdentityRole, readRole } from './roles.js';

/** How to read the text of a key file. */
export interface PemOptions {
  /** The role that the key must have. Needed if the text does not say which one it has. */
  readonly role?: IdentityRole | undefined;
  /** Needed exactly if the key is encrypted. */
  readonly passphrase?: string | undefined;
}

/** What the options of a text are checked by. */
export const pemRules: ArgumentRules<PemOptions> = { role: anything, passphrase: anything };

/** What a key file's text holds, its key decoded. */
export interface KeyText {
  readonly role: IdentityRole;
  readonly numbers: RsaPrivateNumbers;
}

/** Decrypts an EncryptedPrivateKeyInfo. Absent where the platform does not do it at once. */
export type Decrypt = (der: Uint8Array, passphrase: string) => Uint8Array;

/** Whether the text of a key file asks for a passphrase. */
export function isEncrypted(text: string): boolean {
  return text.includes('-----BEGIN ENCRYPTED PRIVATE KEY-----');
}

/** Reads the text of a key file. `path` is where it came from, for commands in error texts. */
export function readKeyText(
  text: string,
  { role, passphrase }: PemOptions,
  decrypt: Decrypt | undefined,
  path?: string,
): KeyText {
  if (typeof text !== 'string') throw badArgument(`expected the text of a PEM file, got ${kindOf(text)}`);
  const { label, der, explanatory } = parse(text, path);
  const agreed = chooseRole(readRole(explanatory), role);
  const plain = label === ENCRYPTED ? decryptKey(der, passphrase, decrypt, path) : der;
  if (label !== ENCRYPTED && passphrase !== undefined) throw uselessPassphrase();
  const decode = label === 'RSA PRIVATE KEY' ? decodePkcs1Private : decodePkcs8;
  const numbers = explainFailure(
    () => decode(plain),
    (error) => explainDer(plain, error, path),
  );
  return { role: agreed, numbers };
}

/** A passphrase that nothing is encrypted with may be meant for another file. */
export function uselessPassphrase(): SecureSocketError {
  return badIdentity('a passphrase was given, but the key is not encrypted: leave the passphrase out');
}

const ENCRYPTED = 'ENCRYPTED PRIVATE KEY';

/** Throws what is wrong with a text whatever the passphrase, so that none is asked for without need. */
export function checkReadable(text: string, decrypt: Decrypt, path?: string): void {
  const { label, der } = parse(text, path);
  if (label === ENCRYPTED) checkCipher(der, decrypt, path);
}

function parse(text: string, path: string | undefined): Pem {
  const problem = explainText(text, path);
  if (problem !== undefined) throw problem;
  return explainFailure(
    () => decodePem(text),
    (error) => explainPem(text, error, path),
  );
}

/** Whether the platform has an old cipher it says itself: how it is configured cannot be seen from here. */
function checkCipher(der: Uint8Array, decrypt: Decrypt, path: string | undefined): void {
  if (!hasOldCipher(der)) return;
  try {
    decrypt(der, 'any');
  } catch (error) {
    throwIfUnsupported(error, der, path);
  }
}

function throwIfUnsupported(error: unknown, der: Uint8Array, path: string | undefined): void {
  const explanation = /unsupported/i.test(reasonOf(error)) ? explainEncryption(der, path) : undefined;
  if (explanation !== undefined) throw explanation;
}

function decryptKey(
  der: Uint8Array,
  passphrase: string | undefined,
  decrypt: Decrypt | undefined,
  path: string | undefined,
): Uint8Array {
  if (decrypt === undefined)
    throw badIdentity('an encrypted key cannot be read here: decrypt it with openssl');
  if (passphrase === undefined) {
    checkCipher(der, decrypt, path);
    throw badIdentity('the key is encrypted: give its { passphrase }');
  }
  checkPassphrase(passphrase);
  try {
    return decrypt(der, passphrase);
  } catch (error) {
    const reason = reasonOf(error);
    throwIfUnsupported(error, der, path);
    const text = `the key cannot be decrypted: the passphrase is wrong or the file is damaged (${reason})`;
    throw new SecureSocketError('BAD_IDENTITY', text, { cause: error });
  }
}

/** OpenSSL encrypts with longer passphrases, but does not decrypt with them. */
const MAX_PASSPHRASE_BYTES = 1024;

/** Throws BAD_OPTION unless OpenSSL takes this as a passphrase. */
export function checkPassphrase(passphrase: string): void {
  const length = typeof passphrase === 'string' ? new TextEncoder().encode(passphrase).length : 0;
  if (length > 0 && length <= MAX_PASSPHRASE_BYTES) return;
  throw badOption(`passphrase must be a string of 1 to ${MAX_PASSPHRASE_BYTES} bytes of UTF-8`);
}

/** The result, or an error that says more than the one of the decoder. */
function explainFailure<Result>(
  decode: () => Result,
  explain: (error: SecureSocketError) => SecureSocketError | undefined,
): Result {
  try {
    return decode();
  } catch (error) {
    throw (error instanceof SecureSocketError && explain(error)) || error;
  }
}

function badIdentity(message: string): SecureSocketError {
  return new SecureSocketError('BAD_IDENTITY', message);
}
