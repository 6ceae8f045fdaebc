import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type Outcome, outcomeOf, root } from '../helpers/pack.js';

/** The command as it was built. */
export const script: string = join(root, 'dist/cli.js');

/** Rejects, with the reason, unless what was built is newer than its sources. */
export async function requireBuild(): Promise<void> {
  const check = [join(root, 'scripts/ensure-install.mjs'), '--check'];
  await promisify(execFile)(process.execPath, check).catch((cause) => {
    throw new Error(`${String(cause.stderr).trim()} has to be run first`, { cause });
  });
}

/** A running `secure-sockets`. */
export interface Running {
  readonly child: ChildProcess;
  /** What it has written to standard error so far. */
  errors(): string;
  /** Waits until standard error has something that matches, and returns the match. */
  until(pattern: RegExp, milliseconds?: number): Promise<RegExpExecArray>;
  /** Sends a signal if it has not ended, and waits for its end. */
  stop(signal?: NodeJS.Signals): Promise<Outcome>;
  /** Waits for its end. */
  readonly ended: Promise<Outcome>;
}

/**
 * Starts the command in a folder which is its home; input stays open, output goes to a descriptor if one is given.
 * `runtime`: what runs it, and its options.
 */
export function start(
  folder: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  stdout: number | 'pipe' = 'pipe',
  [runtime, ...options]: readonly [string, ...string[]] = [process.execPath],
): Running {
  const { NODE_OPTIONS: _, XDG_CONFIG_HOME: __, ...rest } = process.env;
  const child = spawn(runtime, [...options, script, ...args], {
    cwd: folder,
    env: { ...rest, HOME: folder, ...env },
    detached: true,
    stdio: ['pipe', stdout, 'pipe'],
  });
  let errors = '';
  (child.stderr as Readable | null)?.on('data', (text) => {
    errors += String(text);
  });
  const ended = outcomeOf(child, 120_000);
  return {
    child,
    errors: () => errors,
    until: async (pattern, milliseconds = 15_000) => {
      const deadline = Date.now() + milliseconds;
      for (;;) {
        const match = pattern.exec(errors);
        if (match) return match;
        if (child.exitCode !== null || Date.now() > deadline)
          throw new Error(`${args.join(' ')} did not write ${pattern} but:\n${errors}`);
        await sleep(10);
      }
    },
    stop: (signal = 'SIGTERM') => {
      child.kill(signal);
      return ended;
    },
    ended,
  };
}

/** Runs the command to its end. */
export function run(folder: string, ...args: string[]): Promise<Outcome> {
  const running = start(folder, args);
  running.child.stdin?.end();
  return running.ended;
}

/** The port that a running command says it listens on. */
export async function portOf(running: Running): Promise<number> {
  const match = await running.until(/listening(?: at |","address":")[^\n]*?:(\d+)(?:"|,|\n)/);
  return Number(match[1]);
}

/**
 * Whether programs that a test needs are installed. Where they have to be, as `REQUIRE_PROGRAMS` says, one that is
 * missing fails the test.
 */
export function havePrograms(...names: string[]): boolean {
  const missing = names.filter((name) => spawnSync('which', [name]).status !== 0);
  if (missing.length === 0) return true;
  if (process.env.REQUIRE_PROGRAMS) throw new Error(`${missing.join(' and ')} must be installed`);
  console.warn(`SKIPPED: ${missing.join(' and ')} not installed`);
  return false;
}
