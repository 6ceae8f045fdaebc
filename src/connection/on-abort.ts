/**
 * Calls `listener` once, when the signal aborts; returns how not to be called any more. Each call brings a function of
 * its own.
 *
 * All that wait on a signal share one listener of it, which is removed while nothing waits. A signal may live as long as
 * the process, platforms add a listener by comparing it with all there are, and Node takes eleven of them for a leak.
 */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  let shared = sharedBy.get(signal);
  if (shared === undefined) {
    shared = new SharedListener(signal);
    sharedBy.set(signal, shared);
  }
  return shared.add(listener);
}

const sharedBy = new WeakMap<AbortSignal, SharedListener>();

class SharedListener {
  readonly #signal: AbortSignal;
  /** In the order in which they came. */
  #listeners = new Set<() => void>();

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  add(listener: () => void): () => void {
    const listeners = this.#listeners;
    if (listeners.size === 0) this.#signal.addEventListener('abort', this.#abort);
    listeners.add(listener);
    return () => {
      if (!listeners.delete(listener) || listeners !== this.#listeners || listeners.size > 0) return;
      this.#signal.removeEventListener('abort', this.#abort);
    };
  }

  readonly #abort = (): void => {
    const listeners = this.#listeners;
    // one that is added from now on is not for this abort
    this.#listeners = new Set();
    this.#signal.removeEventListener('abort', this.#abort);
    for (const listener of listeners) {
      listeners.delete(listener);
      callAlone(listener);
    }
  };
}

/** What one throws is reported as by the platform, and does not keep the signal from the others. */
function callAlone(listener: () => void): void {
  try {
    listener();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
