import { subscribe } from 'node:diagnostics_channel';
import type { SecureClient } from '../../index.js';

const over = new WeakSet<object>();
const waiting = new WeakMap<object, (() => void)[]>();

// by the channel that says so for every connection: reading tells it only to those that have read everything before
subscribe('secure-sockets:close', (message) => {
  const { client } = message as { readonly client: object };
  over.add(client);
  for (const tell of waiting.get(client) ?? []) tell();
  waiting.delete(client);
});

/** Resolves when a connection is over, however it ended and whatever of it is still unread. */
export function whenGone(client: SecureClient): Promise<void> {
  if (over.has(client)) return Promise.resolve();
  return new Promise((resolve) => {
    const before = waiting.get(client) ?? [];
    waiting.set(client, [...before, resolve]);
  });
}
