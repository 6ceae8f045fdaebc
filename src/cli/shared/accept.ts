import type { SecureClient, SecureServer } from '../../index.js';
import { serverAccess } from '../../server/server.js';

/** How long, in milliseconds, connections may take to end when all they carry has ended. */
export const CLOSE_TIME = 500;

/** The next client; `undefined` after `stop`. Closing the server instead would close its clients. */
export async function acceptUntil(
  stop: AbortSignal,
  server: SecureServer,
): Promise<SecureClient | undefined> {
  try {
    return await server.accept({ signal: stop });
  } catch (error) {
    if (stop.aborted) return undefined;
    throw error;
  }
}

/**
 * Stops accepting, so that a successor can listen at the address at once; connected clients stay until the server
 * closes.
 */
export function stopAccepting(server: SecureServer): void {
  serverAccess(server).stopAccepting();
}
