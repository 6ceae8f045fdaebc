/** From so many chunks on the places of those that were taken are given up, once they are half of all. */
const TIDY_AFTER = 1024;

/** Chunks in their order. Taking one does not move the others, as `shift` does: a peer may send a million of them. */
export class ChunkQueue {
  #chunks: Uint8Array[] = [];
  #next = 0;
  #bytes = 0;

  get count(): number {
    return this.#chunks.length - this.#next;
  }

  /** All of them together. */
  get bytes(): number {
    return this.#bytes;
  }

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
  }

  take(): Uint8Array | undefined {
    const chunk = this.#chunks[this.#next];
    if (chunk === undefined) return undefined;
    this.#next++;
    this.#bytes -= chunk.length;
    if (this.count === 0) this.clear();
    else if (this.#next >= TIDY_AFTER && this.#next >= this.count) {
      this.#chunks = this.#chunks.slice(this.#next);
      this.#next = 0;
    }
    return chunk;
  }

  clear(): void {
    this.#chunks = [];
    this.#next = 0;
    this.#bytes = 0;
  }
}
