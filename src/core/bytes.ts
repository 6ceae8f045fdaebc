/**
 * Bytes in memory of the plain kind: an `ArrayBuffer`, which `crypto.subtle`, `Blob` and `Response` ask for, and
 * never shared memory. `Uint8Array<ArrayBuffer>` to compilers that know it, `Uint8Array` to those before TypeScript
 * 5.7.
 */
export type Bytes = ReturnType<Uint8Array['slice']>;

/** Whether a value is bytes, by what it is and not only by whose class: it may come from another realm. */
export function isBytes(value: unknown): value is Uint8Array {
  // a Proxy of one has no memory of its own
  if (!ArrayBuffer.isView(value)) return false;
  return value instanceof Uint8Array || Object.prototype.toString.call(value) === '[object Uint8Array]';
}

/** Whether two byte strings are the same, for public ones: it ends at the first difference. */
export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** The same memory without the methods of a Buffer, whose `slice` is a view and no copy. */
export function asPlain(bytes: Uint8Array): Uint8Array {
  if (bytes.constructor === Uint8Array) return bytes;
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Whether bytes have lost their memory, because it was transferred or resized: they look like an empty message then. */
export function isDetached(bytes: Uint8Array): boolean {
  if (bytes.length > 0) return false;
  try {
    bytes.fill(0);
    return false;
  } catch {
    return true;
  }
}

/** Whether a value is an `ArrayBuffer`, of this realm or another. */
export function isArrayBuffer(value: unknown): value is ArrayBuffer {
  return Object.prototype.toString.call(value) === '[object ArrayBuffer]';
}

/** Byte strings as one: the only one as it is, several in new memory. */
export function asOne(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 ? (parts[0] as Uint8Array) : joinBytes(parts);
}

/** Byte strings as one, in new memory. */
export function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
