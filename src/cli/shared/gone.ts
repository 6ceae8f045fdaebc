import { clientAccess } from '../../client/client.js';
import type { Connection } from '../../connection/connection.js';
import type { SecureClient } from '../../index.js';

/** Resolves when a connection is over, however it ended, even if data of it is still unread. */
export function whenGone(client: SecureClient): Promise<void> {
  return connectionOf(client).closed;
}

/** The connection of a client that has one. */
export function connectionOf(client: SecureClient): Connection {
  return clientAccess.internals(client).connection;
}
