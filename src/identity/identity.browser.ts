import { type ArgumentRules, anything, readArguments } from '../arguments.js';
import { defaultBackend } from '../defaults.browser.js';
import { PortableIdentity } from './identity.js';
import type { Decrypter, KeyMaterial, Signer, WebKeyPair } from './key.js';
import { readKeyText } from './key-text.js';
import { type GenerateOptions, generateKey, readDecrypter, readSigner } from './making.js';
import type { IdentityRole } from './roles.js';
import { fromWebKeyPair, type KeyPairOptions } from './web-key.js';

const rules: ArgumentRules<{ role?: IdentityRole | undefined }> = { role: anything };

/**
 * A key pair and its role: who a server or a client is. The private half is not reachable through it, nor shown by
 * `JSON.stringify`; it leaves it as PEM only, and only if it may.
 */
export class Identity extends PortableIdentity {
  static {
    // a bundler renames a class that mentions itself, and console.log would show that
    Object.defineProperty(Identity, 'name', { value: 'Identity' });
  }

  private constructor(material: KeyMaterial) {
    super(material, defaultBackend);
  }

  /** Makes a new key, which takes some tenths of a second. */
  static async generate(options: GenerateOptions = {}): Promise<Identity> {
    return new Identity(await generateKey(options, defaultBackend));
  }

  /** The identity in a PEM text, as `toPem` writes it or as openssl does; not encrypted. */
  static fromPem(text: string, options: { readonly role?: IdentityRole | undefined } = {}): Identity {
    return new Identity(readKeyText(text, readArguments(options, rules, 'Identity.fromPem()'), undefined));
  }

  /**
   * An identity over a `CryptoKeyPair` of the Web Cryptography API, extractable or not: RSA-PSS with SHA-256 for a client,
   * RSA-OAEP with SHA-256 for a server.
   */
  static async fromKeyPair(pair: WebKeyPair, options: KeyPairOptions): Promise<Identity> {
    return new Identity(await fromWebKeyPair(pair, options));
  }

  /** A client's identity whose key is kept elsewhere: `{ spki, sign }`. */
  static fromSigner(signer: Signer): Identity {
    return new Identity(readSigner(signer));
  }

  /** A server's identity whose key is kept elsewhere: `{ spki, decrypt }`. */
  static fromDecrypter(decrypter: Decrypter): Identity {
    return new Identity(readDecrypter(decrypter));
  }
}
