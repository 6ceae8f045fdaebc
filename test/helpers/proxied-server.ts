// A server behind a proxy, and PROXY headers.

import { BlockList, type Socket } from 'node:net';
import { fromDuplex, type SecureClient, type SecureServer, type ServerOptions } from 'secure-sockets';
import { open } from './kept.js';
import { clientOf, rawConnection, startListening } from './sockets.js';

const proxies = new BlockList();

proxies.addSubnet('127.0.0.0', 8, 'ipv4');

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'));
export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

export const line = (address: string, port = 50_000): Uint8Array =>
  bytes(`PROXY ${address.includes(':') ? 'TCP6' : 'TCP4'} ${address} ${address} ${port} 443\r\n`);

export const binary = (content: string): Uint8Array => hex(`0d0a0d0a000d0a515549540a ${content}`);

interface Report {
  readonly code: string | undefined;
  readonly message: string;
  readonly from: string;
}

/** A server behind a proxy, and what it reports. */
export async function behindProxy(
  protocol: 'sealed' | 'classic',
  options: ServerOptions = {},
): Promise<{ server: SecureServer; reports: Report[] }> {
  const reports: Report[] = [];
  const server = await startListening(protocol, {
    trustedProxies: proxies,
    onHandshakeError: (error: Error & { code?: string }, from) =>
      reports.push({
        code: error.code,
        message: error.message,
        from: `${from.remoteAddress} ${from.remotePort}`,
      }),
    ...options,
  });
  open.push({ [Symbol.asyncDispose]: () => server.close({ timeout: 100 }) });
  return { server, reports };
}

/** A raw connection that is destroyed with the test. */
export async function proxyTo(server: SecureServer): Promise<Socket> {
  const socket = await rawConnection(server);
  open.push({ [Symbol.asyncDispose]: async () => void socket.destroy() });
  return socket;
}

/** A client that comes by a proxy with this header, and the server's end of it. */
export async function connectBy(
  protocol: 'sealed' | 'classic',
  server: SecureServer,
  header: Uint8Array,
): Promise<[SecureClient, SecureClient]> {
  const socket = await proxyTo(server);
  socket.write(header);
  const client = clientOf(server, { protocol });
  const accepted = server.accept();
  await client.connect(fromDuplex(socket));
  return [client, await accepted];
}
