import { createPrivateKey } from 'node:crypto';
import { checkPassphrase } from './key-text.js';

/** Encrypts PKCS#8 with a passphrase, as OpenSSL does it. */
export function encryptPkcs8(pkcs8: Uint8Array, passphrase: string): Uint8Array {
  checkPassphrase(passphrase);
  const key = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' });
  return key.export({ format: 'der', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase });
}

/** Decrypts an EncryptedPrivateKeyInfo to PKCS#8. Throws the error of OpenSSL. */
export function decryptPkcs8(der: Uint8Array, passphrase: string): Uint8Array {
  const key = createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8', passphrase });
  return key.export({ format: 'der', type: 'pkcs8' });
}
