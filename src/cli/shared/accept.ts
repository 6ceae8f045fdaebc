import type { SecureClient, SecureServer } from '../../index.js';
import { formatPeer } from './address.js';
import type { Report } from './output.js';

/** How long, in milliseconds, connections may take to end when everything they carried has. */
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

/** Turns away those who come while a server ends, until it is closed. */
export async function refuseFurther(server: SecureServer, report: Report): Promise<void> {
  for await (const client of server) {
    const peer = formatPeer(client);
    client.destroy();
    report.event('refused', `refused ${peer}: it is stopping`, { peer });
  }
}
