/** From so many on the places of those that were taken are given up, once they are half of all. */
const TIDY_AFTER = 1024;

/** First in, first out. Taking one does not move the others, as `shift` of an array does: a peer may send a million. */
export class Queue<Item> {
  #items: (Item | undefined)[] = [];
  #at = 0;

  get count(): number {
    return this.#items.length - this.#at;
  }

  /** The next one, which stays. */
  get first(): Item | undefined {
    return this.#items[this.#at];
  }

  push(item: Item): void {
    this.#items.push(item);
  }

  take(): Item | undefined {
    const item = this.first;
    if (this.count === 0) return item;
    // its place may stay for long; what it holds must not
    this.#items[this.#at++] = undefined;
    if (this.count === 0) this.clear();
    else if (this.#at >= TIDY_AFTER && this.#at >= this.count) {
      this.#items = this.#items.slice(this.#at);
      this.#at = 0;
    }
    return item;
  }

  clear(): void {
    this.#items = [];
    this.#at = 0;
  }
}
