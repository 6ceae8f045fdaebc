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
  generateKey(
    algorithm: object,
    extractable: boolean,
    usages: readonly string[],
  ): Promise<{ readonly privateKey: WebCryptoKey }>;
  encrypt(algorithm: object, key: WebCryptoKey, data: Uint8Array): Promise<ArrayBuffer>;
  decrypt(algorithm: object, key: WebCryptoKey, data: Uint8Array): Promise<ArrayBuffer>;
  sign(algorithm: object, key: WebCryptoKey, data: Uint8Array): Promise<ArrayBuffer>;
}

/** The platform's; `undefined` where it has none, as pages that came neither over https nor from localhost. */
export const subtle: Subtle | undefined = (globalThis as { readonly crypto?: { readonly subtle?: Subtle } })
  .crypto?.subtle;
