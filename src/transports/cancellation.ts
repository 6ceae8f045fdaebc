/**
 * What ends an attempt to connect from outside: an AbortController in small. A client makes one for each connection and
 * listens to it three times, for which Node's takes longer than all promises of the attempt.
 */
export class Cancellation {
  /** Whether the attempt is to end. */
  isCancelled = false;
  /** Why. */
  reason: unknown;
  readonly #listeners = new Set<(reason: unknown) => void>();

  /** Ends the attempt; the first reason counts. */
  cancel(reason: unknown): void {
    if (this.isCancelled) return;
    this.isCancelled = true;
    this.reason = reason;
    for (const listener of this.#listeners) listener(reason);
  }

  /** Calls `listener` when it is cancelled, at once if it is already. Returns how to be called no more. */
  onCancel(listener: (reason: unknown) => void): () => void {
    if (this.isCancelled) listener(this.reason);
    else this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** The promise, unless this comes first. How it settles after that is ignored. */
  unlessCancelled<Result>(promise: Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      // stays: an attempt has few of them, and is forgotten with them
      this.onCancel(reject);
      promise.then(resolve, reject);
    });
  }
}
