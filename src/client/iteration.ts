/**
 * An iterator that can itself be iterated, over what `next` gives. Leaving the loop keeps the connection and its messages:
 * a later `recv()` or loop goes on. What is left of a client may be its loop alone, so `next` has to keep the client.
 */
export function iterate<Item>(next: () => Promise<IteratorResult<Item>>): AsyncIterableIterator<Item> {
  return {
    next,
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
