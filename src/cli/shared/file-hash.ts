import { createHash, type Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { PIECE } from './transfer.js';

/** The SHA-256 of the first bytes of a file, to be continued. Rejects with EOF if there are fewer. */
export async function hashStart(handle: FileHandle, length: number): Promise<Hash> {
  const hash = createHash('sha256');
  const piece = new Uint8Array(Math.min(PIECE, length));
  for (let at = 0; at < length; ) {
    const { bytesRead } = await handle.read(piece, 0, Math.min(piece.length, length - at), at);
    if (bytesRead === 0)
      throw Object.assign(new Error(`the file ends after ${at} of ${length} bytes`), { code: 'EOF' });
    hash.update(piece.subarray(0, bytesRead));
    at += bytesRead;
  }
  return hash;
}
