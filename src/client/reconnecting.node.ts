import type { ClientOptions } from '../options/options.js';
import type { TcpAddress, UnixAddress } from '../transports/tcp.node.js';
import { SecureClient } from './client.node.js';
import type { ConnectOptions } from './establish.js';
import { type ReconnectOptions, reconnect, withSessions } from './reconnecting.js';

/**
 * Connected clients, one after the other: each time the loop's body is done with one, it is closed and another is
 * connected, after a wait that grows and varies at random. Ends by `break`, by an error that the body throws, or by
 * throwing what another attempt would not change: an untrusted server, a refused client, a wrong option. Messages on
 * their way when a connection fails are not sent again.
 */
export function reconnecting(
  to: TcpAddress | UnixAddress,
  clientOptions: ClientOptions,
  options: ReconnectOptions = {},
): AsyncGenerator<SecureClient, never, undefined> {
  const given = withSessions(clientOptions);
  const attempts = {
    client: () => new SecureClient(given),
    connect: (client: SecureClient, how: ConnectOptions) => client.connect(to, how),
  };
  return reconnect(attempts, options);
}
