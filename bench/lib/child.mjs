import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const endpoint = fileURLToPath(new URL('endpoint.mjs', import.meta.url));

/** A child process that performs tasks one after the other, in any version of Node. */
export class Child {
  #process;
  #pending;
  #failure;
  #stderr = '';

  constructor({ node = process.execPath, nodeArguments = [] } = {}) {
    this.#process = fork(endpoint, [], {
      execPath: node,
      execArgv: ['--expose-gc', '--no-warnings', ...nodeArguments],
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    });
    this.#process.stderr.on('data', (text) => {
      this.#stderr = (this.#stderr + text).slice(-10_000);
    });
    this.#process.on('message', ({ result, failure }) =>
      failure ? this.#fail(reviveError(failure)) : this.#pending?.resolve(result),
    );
    this.#process.on('error', (error) => this.#fail(error));
    this.#process.on('exit', (code, signal) =>
      this.#fail(new Error(`the process ended (${signal ?? code}): ${this.#stderr}`)),
    );
  }

  /** Resolves to the task's result. Rejects if it fails, or if anything else in the process failed before. */
  async do(deed, details, timeout = 120_000) {
    if (this.#failure) throw this.#failure;
    const settled = new Promise((resolve, reject) => {
      this.#pending = { resolve, reject };
    });
    const timer = setTimeout(() => this.#fail(new Error(`no answer to ${deed} in ${timeout} ms`)), timeout);
    this.#process.send({ deed, details });
    try {
      return await settled;
    } finally {
      clearTimeout(timer);
      this.#pending = undefined;
    }
  }

  /** With profiling, the process needs time to write the profile. */
  async end() {
    const { exitCode, signalCode, connected } = this.#process;
    if (exitCode !== null || signalCode !== null) return;
    this.#pending = undefined;
    const gone = once(this.#process, 'exit');
    if (connected) this.#process.disconnect();
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), 5000);
    await gone;
    clearTimeout(timer);
  }

  #fail(error) {
    this.#failure ??= error;
    this.#pending?.reject(this.#failure);
  }
}

function reviveError({ message, code, stack }) {
  return Object.assign(new Error(code && !message.includes(code) ? `${code}: ${message}` : message), {
    stack,
  });
}
