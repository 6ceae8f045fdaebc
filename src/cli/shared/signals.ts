import { Interrupted } from './failure.js';

/** Aborts, with {@link Interrupted}, at the first SIGINT or SIGTERM. A second one kills the process as it always does. */
export function stopSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => controller.abort(new Interrupted(name)));
  }
  return controller.signal;
}
