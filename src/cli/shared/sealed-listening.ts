import type { SecureServer } from '../../index.js';
import { formatAddress, type ListenAddress } from './address.js';
import { announceListening, announceWarning } from './announce.js';
import { acceptSockets, type Handover, Listener, serveSealed } from './listener.js';
import type { Report } from './output.js';
import { acceptWebSockets, formatPlace } from './web-sockets.js';

/** How a server listens. */
export interface SealedListening {
  readonly unlink?: boolean | undefined;
  /** Whether for WebSockets instead of TCP connections. */
  readonly websocket?: boolean | undefined;
}

/** What listens for a server. */
export interface SealedListener {
  /** It can be given to another server. */
  readonly listener: Listener;
  /** How many connections have come that the server does not know of yet. */
  readonly pending: number;
}

/** Starts listening for sealed connections, or those of classic, and reports where. */
export async function listenSealed(
  server: SecureServer,
  address: ListenAddress,
  flags: SealedListening,
  report: Report,
  handover: Handover = () => undefined,
): Promise<SealedListener> {
  const acceptance = await (flags.websocket ? acceptWebSockets(server) : acceptSockets(server));
  const listener = handover(address) ?? (await Listener.open(address, flags));
  serveSealed(server, listener, acceptance, (error) => announceWarning(error, report));
  const format = flags.websocket ? formatPlace : formatAddress;
  announceListening(server, format(listener.address), report);
  return {
    listener,
    get pending() {
      return acceptance.pending;
    },
  };
}
