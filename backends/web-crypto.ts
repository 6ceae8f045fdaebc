/** A key of the Web Cryptography API. */
export interface WebCryptoKey {
  readonly type: string;
}

/** As much of `SubtleCrypto` as is used here. */
export interface Subtle {
  importKey(
    format: 'raw' | 'jwk' | KemFormat,
    data: Uint8Array | object,
    algorithm: object,
    extractable: boolean,
    usages: readonly string[],
  ): Promise<WebCryptoKey>;
  exportKey(format: 'jwk', key: WebCryptoKey): Promise<object>;
  exportKey(format: 'raw' | 'raw-public', key: WebCryptoKey): Promise<ArrayBuffer>;
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

/** What the platforms that know ML-KEM have beside that (Modern Algorithms in the Web Cryptography API). */
export interface KemSubtle extends Subtle {
  getPublicKey(key: WebCryptoKey, usages: readonly string[]): Promise<WebCryptoKey>;
  encapsulateBits(
    algorithm: object,
    key: WebCryptoKey,
  ): Promise<{ readonly ciphertext: ArrayBuffer; readonly sharedKey: ArrayBuffer }>;
  decapsulateBits(algorithm: object, key: WebCryptoKey, ciphertext: Uint8Array): Promise<ArrayBuffer>;
}

type KemFormat = 'raw-public' | 'raw-seed';

/** The platform's; `undefined` where it has none, as pages that came neither over https nor from localhost. */
export const subtle: Subtle | undefined = (globalThis as { readonly crypto?: { readonly subtle?: Subtle } })
  .crypto?.subtle;

/** The major version of Node, where it is Node that runs this and not what is compatible with it. */
export const nodeMajor: number | undefined = ((): number | undefined => {
  const { process } = globalThis as {
    process?: { readonly release?: { readonly name?: string }; readonly versions?: Record<string, string> };
  };
  const isNode = process?.release?.name === 'node' && !('Deno' in globalThis || 'Bun' in globalThis);
  return isNode ? Number.parseInt(process?.versions?.node ?? '', 10) : undefined;
})();

/** Whether a rejection is a `DOMException` of this name. */
export function isNamed(error: unknown, name: string): boolean {
  return (error as { name?: unknown } | null)?.name === name;
}

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
