import { Interrupted } from './failure.js';

/** What a command may take after SIGTERM beside the time it gives its connections, in milliseconds. */
const LAST_RESORT = 5000;

/**
 * Aborts, with {@link Interrupted}, at the first SIGINT or SIGTERM. A second one kills the process as it always does, and
 * so does the first if the process still runs after `grace` milliseconds and five seconds: nothing that no one reads or
 * answers, such as a pipe to a program that stands still, may keep it.
 */
export function stopSignal(grace = 0): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => {
      // by the signal: process.exit() would wait for a write that is stuck
      setTimeout(() => process.kill(process.pid, name), grace + LAST_RESORT).unref();
      controller.abort(new Interrupted(name));
    });
  }
  return controller.signal;
}

/** A service outlives the terminal it was started from, and is not ended by those who send SIGHUP to have files read again. */
export function ignoreHangup(): void {
  process.on('SIGHUP', () => {});
}
