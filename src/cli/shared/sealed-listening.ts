import type { SecureServer } from '../../index.js';
import { serverAccess } from '../../server/server.js';
import { formatAddress, type ListenAddress } from './address.js';
import { announceListening, announceWarning } from './announce.js';
import { type Handover, Listener, serveSealed } from './listener.js';
import { listenWhereFree } from './listening.js';
import type { Report } from './output.js';
import { listenForWebSockets } from './web-sockets.js';

/** How a server listens. */
export interface SealedListening {
  readonly unlink?: boolean | undefined;
  /** Whether for WebSockets instead of TCP connections. */
  readonly websocket?: boolean | undefined;
}

/**
 * Starts listening for sealed connections, or those of classic, and reports where. Resolves to the listener, which can be
 * given to another server, unless it is one for WebSockets.
 */
export async function listenSealed(
  server: SecureServer,
  address: ListenAddress,
  flags: SealedListening,
  report: Report,
  handover: Handover = () => undefined,
): Promise<Listener | undefined> {
  if (!flags.websocket) return listenPlainly(server, address, flags, report, handover);
  let at = '';
  await listenWhereFree(address, flags, async () => {
    at = await listenForWebSockets(server, address);
  });
  announceListening(server, at, report);
  return undefined;
}

async function listenPlainly(
  server: SecureServer,
  address: ListenAddress,
  flags: SealedListening,
  report: Report,
  handover: Handover,
): Promise<Listener> {
  // nothing is accepted before the key is there
  await serverAccess(server).prepare();
  const listener = handover(address) ?? (await Listener.open(address, flags));
  await serveSealed(server, listener, (error) => announceWarning(error, report));
  announceListening(server, formatAddress(listener.address), report);
  return listener;
}
