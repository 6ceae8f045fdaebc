import type { Transport } from '../transports/transport.js';
import { type ClientOptions, SecureClient } from './client.browser.js';
import { clientAccess } from './client.js';
import { type ConnectOptions, type Destination, useTransport } from './establish.js';
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
    connect: (client: SecureClient, how: ConnectOptions) => clientAccess.connect(client, madeBy(open), how),
  };
  return reconnect(attempts, options);
}

/** Where a transport that is yet to be made leads to. The wait for it is a part of the attempt; one that comes later is let go. */
function madeBy(open: () => Transport | Promise<Transport>): Destination {
  let made: Destination | undefined;
  return {
    target: undefined,
    open: (giveUp, settings) => {
      const making = (async () => {
        made = useTransport(await open(), {});
        if (giveUp.isCancelled) made.giveUp?.();
        return made.open(giveUp, settings);
      })();
      return giveUp.unlessCancelled(making);
    },
    giveUp: () => made?.giveUp?.(),
  };
}
