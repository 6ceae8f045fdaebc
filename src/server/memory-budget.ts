/** Something that holds memory on behalf of a peer. */
export interface Holder {
  /** Bytes held now. */
  readonly buffered: number;
}

/**
 * Bounds what all connections of a server hold together. Beyond the limit the one that holds the most has to go:
 * pausing all of them could wait for ever.
 */
export class MemoryBudget<T extends Holder> {
  readonly #limit: number;
  readonly #holders: () => Iterable<T>;
  readonly #evict: (holder: T) => void;
  #total = 0;

  constructor(limit: number, holders: () => Iterable<T>, evict: (holder: T) => void) {
    this.#limit = limit;
    this.#holders = holders;
    this.#evict = evict;
  }

  /** Bytes held, as last reported. */
  get total(): number {
    return this.#total;
  }

  /** A holder holds `change` bytes more than it said before. */
  charge(change: number): void {
    this.#total += change;
    if (this.#total > this.#limit) this.#settle();
  }

  /** Memory released since the last report is counted before a connection is ended. */
  #settle(): void {
    let largest: T | undefined;
    let total = 0;
    for (const holder of this.#holders()) {
      total += holder.buffered;
      if (largest === undefined || holder.buffered > largest.buffered) largest = holder;
    }
    if (largest === undefined || total <= this.#limit) return;
    this.#evict(largest);
  }
}
