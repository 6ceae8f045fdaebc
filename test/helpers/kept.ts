import { afterEach } from 'vitest';

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
