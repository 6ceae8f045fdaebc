import { createHash, createPrivateKey } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import type { Backend, RsaPrivateNumbers } from './backend.js';
import { decodePkcs1Private, decodePkcs8, encodePkcs8, encodeSpki } from './core/encodings/der.js';
import { fingerprintOf } from './core/encodings/fingerprint.js';
import { decodePem, encodePem } from './core/encodings/pem.js';
import { checkClassicKey, checkPrivateKey, checkSealedKey } from './core/encodings/rsa-key.js';
import { defaultBackend } from './defaults.node.js';
import { badArgument, kindOf, SecureSocketError } from './errors.js';

/** What a key is for: to decrypt (servers) or to sign (clients), in sealed or in classic. A key has one role for ever. */
export type IdentityRole = 'server' | 'client' | 'classic-server';

/** Options of {@link Identity.generate}. */
export interface GenerateOptions {
  /** Default `'server'`. */
  role?: IdentityRole | undefined;
  /** Bits: 2048 to 4096 and a multiple of 8, default 3072; for `classic-server` from 512 on, default 2048. */
  modulusLength?: number | undefined;
  /** Who makes the key. Default: the node backend. */
  backend?: Pick<Backend, 'generateRsaKey'> | undefined;
}

/** Options of {@link Identity.load} and {@link Identity.fromPem}. */
export interface LoadOptions {
  /** The role that the key must have. Needed if the file does not say which one it has. */
  role?: IdentityRole | undefined;
  /** Needed exactly if the key is encrypted. */
  passphrase?: string | undefined;
}

/** Options of {@link Identity.save} and {@link Identity.toPem}. */
export interface SaveOptions {
  /**
   * Encrypts the key, as the platform does it: PBES2 with AES-256-CBC and PBKDF2-HMAC-SHA-256 of 2048 rounds. So few
   * rounds do not make up for a weak passphrase: take a long random one.
   */
  passphrase?: string | undefined;
}

/**
 * A key pair and its role: who a server or a client is. The private numbers are not reachable through it, nor shown
 * by `util.inspect` or `JSON.stringify`; they leave it as PEM only.
 */
export class Identity {
  /** What the key is for, for ever. */
  readonly role: IdentityRole;
  /** `SHA256:` and 43 characters of base64: the SHA-256 of the public key as SubjectPublicKeyInfo. */
  readonly fingerprint: string;

  private constructor(numbers: RsaPrivateNumbers, role: IdentityRole) {
    checkNumbers(numbers, role);
    this.role = role;
    this.fingerprint = fingerprintOf({ sha256 }, encodeSpki(numbers));
    claimRole(this.fingerprint, role);
    privateNumbers.set(this, numbers);
  }

  /** Makes a new key, which takes some tenths of a second, or several seconds on a JavaScript backend. */
  static async generate(options: GenerateOptions = {}): Promise<Identity> {
    const { role = 'server', backend = defaultBackend } = options;
    checkRole(role);
    const { modulusLength = defaultLength[role] } = options;
    checkModulusLength(modulusLength, role);
    return new Identity(await backend.generateRsaKey(modulusLength), role);
  }

  /** Reads a key file: PEM with a PKCS#8 or PKCS#1 private key, the role before it. Warns if others may read the file. */
  static async load(path: string, options: LoadOptions = {}): Promise<Identity> {
    const text = await readKeyFile(path);
    try {
      return Identity.fromPem(text, options);
    } catch (error) {
      if (!(error instanceof SecureSocketError)) throw error;
      throw new SecureSocketError(error.code, `${path}: ${error.message}`, { cause: error });
    }
  }

  /** The identity in a PEM text, as `toPem` writes it or as openssl does. */
  static fromPem(text: string, options: LoadOptions = {}): Identity {
    if (typeof text !== 'string') throw badArgument(`expected the text of a PEM file, got ${kindOf(text)}`);
    const { label, der, explanatory } = decodePem(text);
    const role = agreedRole(statedRole(explanatory), options.role);
    return new Identity(readNumbers(label, der, options.passphrase), role);
  }

