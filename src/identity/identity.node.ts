import { createHash } from 'node:crypto';
import { type ArgumentRules, anything, readArguments } from '../arguments.js';
import { encodePkcs8 } from '../core/encodings/der.js';
import { encodePem } from '../core/encodings/pem.js';
import { defaultBackend } from '../defaults.node.js';
import { type FileOption, pathOf } from '../files.node.js';
import { decryptPkcs8, encryptPkcs8 } from './encryption.node.js';
import { PortableIdentity, privateNumbersOf } from './identity.js';
import type { Decrypter, KeyMaterial, Signer, WebKeyPair } from './key.js';
import { type LoadOptions, loadKey, loadRules, withPath, writeKeyFile } from './key-file.node.js';
import { type PemOptions, pemRules, readKeyText } from './key-text.js';
import { type GenerateOptions, generateKey, readDecrypter, readSigner } from './making.js';
import { roleLine } from './roles.js';
import { fromWebKeyPair, type KeyPairOptions } from './web-key.js';

/** Options of {@link Identity.save} and {@link Identity.toPem}. */
export interface SaveOptions {
  /**
   * Encrypts the key, as the platform does it: PBES2 with AES-256-CBC and PBKDF2-HMAC-SHA-256 of 2048 rounds. So few
   * rounds do not make up for a weak passphrase: take a long random one.
   */
  readonly passphrase?: string | undefined;
}

const saveRules: ArgumentRules<SaveOptions> = { passphrase: anything };

/**
 * A key pair and its role: who a server or a client is. The private half is not reachable through it, nor shown by
 * `util.inspect` or `JSON.stringify`; it leaves it as PEM only, and only if it may.
 */
export class Identity extends PortableIdentity {
  static {
    // a bundler renames a class that mentions itself, and console.log would show that
    Object.defineProperty(Identity, 'name', { value: 'Identity' });
  }

  private constructor(material: KeyMaterial) {
    super(material, { sha256: (data) => createHash('sha256').update(data).digest() });
  }

  /** Makes a new key, which takes some tenths of a second, or several seconds on a JavaScript backend. */
  static async generate(options: GenerateOptions = {}): Promise<Identity> {
    return new Identity(await generateKey(options, defaultBackend));
  }

  /**
   * Reads a key file, once: PEM with a PKCS#8 or PKCS#1 private key, the role before it. Warns if others may read the file.
   * What is no such file is named in the error, with the command that converts it where there is one.
   */
  static async load(file: string | URL | FileOption, options: LoadOptions = {}): Promise<Identity> {
    const path = pathOf(file);
    const key = await loadKey(path, readArguments(options, loadRules, 'Identity.load()'));
    return withPath(path, () => new Identity(key));
  }

  /** The identity in a PEM text, as `toPem` writes it or as openssl does. */
  static fromPem(text: string, options: PemOptions = {}): Identity {
    return new Identity(
      readKeyText(text, readArguments(options, pemRules, 'Identity.fromPem()'), decryptPkcs8),
    );
  }

  /**
   * An identity over a `CryptoKeyPair` of the Web Cryptography API, extractable or not: RSA-PSS with SHA-256 for a client,
   * RSA-OAEP with SHA-256 for a server.
   */
  static async fromKeyPair(pair: WebKeyPair, options: KeyPairOptions): Promise<Identity> {
    return new Identity(await fromWebKeyPair(pair, options));
  }

  /** A client's identity whose key is kept elsewhere, such as in a hardware module or an agent: `{ spki, sign }`. */
  static fromSigner(signer: Signer): Identity {
    return new Identity(readSigner(signer));
  }

  /** A server's identity whose key is kept elsewhere, such as in a hardware module: `{ spki, decrypt }`. */
  static fromDecrypter(decrypter: Decrypter): Identity {
    return new Identity(readDecrypter(decrypter));
  }

  /** The private key as PKCS#8 PEM, before it a line with the role, which openssl and others pass over. */
  override toPem(options: SaveOptions = {}): string {
    const { passphrase } = readArguments(options, saveRules, 'toPem()');
    if (passphrase === undefined) return super.toPem();
    const der = encryptPkcs8(encodePkcs8(privateNumbersOf(this)), passphrase);
    return encodePem('ENCRYPTED PRIVATE KEY', der, [roleLine(this.role)]);
  }

  /** Writes `toPem` to a new file that only its owner may read. An existing file is never overwritten. */
  async save(file: string | URL | FileOption, options: SaveOptions = {}): Promise<void> {
    const path = pathOf(file);
    await writeKeyFile(path, this.toPem(readArguments(options, saveRules, 'save()')));
  }
}
