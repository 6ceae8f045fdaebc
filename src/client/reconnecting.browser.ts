import type { Transport } from '../transports/transport.js';
import { type ClientOptions, SecureClient } from './client.browser.js';
import type { ConnectOptions } from './establish.js';
import { type ReconnectOptions, reconnect, withSessions } from './reconnecting.js';

/**
 * Connected clients, one after the other: each time the loop's body is done with one, it is closed and another is
 * connected, over a transport that `open` makes, after a wait that grows and varies at random. Ends by `break`, by an error
 * that the body throws, or by throwing what another attempt would not change: an untrusted server, a refused client, a
 * wrong option. Messages on their way when a connection fails are not sent again.
 */
export function reconnecting(
  open: () => Transport | Promise<Transport>,
  clientOptions: ClientOptions,
  options: ReconnectOptions = {},
): AsyncGenerator<SecureClient, never, undefined> {
  const given = withSessions(clientOptions);
  const attempts = {
    client: () => new SecureClient(given),
    connect: async (client: SecureClient, how: ConnectOptions) => client.connect(await open(), how),
  };
  return reconnect(attempts, options);
}
