import type { ClientOptions } from '../options/options.js';
import { checkAddressKind } from '../transports/address.js';
import type { TcpAddress, UnixAddress } from '../transports/tcp.node.js';
import { isTransport, type Transport } from '../transports/transport.js';
import { SecureClient } from './client.node.js';
import { connected } from './connected.js';
import type { ConnectOptions } from './establish.js';

/**
 * A connected client: `new SecureClient(options)` and its `connect()` in one. `signal`, `host` and `port` are those of
 * `connect()`, all other options those of the client.
 *
 * Rejects as these do. A transport is destroyed then.
 */
export async function connect(
  to: TcpAddress | UnixAddress | Transport,
  options: ClientOptions & ConnectOptions = {},
): Promise<SecureClient> {
  if (!isTransport(to)) checkAddressKind(to);
  return connected(to, options, (own: ClientOptions) => new SecureClient(own));
}
