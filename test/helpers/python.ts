import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { finished, type Outcome, root } from './pack.js';

const { PYTHON, REQUIRE_PYTHON } = process.env;
// Debian installs its packages for its own interpreter, which need not be the first python3 on PATH.
const python = PYTHON ?? (existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3');

/** Whether a missing library is a failure and not a reason to skip. */
export const pythonIsRequired: boolean = Boolean(REQUIRE_PYTHON);

/** Why the Python peers cannot run here, if they cannot. */
export const pythonProblem: string | undefined = probe();

/** Runs a script of `test/interop` to its end. */
export function runPython(script: string, ...args: string[]): Promise<Outcome> {
  return finished(spawnPython(script, args));
}

/** A script of `test/interop` that has said it is ready. */
export interface PythonPeer<T> {
  /** The JSON it printed first. */
  readonly ready: T;
  /** Ends its standard input, and waits for its end. */
  stop(): Promise<Outcome>;
}

/** Starts a script that runs until its standard input ends, and reads its first line. */
export async function startPython<T>(script: string, ...args: string[]): Promise<PythonPeer<T>> {
  const child = spawnPython(script, args);
  const outcome = finished(child, 120_000);
  const line = await firstLine(child);
  if (line === undefined) throw new Error(`${script} printed nothing: ${(await outcome).stderr}`);
  return {
    ready: JSON.parse(line) as T,
    stop: () => {
      child.stdin?.end();
      return outcome;
    },
  };
}

/** Starts a script of `test/interop`. */
export function spawnPython(script: string, args: readonly string[]): ChildProcess {
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1' };
  return spawn(python, [join(root, 'test/interop', script), ...args], { env });
}

async function firstLine({ stdout }: ChildProcess): Promise<string | undefined> {
  if (!stdout) return undefined;
  for await (const line of createInterface({ input: stdout })) return line;
  return undefined;
}

function probe(): string | undefined {
  const { status, stderr, error } = spawnSync(python, ['-c', 'import rsa, Cryptodome'], { encoding: 'utf8' });
  if (status === 0) return undefined;
  const reason = error?.message ?? stderr.trim().split('\n').at(-1);
  return `${python} lacks what the Python peers need (Debian: python3-rsa, python3-pycryptodome): ${reason}`;
}
