/** A key of the Web Cryptography API. */
export interface WebCryptoKey {
  readonly type: string;
}

/** As much of `SubtleCrypto` as is used here. */
export interface Subtle {
  importKey(
    format: 'raw' | 'jwk',
    data: Uint8Array | object,
    algorithm: object,
    extractable: boolean,
    usages: readonly string[],
  ): Promise<WebCryptoKey>;
  exportKey(format: 'jwk', key: WebCryptoKey): Promise<object>;
  exportKey(format: 'raw', key: WebCryptoKey): Promise<ArrayBuffer>;
  deriveBits(algorithm: object, key: WebCryptoKey, length: number): Promise<ArrayBuffer>;
  generateKey(
    algorithm: object,
    extractable: boolean,
    usages: readonly string[],
  ): Promise<{ readonly publicKey: WebCryptoKey; readonly privateKey: WebCryptoKey }>;
  encrypt(algorithm: object, key: WebCryptoKey, data: Uint8Array): Promise<ArrayBuffer>;
  decrypt(algorithm: object, key: WebCryptoKey, data: Uint8Array): Promise<ArrayBuffer>;
  sign(algorithm: object, key: WebCryptoKey, data: Uint8Array): Promise<ArrayBuffer>;
  verify(algorithm: object, key: WebCryptoKey, signature: Uint8Array, data: Uint8Array): Promise<boolean>;
}

/** The platform's; `undefined` where it has none, as pages that came neither over https nor from localhost. */
export const subtle: Subtle | undefined = (globalThis as { readonly crypto?: { readonly subtle?: Subtle } })
  .crypto?.subtle;

/** RSA-OAEP as it is used here. */
export const OAEP = { name: 'RSA-OAEP', hash: 'SHA-256' } as const;
/** RSA-PSS as it is used here. */
export const PSS = { name: 'RSA-PSS', hash: 'SHA-256' } as const;

/** Bytes as a JSON Web Key has them. */
export function toBase64url(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}
