import type { SecureClient } from '../../index.js';

/**
 * CLOSE codes of these commands: the input is at its end and the connection still read; stopped before that; a tunnel
 * server that does not take streams.
 */
export const closeCodes = { readsOn: 0x4000, goingAway: 1, noStreams: 0x4001 } as const;

/** Why the peer's data is incomplete, if its close code says so. */
export function stopOf({ closeCode }: SecureClient): string | undefined {
  return closeCode === closeCodes.goingAway
    ? 'the peer was stopped before it had sent everything'
    : undefined;
}
