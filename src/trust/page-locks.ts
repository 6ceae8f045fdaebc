import { SecureSocketError } from '../errors.js';
import type { LineStore } from './line-store.js';

/** As much of `navigator.locks` as is used here. */
interface Locks {
  request(name: string, options: { signal: AbortSignal }, run: () => Promise<void>): Promise<unknown>;
}

/** Milliseconds. Another page is done long before, or it is stuck. */
const TIMEOUT = 10_000;
/**
 * Milliseconds for which the lock is kept after a task, whose caller has its result by then. Browsers pass on what one of
 * their processes has stored to the others a moment later, by another way than the lock: without this two pages of
 * Chromium that added sixty lines each lost one to six of them.
 */
const SETTLE = 100;

/**
 * Runs a task while no other page of this origin runs one under the same name, where the platform has Web Locks: a text
 * that is loaded and saved whole would lose what another page adds in between.
 */
export function amongPages(name: string): LineStore['runExclusive'] {
  return (task) => {
    const { locks } = (globalThis as { readonly navigator?: { readonly locks?: Locks } }).navigator ?? {};
    return locks === undefined ? task() : underLock(locks, `secure-sockets: ${name}`, task);
  };
}

function underLock<Result>(locks: Locks, name: string, task: () => Promise<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    const waiting = new AbortController();
    const timer = setTimeout(() => waiting.abort(isBusy()), TIMEOUT);
    let hasBegun = false;
    const run = async (): Promise<void> => {
      hasBegun = true;
      clearTimeout(timer);
      await task().then(resolve, reject);
      await new Promise<void>((settled) => setTimeout(settled, SETTLE));
    };
    locks.request(name, { signal: waiting.signal }, run).catch((error: unknown) => {
      clearTimeout(timer);
      if (waiting.signal.aborted) reject(error);
      // a page in a sandbox has no locks, and shares no storage either
      else if (!hasBegun) task().then(resolve, reject);
    });
  });
}

function isBusy(): SecureSocketError {
  return new SecureSocketError(
    'BUSY',
    `another page of this site has been changing the known hosts for ${TIMEOUT} ms: close it, or try again`,
  );
}
