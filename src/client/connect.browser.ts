import type { Transport } from '../transports/transport.js';
import { type ClientOptions, SecureClient } from './client.browser.js';
import { connected } from './connected.js';
import type { ConnectOptions } from './establish.js';

/**
 * A connected client over a transport, such as `webSocket(url)` makes: `new SecureClient(options)` and its `connect()` in
 * one. `signal`, `host` and `port` are those of `connect()`, all other options those of the client.
 *
 * Rejects as these do. A transport is destroyed then.
 */
export function connect(
  transport: Transport,
  options: ClientOptions & ConnectOptions = {},
): Promise<SecureClient> {
  return connected(transport, options, (own: ClientOptions) => new SecureClient(own));
}
