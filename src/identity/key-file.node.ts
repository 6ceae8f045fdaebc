import { open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type ArgumentRules, anything } from '../arguments.js';
import { decodeSpki } from '../core/encodings/der.js';
import { fingerprintOf } from '../core/encodings/fingerprint.js';
import { decodePem } from '../core/encodings/pem.js';
import { checkSealedKey } from '../core/encodings/rsa-key.js';
import { linesOf } from '../core/encodings/text.js';
import { defaultBackend } from '../defaults.node.js';
import { hasCode, SecureSocketError } from '../errors.js';
import { decodeText, explainFile, type FileContent, readFileOnce } from '../files.node.js';
import { decryptPkcs8 } from './encryption.node.js';
import { checkSpki, type NumberedKey } from './key.js';
import { explainBytes } from './key-kinds.js';
import { checkReadable, isEncrypted, type PemOptions, readKeyText, uselessPassphrase } from './key-text.js';
import { readRole } from './roles.js';

/** Options of {@link Identity.load}. */
export interface LoadOptions extends Omit<PemOptions, 'passphrase'> {
  /** Needed exactly if the key is encrypted; or a function that gives it, which is asked only then. */
  readonly passphrase?: string | (() => string | Promise<string>) | undefined;
}

/** What they are checked by. */
export const loadRules: ArgumentRules<LoadOptions> = {
  role: anything,
  passphrase: {
    wanted: 'text, or a function that gives it',
    accepts: (value) => typeof value === 'string' || typeof value === 'function',
  },
};

/** Reads a key file. Errors name the file. */
export async function loadKey(path: string, { role, passphrase }: LoadOptions): Promise<NumberedKey> {
  const { bytes, stats } = await readKeyFile(path);
  if (stats?.isFile()) warnIfShared(path, Number(stats.mode));
  const text = withPath(path, () => textOf(bytes, path));
  const given = await passphraseFor(text, passphrase, path);
  return withPath(path, () => readKeyText(text, { role, passphrase: given }, decryptPkcs8, path));
}

/** The fingerprint of the key in a file, private in any role, or public. */
export async function fingerprintOfFile(
  path: string,
  passphrase: LoadOptions['passphrase'],
): Promise<string> {
  const { bytes } = await readKeyFile(path);
  const text = withPath(path, () => textOf(bytes, path));
  const given = await passphraseFor(text, passphrase, path);
  const spki = withPath(path, () => publicKeyIn(text, given) ?? spkiOf(text, given, path));
  return fingerprintOf(defaultBackend, spki);
}

function readKeyFile(path: string): Promise<FileContent> {
  return explainFile(readFileOnce(path), 'BAD_IDENTITY', 'the key file cannot be read');
}

function textOf(bytes: Uint8Array, path: string): string {
  const problem = explainBytes(bytes, path);
  if (problem !== undefined) throw problem;
  return decodeText(bytes);
}

/**
 * The passphrase, asked for only if the key is encrypted and could be read with one: no person is to type one in for a
 * file that is then refused for another reason.
 */
async function passphraseFor(
  text: string,
  given: LoadOptions['passphrase'],
  path: string,
): Promise<string | undefined> {
  if (typeof given !== 'function') return given;
  if (!isEncrypted(text)) return undefined;
  withPath(path, () => checkReadable(text, decryptPkcs8, path));
  return given();
}

function publicKeyIn(text: string, passphrase: string | undefined): Uint8Array | undefined {
  if (!text.includes('-----BEGIN PUBLIC KEY-----')) return undefined;
  const { label, der } = decodePem(text);
  if (label !== 'PUBLIC KEY') return undefined;
  if (passphrase !== undefined) throw uselessPassphrase();
  checkSealedKey(decodeSpki(der));
  return der;
}

/** In whatever role. A file of another program does not say which it has. */
function spkiOf(text: string, passphrase: string | undefined, path: string): Uint8Array {
  const [before = ''] = text.split('-----BEGIN');
  const role = readRole(linesOf(before)) ?? 'server';
  return checkSpki(readKeyText(text, { role, passphrase }, decryptPkcs8, path));
}

/** The result, or a library error that names the file. */
export function withPath<Result>(path: string, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof SecureSocketError)) throw error;
    throw new SecureSocketError(error.code, `${path}: ${error.message}`, { cause: error });
  }
}

/** A file descriptor, a FIFO or a device has no mode that others could use. */
function warnIfShared(path: string, mode: number): void {
  const permissions = mode & 0o777;
  if (process.platform === 'win32' || (permissions & 0o077) === 0) return;
  // systemd's LoadCredential lets the service's user in by an access list, which shows as a right of the group
  if (permissions === 0o440 && dirname(path) === process.env.CREDENTIALS_DIRECTORY) return;
  process.emitWarning(
    `the key file ${path} is open to other users (mode 0${permissions.toString(8)}): chmod 600 ${path}`,
    { type: 'SecurityWarning', code: 'SECURE_SOCKETS_KEY_FILE_MODE' },
  );
}

/**
 * Writes a new file that only its owner may read. The mode is given when it is created: set afterwards, there would
 * be a moment in which others can open it. 'wx' also refuses a link, which could lead anywhere. What was written in
 * part is removed, since a key file that is cut off would be found only when it is needed.
 */
export function writeKeyFile(path: string, text: string): Promise<void> {
  return explainFile(writeNew(path, text), 'BAD_IDENTITY', 'the key file cannot be written');
}

async function writeNew(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600).catch((error: unknown) => {
    if (!hasCode(error, 'EEXIST')) throw error;
    const message = `${path} exists and is not overwritten: choose another name`;
    throw new SecureSocketError('BAD_IDENTITY', message, { cause: error });
  });
  try {
    await file.writeFile(text);
    await file.sync();
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}
