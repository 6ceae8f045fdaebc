/** The same memory without Buffer's methods, of which `slice` means something else than a `Uint8Array`'s. */
export function plain(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/**
 * Memory for a record that is to be written, to be filled at once: what it holds at first is anything. Small pieces are
 * views of Node's pool, which costs a fifth of an array of their own.
 *
 * For ciphertext only. The pool is shared with all of the process that uses `Buffer`: a program that got a message in
 * it could read its neighbours by `message.buffer`, and could not transfer it, since Node has marked the pool against
 * that. Plaintext is decrypted to memory of its own, or to memory of `MessageMemory`.
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
