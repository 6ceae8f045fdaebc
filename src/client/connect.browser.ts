import { checkOptions } from '../arguments.js';
import type { Transport } from '../transports/transport.js';
import { type ClientOptions, SecureClient } from './client.browser.js';
import type { ConnectOptions } from './establish.js';

/**
 * A connected client over a transport, such as `webSocket(url)` makes: `new SecureClient(options)` and its `connect()` in
 * one. `signal`, `host` and `port` are those of `connect()`, all other options those of the client.
 *
 * Rejects as these do.
 */
export async function connect(
  transport: Transport,
  options: ClientOptions & ConnectOptions = {},
): Promise<SecureClient> {
  checkOptions(options, 'connect()');
  const { signal, host, port, ...clientOptions } = options;
  const client = new SecureClient(clientOptions);
  await client.connect(transport, { signal, host, port });
  return client;
}