  /** The private key as PKCS#8 PEM, before it a line with the role, which openssl and others pass over. */
  toPem(options: SaveOptions = {}): string {
    const role = [`${ROLE_LINE} ${this.role}`];
    const der = encodePkcs8(privateNumbersOf(this));
    return options.passphrase === undefined
      ? encodePem('PRIVATE KEY', der, role)
      : encodePem('ENCRYPTED PRIVATE KEY', encrypt(der, options.passphrase), role);
  }

  /** Writes `toPem` to a new file that only its owner may read. An existing file is never overwritten. */
  async save(path: string, options: SaveOptions = {}): Promise<void> {
    await writeKeyFile(path, this.toPem(options));
  }

  /** The public key as SubjectPublicKeyInfo, DER; a copy. */
  get spki(): Uint8Array {
    return encodeSpki(privateNumbersOf(this));
  }

  /** The public key as SubjectPublicKeyInfo, PEM. */
  get publicPem(): string {
    return encodePem('PUBLIC KEY', this.spki);
  }
}

/** The private numbers of an identity, for this library alone: the entry does not export it. */
export function privateNumbersOf(identity: Identity): RsaPrivateNumbers {
  const numbers = privateNumbers.get(identity);
  if (numbers === undefined)
    throw badArgument('expected an Identity made by Identity.generate or Identity.load');
  return numbers;
}

const privateNumbers = new WeakMap<Identity, RsaPrivateNumbers>();

const ROLE_LINE = 'Secure-Sockets-Role:';
const defaultLength: Readonly<Record<IdentityRole, number>> = {
  server: 3072,
  client: 3072,
  'classic-server': 2048,
};
const ROLES = Object.keys(defaultLength).join(', ');

function checkRole(role: IdentityRole): void {
  if (isRole(role)) return;
  throw new SecureSocketError('BAD_OPTION', `role is ${JSON.stringify(role)}; expected ${ROLES}`);
}

function checkModulusLength(bits: number, role: IdentityRole): void {
  const [least, step] = role === 'classic-server' ? [512, 1] : [2048, 8];
  if (Number.isInteger(bits) && bits >= least && bits <= 4096 && bits % step === 0) return;
  const multiple = step === 1 ? '' : `, a multiple of ${step}`;
  throw new SecureSocketError(
    'BAD_OPTION',
    `modulusLength is ${bits}; expected ${least} to 4096${multiple} for role ${role}`,
  );
}

