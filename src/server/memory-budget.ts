/** Something that holds memory on behalf of a peer. */
export interface Holder {
  /** Bytes held now. */
  readonly buffered: number;
}

/**
 * Bounds what all connections of a server hold together. Beyond the limit some have to go: pausing all of them could wait
 * for ever.
 *
 * What goes is the largest connection of the source that holds the most. Were it the largest of all, a client could have
 * others ended by many connections that each hold a little less than theirs.
 */
export class MemoryBudget<T extends Holder> {
  readonly #limit: number;
  readonly #holders: () => Iterable<T>;
  readonly #sourceOf: (holder: T) => unknown;
  readonly #evict: (holder: T) => void;
  #total = 0;
  #isSettling = false;

  /** `sourceOf` says what counts as one source; holders without one are each by themselves. */
  constructor(
    limit: number,
    holders: () => Iterable<T>,
    sourceOf: (holder: T) => unknown,
    evict: (holder: T) => void,
  ) {
    this.#limit = limit;
    this.#holders = holders;
    this.#sourceOf = sourceOf;
    this.#evict = evict;
  }

  /** Bytes held, as last reported. */
  get total(): number {
    return this.#total;
  }

  /** A holder holds `change` bytes more than it said before. */
  charge(change: number): void {
    this.#total += change;
    if (this.#total <= this.#limit || this.#isSettling) return;
    this.#isSettling = true;
    try {
      this.#settle();
    } finally {
      this.#isSettling = false;
    }
  }

  /** Memory released since the last report is counted before a connection is ended. One may hold little: then more go. */
  #settle(): void {
    const sources = this.#bySource();
    let total = 0;
    for (const { held } of sources) total += held;
    while (total > this.#limit) {
      const source = largest(sources, ({ held }) => held);
      if (source === undefined) return;
      const holder = largest(source.holders, ({ buffered }) => buffered);
      if (holder === undefined) return;
      const { buffered } = holder;
      source.holders.delete(holder);
      source.held -= buffered;
      total -= buffered;
      this.#evict(holder);
    }
  }

  #bySource(): Source<T>[] {
    const sources = new Map<unknown, Source<T>>();
    for (const holder of this.#holders()) {
      const { buffered } = holder;
      if (buffered === 0) continue;
      const key = this.#sourceOf(holder) ?? holder;
      const source = sources.get(key) ?? { held: 0, holders: new Set() };
      source.held += buffered;
      source.holders.add(holder);
      sources.set(key, source);
    }
    return [...sources.values()];
  }
}

/** What one source holds. */
interface Source<T> {
  held: number;
  readonly holders: Set<T>;
}

function largest<Item>(items: Iterable<Item>, sizeOf: (item: Item) => number): Item | undefined {
  let found: Item | undefined;
  let max = 0;
  for (const item of items) {
    const size = sizeOf(item);
    if (size > max) [found, max] = [item, size];
  }
  return found;
}
