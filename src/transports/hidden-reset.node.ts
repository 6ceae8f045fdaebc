import { readSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { hasCode } from '../errors.js';

/** What a socket has inside; undocumented, so it is looked for before it is used. */
interface Inner {
  readonly _handle?: { readonly fd?: unknown } | null;
  readonly remotePort?: number | undefined;
}

/**
 * The reset that a TCP socket has just reported as an end, if it was one.
 *
 * The libuv of Node 20 and 22 takes a hang-up after a read that did not fill its buffer for an end, and never asks the
 * system for the reason (Node 24.22 does): a peer that sends something and resets the connection at once then seems to have ended in
 * order, and what it had not sent yet is missing without an error. The reason stays with the descriptor, where the next
 * read finds it: a read after an end gives 0 bytes at once, after a reset ECONNRESET. To write nothing would find it too,
 * but not at once, and not after our own end.
 *
 * `remotePort`: of the socket, which no longer knows it after a reset. Unix domain sockets have none, and are not asked:
 * they report one for a peer that has closed in order before it has read everything. TLS has its own end of data.
 */
export function findHiddenReset(stream: Duplex, remotePort: number | undefined): Error | undefined {
  const { bun, deno } = process.versions;
  if (remotePort === undefined || 'encrypted' in stream || bun !== undefined || deno !== undefined)
    return undefined;
  const fd = (stream as Inner)._handle?.fd;
  if (typeof fd !== 'number' || fd < 0) return undefined;
  try {
    readSync(fd, new Uint8Array(1));
    return undefined;
  } catch (error) {
    return hasCode(error, 'ECONNRESET') ? error : undefined;
  }
}
