import type { SecureServer } from '../../index.js';
import { listenAtDescriptor } from '../../server/server.node.js';
import { formatAddress, type ListenAddress } from './address.js';
import { announceListening } from './announce.js';
import { listenWhereFree } from './listening.js';
import type { Report } from './output.js';
import { listenForWebSockets } from './web-sockets.js';

/** How a server listens. */
export interface SealedListening {
  readonly unlink?: boolean | undefined;
  /** Whether for WebSockets instead of TCP connections. */
  readonly websocket?: boolean | undefined;
}

/** Starts listening for sealed connections, or those of classic, and reports where. */
export async function listenSealed(
  server: SecureServer,
  address: ListenAddress,
  flags: SealedListening,
  report: Report,
): Promise<void> {
  let at = '';
  await listenWhereFree(address, flags, async () => {
    at = await (flags.websocket ? listenForWebSockets(server, address) : listenPlainly(server, address));
  });
  announceListening(server, at, report);
}

async function listenPlainly(server: SecureServer, address: ListenAddress): Promise<string> {
  if (!('fd' in address)) await server.listen(address);
  else await listenAtDescriptor(server, address.fd);
  return formatAddress('fd' in address && 'path' in server.address ? address : server.address);
}
