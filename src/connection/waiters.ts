/** A promise that no caller has to wait for: a peer that dies must not end a program that does not. */
export function ignoreRejection<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/** No stream is as long. */
const NOWHERE = Number.POSITIVE_INFINITY;

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  /** Where in the stream the waiter's message ends: nowhere yet, until it is encrypted. */
  end: number;
}

/**
 * Callers who wait for the same thing. The owner has to settle them all, also when the thing will never be: no
 * caller is to be left behind with a connection that is gone.
 */
export class Waiters {
  #waiting: Waiter[] = [];

  /** Resolves or rejects with the others. */
  wait(): Promise<void> {
    return ignoreRejection(
      new Promise((resolve, reject) => this.#waiting.push({ resolve, reject, end: NOWHERE })),
    );
  }

  /** Everything of those who have joined since the last call ends here in the stream: they are the last ones. */
  mark(end: number): void {
    for (let i = this.#waiting.length - 1; i >= 0 && this.#waiting[i]?.end === NOWHERE; i--)
      (this.#waiting[i] as Waiter).end = end;
  }

  /** It has come. */
  resolve(): void {
    for (const { resolve } of this.#take()) resolve();
  }

  /** It will never come. Those whose place in the stream was reached have what they wanted. */
  reject(error: unknown, reached = 0): void {
    for (const { resolve, reject, end } of this.#take()) {
      if (end <= reached) resolve();
      else reject(error);
    }
  }

  #take(): Waiter[] {
    const waiting = this.#waiting;
    this.#waiting = [];
    return waiting;
  }
}
