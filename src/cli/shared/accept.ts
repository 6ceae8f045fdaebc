import type { SecureClient, SecureServer } from '../../index.js';

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
