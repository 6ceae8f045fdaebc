import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { type Outcome, outcomeOf, root } from './pack.js';

const { PYTHON, REQUIRE_PYTHON } = process.env;
// Debian installs its packages for its own interpreter, which need not be the first python3 on PATH.
const python = PYTHON ?? (existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3');

/** Whether a missing library is a failure and not a reason to skip. */
export const pythonIsRequired: boolean = Boolean(REQUIRE_PYTHON);

/** Why the Python peers of classic cannot run here, if they cannot. */
export const pythonProblem: string | undefined = probe(
  'rsa, Cryptodome',
  'python3-rsa, python3-pycryptodome',
);

/** Why the Python peer of sealed cannot run here, if it cannot. */
export const sealedPythonProblem: string | undefined = probe('cryptography', 'python3-cryptography');

/** Runs a script of `test/interop` to its end. */
export function runPython(script: string, ...args: string[]): Promise<Outcome> {
  return outcomeOf(spawnPython(script, args));
}

/** A script of `test/interop` that has said it is ready. */
export interface PythonPeer<T> {
  /** The JSON it printed first. */
  readonly ready: T;
  /** The JSON of the next line that it prints. */
  next<U>(): Promise<U>;
  /** Ends its standard input, and waits for its end. */
  stop(): Promise<Outcome>;
  /** Ends one that would run for ever. */
  kill(): Promise<Outcome>;
}

/** Starts a script that runs until its standard input ends, and reads its first line. */
export async function startPython<T>(script: string, ...args: string[]): Promise<PythonPeer<T>> {
  const child = spawnPython(script, args);
  const outcome = outcomeOf(child, 120_000);
  const lines = createInterface({ input: child.stdout as Readable })[Symbol.asyncIterator]();
  const next = async <U>(): Promise<U> => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${script} printed no more: ${(await outcome).stderr}`);
    return JSON.parse(value) as U;
  };
  return {
    ready: await next<T>(),
    next,
    stop: () => {
      child.stdin?.end();
      return outcome;
    },
    kill: () => {
      child.kill('SIGKILL');
      return outcome;
    },
  };
}

/** Starts a script of `test/interop`, or any other of which the whole path is given; `sealed.py` can be imported. */
export function spawnPython(script: string, args: readonly string[] = []): ChildProcess {
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1', PYTHONPATH: join(root, 'examples/python') };
  return spawn(python, ['-u', resolve(root, 'test/interop', script), ...args], { env });
}

function probe(modules: string, packages: string): string | undefined {
  const { status, stderr, error } = spawnSync(python, ['-c', `import ${modules}`], { encoding: 'utf8' });
  if (status === 0) return undefined;
  const reason = error?.message ?? stderr.trim().split('\n').at(-1);
  return `${python} lacks what the Python peers need (Debian: ${packages}): ${reason}`;
}
