import { connectionOf } from '../../client/client.js';
import type { SecureClient } from '../../index.js';

/** Resolves when a connection is over, however it ended, even if data of it is still unread. */
export function whenGone(client: SecureClient): Promise<void> {
  return connectionOf(client).closed;
}
