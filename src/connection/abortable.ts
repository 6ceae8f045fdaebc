/**
 * The promise, unless the signal comes first: then `onAbort` is called and the result rejects with the signal's reason.
 * How the promise settles after that is ignored.
 */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal, onAbort?: () => void): Promise<T> {
  promise.catch(() => {});
  if (signal.aborted) {
    onAbort?.();
    return Promise.reject(signal.reason);
  }
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      onAbort?.();
      reject(signal.reason);
    };
    const settle = <Value>(act: (value: Value) => void): ((value: Value) => void) => {
      return (value) => {
        signal.removeEventListener('abort', abort);
        act(value);
      };
    };
    signal.addEventListener('abort', abort, { once: true });
    promise.then(settle(resolve), settle(reject));
  });
}
