import { codeOf, printable, reasonOf } from '../../errors.js';
import type { SecureClient, SecureServer } from '../../index.js';
import { formatAddress, formatPeer, type PeerAddress } from './address.js';
import type { Report } from './output.js';

/** Reports where a server listens, and with which key. */
export function announceListening(server: SecureServer, address: string, report: Report): void {
  const { fingerprint } = server;
  report.event('listening', `listening at ${address}, key ${fingerprint}`, { address, fingerprint });
}

/** Reports a mistake that ends nothing. */
export function announceWarning({ message }: Error, report: Report): void {
  report.event('warning', `warning: ${message}`, { message });
}

/** Reports which client has connected. */
export function announceClient(client: SecureClient, report: Report): void {
  const { peer, suite } = client;
  const from = formatPeer(client);
  const who = peer === null ? 'without a key' : [peer.name, peer.fingerprint].filter(Boolean).join(' ');
  report.detail('connected', `connected: ${from}, ${who}`, {
    peer: from,
    fingerprint: peer?.fingerprint,
    name: peer?.name,
    suite,
  });
}

/** Reports which server was reached. */
export function announceServer(client: SecureClient, to: PeerAddress, report: Report): void {
  const address = formatAddress(to);
  const { peer, suite } = client;
  report.detail('connected', `connected to ${address}, key ${peer?.fingerprint}`, {
    address,
    fingerprint: peer?.fingerprint,
    suite,
  });
}

/** Reports that a connection failed, where that ends nothing else. */
export function announceLoss(what: string, error: unknown, report: Report): void {
  const message = messageOf(error);
  report.event('lost', `${what}: ${message}`, { what, code: codeOf(error), message });
}

/** A client that connects while another is served is refused: otherwise it would believe that its data is read. */
export async function turnAway(server: SecureServer, report: Report): Promise<void> {
  for await (const client of server) {
    const peer = formatPeer(client);
    client.destroy();
    report.event('refused', `refused ${peer}: one client is served, more with --keep-open`, { peer });
  }
}

/** An error of an attempt on several addresses has no message of its own. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join(', ');
  return printable(reasonOf(error));
}
