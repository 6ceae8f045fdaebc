/** The same memory without Buffer's methods, of which `slice` means something else than a `Uint8Array`'s. */
export function plain(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/**
 * Memory that holds anything, to be filled at once: small pieces are views of memory that others share, which costs a
 * fifth of an array of their own and is never transferred.
 */
export function unclearedBytes(length: number): Uint8Array {
  return plain(Buffer.allocUnsafe(length));
}

/** Base64url, as JWK writes numbers and keys. */
export function toBase64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');
}

/** The bytes of a member of a JWK, in memory of their own. */
export function fromBase64url(text: string | undefined): Uint8Array {
  if (text === undefined) throw new TypeError('the JWK lacks a member that its type has');
  return new Uint8Array(Buffer.from(text, 'base64url'));
}
