import type { ByteQueue } from './byte-queue.js';

/** Bytes accepted while a step is in progress or queued: only by reading does an end notice that the peer is gone. */
const EARLY_BYTES = 4096;
/**
 * The same on an open connection, where they need no copy and the step is the decryption of a record by the platform. Firefox
 * brings what the network has, however busy the page is, and tells of decrypted records behind all that: a page that
 * reads as fast as it can gets through if it holds for a while what has come meanwhile.
 */
const EARLY_GIVEN = 256 * 1024 * 1024;

/** Whether enough has come before it can be used. */
export function isEnoughEarly(bytes: ByteQueue, isDecrypting: boolean): boolean {
  if (bytes.length <= EARLY_BYTES) return false;
  return !isDecrypting || bytes.given === 0 || bytes.given > EARLY_GIVEN;
}
