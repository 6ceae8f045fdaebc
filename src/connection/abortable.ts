import { onAbort } from './on-abort.js';

/**
 * The promise, unless the signal comes first: then `giveUp` is called and the result rejects with the signal's reason.
 * How the promise settles after that is ignored.
 */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal, giveUp?: () => void): Promise<T> {
  promise.catch(() => {});
  if (signal.aborted) {
    giveUp?.();
    return Promise.reject(signal.reason);
  }
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      giveUp?.();
      reject(signal.reason);
    };
    const stop = onAbort(signal, abort);
    const settle = <Value>(act: (value: Value) => void): ((value: Value) => void) => {
      return (value) => {
        stop();
        act(value);
      };
    };
    promise.then(settle(resolve), settle(reject));
  });
}
