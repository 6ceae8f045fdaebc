import type { Backend } from '../../backend.js';

/** What the alternative key is derived from (K2): SHA-256 of the private exponent as k bytes, k the modulus' length. */
export function privateExponentHash(backend: Pick<Backend, 'sha256'>, d: Uint8Array, k: number): Uint8Array {
  const padded = new Uint8Array(k);
  padded.set(d, k - d.length);
  return backend.sha256(padded);
}

/**
 * The session key in a PKCS#1 v1.5 encoded message, or, if that is malformed, a key derived only from the private key
 * and the ciphertext: implicit rejection (K2).
 *
 * A peer that learns whether the padding was correct has Bleichenbacher's oracle, and can decrypt recorded session keys
 * with a million queries or fewer. So there is no error, and no branch or index that depends on the decrypted bytes:
 * positions are fixed, every byte is read, and the selection uses masks. A random substitute would not do: an attacker
 * could send the same ciphertext twice, and see from two equal ciphertexts of the server's first message (ECB is
 * deterministic) that the padding was correct. With a derived key both answers are equal in either case.
 */
export function implicitRejection(
  backend: Pick<Backend, 'sha256' | 'hmacSha256'>,
  privateExponentHash: Uint8Array,
  ciphertext: Uint8Array,
  encodedMessage: Uint8Array,
  keyLength: 16 | 24 | 32,
): Uint8Array {
  const derivationKey = backend.hmacSha256(privateExponentHash, ciphertext);
  const alternative = backend.hmacSha256(derivationKey, ALTERNATIVE_KEY_LABEL);
  const mask = isMalformed(encodedMessage, keyLength);
  const start = encodedMessage.length - keyLength;
  const key = new Uint8Array(keyLength);
  for (let index = 0; index < keyLength; index += 1) {
    key[index] = (byteAt(alternative, index) & mask) | (byteAt(encodedMessage, start + index) & ~mask);
  }
  return key;
}

const ALTERNATIVE_KEY_LABEL: Uint8Array = new TextEncoder().encode('secure-sockets classic key');

/** All ones if the encoded message is not 0, 2, non-zero bytes, 0, key; else zero. */
function isMalformed(encodedMessage: Uint8Array, keyLength: number): number {
  const separator = encodedMessage.length - keyLength - 1;
  let bad = byteAt(encodedMessage, 0) | (byteAt(encodedMessage, 1) ^ 2) | byteAt(encodedMessage, separator);
  for (let index = 2; index < separator; index += 1) bad |= isZero(byteAt(encodedMessage, index));
  return isZero(bad) - 1;
}

/** 1 for 0, 0 for 1 to 2^31 - 1. */
function isZero(value: number): number {
  return (value - 1) >>> 31;
}

/** A typed array gives `undefined` out of bounds; `| 0` makes that 0 without a branch on the value. */
function byteAt(bytes: Uint8Array, index: number): number {
  return (bytes[index] as number) | 0;
}
