import { isBelow } from '../src/numbers.js';

/** Throws a `RangeError` unless `bytes` has one of the lengths allowed. */
export function requireLength(what: string, bytes: Uint8Array, ...allowed: readonly number[]): void {
  if (allowed.includes(bytes.length)) return;
  throw new RangeError(`${what} must have ${allowed.join(' or ')} bytes, got ${bytes.length}`);
}

/** Throws a `RangeError` unless a nonce has 12 bytes: every record asks, so without an array for each. */
export function requireNonce(nonce: Uint8Array): void {
  if (nonce.length !== 12) requireLength('nonce', nonce, 12);
}

/** Throws a `RangeError` unless `blocks` is a whole number of AES blocks. */
export function requireWholeBlocks(blocks: Uint8Array): void {
  if (blocks.length % 16 === 0) return;
  throw new RangeError(`ECB takes whole blocks of 16 bytes, got ${blocks.length} bytes`);
}

/** Throws a `RangeError` if `message` does not fit the padding of a key. */
export function requireRoom(message: Uint8Array, room: number): void {
  if (message.length <= room) return;
  throw new RangeError(
    `message of ${message.length} bytes is too long for this key, at most ${Math.max(room, 0)}`,
  );
}

/** Throws a `RangeError` unless `length` is a count of bytes up to `max`. */
export function requireCount(what: string, length: number, max: number): void {
  if (Number.isSafeInteger(length) && length >= 0 && length <= max) return;
  throw new RangeError(`${what} must be an integer from 0 to ${max}, got ${length}`);
}

/** Throws a `RangeError` unless `ciphertext` is a number below the modulus `n`, as long as it (RFC 8017 5.1.2 step 1). */
export function requireRepresentative(ciphertext: Uint8Array, n: Uint8Array): void {
  requireLength('ciphertext', ciphertext, n.length);
  if (!isBelow(ciphertext, n)) throw new RangeError('ciphertext must be smaller than the modulus');
}

/** Throws a `RangeError` if a modulus has no room for PSS with 32 bytes of hash and of salt (RFC 8017 9.1.1 step 3). */
export function requirePssRoom(modulusLength: number): void {
  if (modulusLength >= 522) return;
  throw new RangeError(`modulus is too short to sign, needs at least 522 bits, got ${modulusLength}`);
}

/** The one error for whatever is wrong with an OAEP ciphertext: its cause must not be told (RFC 8017 7.1.2). */
export function decryptionFailed(): Error {
  return new Error('decryption failed');
}

/** `null` for the one failure that is a result; any other exception stays one. */
export function nullIf<Result>(message: RegExp, compute: () => Result): Result | null {
  try {
    return compute();
  } catch (error) {
    return nullFor(message, error);
  }
}

/** The same for the catch of a call that every record makes, which a closure would cost something. */
export function nullFor(message: RegExp, error: unknown): null {
  if (error instanceof Error && message.test(error.message)) return null;
  throw error;
}