function checkNumbers(numbers: RsaPrivateNumbers, role: IdentityRole): void {
  try {
    if (role === 'classic-server') checkClassicKey(numbers, 512);
    else checkSealedKey(numbers);
  } catch (error) {
    throw new SecureSocketError('BAD_IDENTITY', `no key for role ${role}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  checkPrivateKey(numbers);
}

/** Roles of the keys this process has seen, the latest last. What a file says about a key holds beyond the process. */
const claimedRoles = new Map<string, IdentityRole>();
const MAX_CLAIMED_ROLES = 4096;

/** A key in two roles, or in both protocols, would let what one of them does be used against the other (docs/protocol.md, E1). */
function claimRole(fingerprint: string, role: IdentityRole): void {
  const claimed = claimedRoles.get(fingerprint) ?? role;
  if (claimed !== role) {
    throw new SecureSocketError(
      'BAD_IDENTITY',
      `the key ${fingerprint} is in use with the role ${claimed}: a key has one role only, generate another for ${role}`,
    );
  }
  claimedRoles.delete(fingerprint);
  claimedRoles.set(fingerprint, role);
  const [oldest] = claimedRoles.keys();
  if (claimedRoles.size > MAX_CLAIMED_ROLES && oldest !== undefined) claimedRoles.delete(oldest);
}

function statedRole(explanatory: readonly string[]): IdentityRole | undefined {
  const lines = explanatory.filter((line) => line.startsWith(ROLE_LINE));
  const roles = lines.map((line) => line.slice(ROLE_LINE.length).trim());
  if (roles.length === 0) return undefined;
  const [role = ''] = roles;
  if (roles.length === 1 && isRole(role)) return role;
  throw badIdentity(
    `its ${ROLE_LINE} line says ${JSON.stringify(roles.join(', '))}; expected one of ${ROLES}`,
  );
}

function isRole(role: string): role is IdentityRole {
  return Object.hasOwn(defaultLength, role);
}

function agreedRole(stated: IdentityRole | undefined, asked: IdentityRole | undefined): IdentityRole {
  if (asked !== undefined) checkRole(asked);
  if (stated !== undefined && asked !== undefined && stated !== asked) {
    throw badIdentity(
      `the key has the role ${stated}, not ${asked}: a key has one role only, generate another`,
    );
  }
  const role = stated ?? asked;
  if (role === undefined) {
    throw badIdentity(
      `there is no ${ROLE_LINE} line before the key: say which role it has, as in { role: 'server' }`,
    );
  }
  return role;
}

function readNumbers(label: string, der: Uint8Array, passphrase: string | undefined): RsaPrivateNumbers {
  if (label === 'ENCRYPTED PRIVATE KEY') {
    if (passphrase === undefined) throw badIdentity('the key is encrypted: give its { passphrase }');
    return decodePkcs8(decrypt(der, passphrase));
  }
  if (passphrase !== undefined) throw badIdentity('a passphrase was given, but the key is not encrypted');
  if (label === 'PRIVATE KEY') return decodePkcs8(der);
  if (label === 'RSA PRIVATE KEY') return decodePkcs1Private(der);
  throw badIdentity(`it holds a ${label}; expected a PRIVATE KEY (PKCS#8) or RSA PRIVATE KEY`);
}

function encrypt(pkcs8: Uint8Array, passphrase: string): Uint8Array {
  checkPassphrase(passphrase);
  const key = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' });
  return key.export({ format: 'der', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase });
}

function decrypt(der: Uint8Array, passphrase: string): Uint8Array {
  checkPassphrase(passphrase);
  try {
    const key = createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8', passphrase });
    return key.export({ format: 'der', type: 'pkcs8' });
  } catch (error) {
    throw new SecureSocketError(
      'BAD_IDENTITY',
      `the key cannot be decrypted: the passphrase is wrong or the file is damaged (${messageOf(error)})`,
      { cause: error },
    );
  }
}

/** OpenSSL encrypts with longer passphrases, but does not decrypt with them. */
const MAX_PASSPHRASE_BYTES = 1024;

function checkPassphrase(passphrase: string): void {
  const length = typeof passphrase === 'string' ? Buffer.byteLength(passphrase) : 0;
  if (length > 0 && length <= MAX_PASSPHRASE_BYTES) return;
  throw new SecureSocketError(
    'BAD_OPTION',
    `passphrase must be a string of 1 to ${MAX_PASSPHRASE_BYTES} bytes of UTF-8`,
  );
}

async function readKeyFile(path: string): Promise<string> {
  const file = await open(path, 'r');
  try {
    warnIfShared(path, (await file.stat()).mode);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

function warnIfShared(path: string, mode: number): void {
  const permissions = mode & 0o777;
  if (process.platform === 'win32' || (permissions & 0o077) === 0) return;
  process.emitWarning(
    `the key file ${path} is open to other users (mode 0${permissions.toString(8)}): chmod 600 ${path}`,
    { type: 'SecurityWarning', code: 'SECURE_SOCKETS_KEY_FILE_MODE' },
  );
}

async function writeKeyFile(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
    throw new SecureSocketError(
      'BAD_IDENTITY',
      `${path} exists and is not overwritten: choose another name`,
      { cause: error },
    );
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

function sha256(data: Uint8Array): Uint8Array {
  return createHash('sha256').update(data).digest();
}

function badIdentity(message: string): SecureSocketError {
  return new SecureSocketError('BAD_IDENTITY', message);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
