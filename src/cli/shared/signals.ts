import { explainAnything, Interrupted } from './failure.js';
import type { Report } from './output.js';

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

/** Resolves when a signal has aborted. */
export function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/**
 * SIGHUP, which tells a service to read its files again. It never ends the process: a service outlives the terminal it
 * was started from.
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

  /** How the files are read again; done at once if it was asked for before. */
  begin(reload: () => Promise<void>): void {
    this.#reload = reload;
    void this.#run();
  }

  /** One at a time; what is asked for meanwhile is done afterwards, once. */
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

/** Reads files again, and says so, or why nothing has changed. */
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
