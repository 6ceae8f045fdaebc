import forge from 'node-forge';

/**
 * Bytes on a call's stack, and in one string: small enough for both, a whole number of blocks, and forge slows down
 * when a string grows long.
 */
const CHUNK = 16 * 1024;

/** Bytes as forge takes them: a string of one character a byte. */
export function toBinary(bytes: Uint8Array): string {
  let text = '';
  for (const chunk of chunks(bytes)) text += chunk;
  return text;
}

/** The bytes of forge's kind of string, in memory of their own. */
export function fromBinary(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  writeBinary(text, bytes, 0);
  return bytes;
}

/** Runs `bytes` through a cipher or its reverse piece by piece into `output`; returns how many came out. */
export function updateInto(cipher: forge.cipher.BlockCipher, bytes: Uint8Array, output: Uint8Array): number {
  let written = 0;
  for (const chunk of chunks(bytes)) {
    cipher.update(forge.util.createBuffer(chunk));
    written += drain(cipher, output, written);
  }
  return written;
}

/** Moves what a cipher has produced to `output`; returns how many bytes that were. */
export function drain(cipher: forge.cipher.BlockCipher, output: Uint8Array, at: number): number {
  const text = cipher.output.getBytes();
  writeBinary(text, output, at);
  return text.length;
}

/** Runs `bytes` through a hash or HMAC piece by piece. */
export function digest(hash: Hash, bytes: Uint8Array): Uint8Array {
  for (const chunk of chunks(bytes)) hash.update(chunk);
  return fromBinary(hash.digest().getBytes());
}

interface Hash {
  update(text: string): unknown;
  digest(): forge.util.ByteStringBuffer;
}

function* chunks(bytes: Uint8Array): Generator<string, void, undefined> {
  for (let at = 0; at < bytes.length; at += CHUNK)
    yield String.fromCharCode(...bytes.subarray(at, at + CHUNK));
}

function writeBinary(text: string, output: Uint8Array, at: number): void {
  for (let index = 0; index < text.length; index++) output[at + index] = text.charCodeAt(index);
}
