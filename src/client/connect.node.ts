import { checkOptions } from '../arguments.js';
import type { ClientOptions } from '../options/options.js';
import { checkAddressKind } from '../transports/address.js';
import type { TcpAddress, UnixAddress } from '../transports/tcp.node.js';
import { isTransport, type Transport } from '../transports/transport.js';
import { SecureClient } from './client.node.js';
import type { ConnectOptions } from './establish.js';

/**
 * A connected client: `new SecureClient(options)` and its `connect()` in one. `signal`, `host` and `port` are those of
 * `connect()`, all other options those of the client.
 *
 * Rejects as these do.
 */
export async function connect(
  to: TcpAddress | UnixAddress | Transport,
  options: ClientOptions & ConnectOptions = {},
): Promise<SecureClient> {
  if (!isTransport(to)) checkAddressKind(to);
  checkOptions(options, 'connect()');
  const { signal, host, port, ...clientOptions } = options;
  const client = new SecureClient(clientOptions);
  await client.connect(to, { signal, host, port });
  return client;
}
