import { afterEach } from 'vitest';
import { type Pair, pair } from './sockets.js';

/** What a test opens and leaves open: closed after it, the last one first. */
export const open: AsyncDisposable[] = [];

afterEach(async () => {
  for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
});

/** Adds one, and gives it back. */
export function keep<T extends AsyncDisposable>(resource: T): T {
  open.push(resource);
  return resource;
}

/** Makes connected pairs of one protocol that are closed after the test. */
export function keptPairs(
  protocol: Parameters<typeof pair>[0],
): (options?: Parameters<typeof pair>[1]) => Promise<Pair> {
  return async (options) => keep(await pair(protocol, options));
}
