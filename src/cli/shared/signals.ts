import { explainAnything, Interrupted } from './failure.js';
import type { Report } from './output.js';

/** How long a command may take after SIGTERM in addition to the time for its connections, in milliseconds. */
const LAST_RESORT = 5000;

/**
 * Aborts, with {@link Interrupted}, at the first SIGINT or SIGTERM. A second one kills the process, and so does the
 * first if the process still runs after `grace` milliseconds and five seconds: a blocked write, such as to a pipe of
 * a stopped program, must not keep it running.
 */
export function stopSignal(grace = 0): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => {
      // by the signal: process.exit() would wait for a blocked write
      setTimeout(() => process.kill(process.pid, name), grace + LAST_RESORT).unref();
      controller.abort(new Interrupted(name));
    });
  }
  return controller.signal;
}

/** Resolves when a signal aborts. */
export function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/**
 * SIGHUP makes a service read its files again. It never ends the process: a service outlives the terminal that
 * started it.
 */
export class Hangup {
  readonly #report: Report;
  #reload: (() => Promise<void>) | undefined;
  #isAsked = false;
  #isReloading = false;

  constructor(report: Report) {
    this.#report = report;
    process.on('SIGHUP', () => {
      this.#isAsked = true;
      void this.#run();
    });
  }

  /** Sets the function that reads the files again; calls it at once if a signal came before. */
  begin(reload: () => Promise<void>): void {
    this.#reload = reload;
    void this.#run();
  }

  /** One at a time; signals that come meanwhile cause one more reload afterwards. */
  async #run(): Promise<void> {
    if (this.#reload === undefined || this.#isReloading) return;
    this.#isReloading = true;
    while (this.#isAsked) {
      this.#isAsked = false;
      await reloadReported(this.#reload, this.#report);
    }
    this.#isReloading = false;
  }
}

/** Reads files again and reports that, or why nothing has changed. */
export async function reloadReported(reload: () => Promise<void>, report: Report): Promise<void> {
  try {
    await reload();
    report.event('reloaded', 'read the files again');
  } catch (error) {
    const { message, code, hints } = explainAnything(error);
    const text = [`warning: nothing has changed: ${message}`, ...hints.map((hint) => `hint: ${hint}`)];
    report.event('warning', text.join('\n'), { code, message: `nothing has changed: ${message}`, hints });
  }
}
