import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** The root of this checkout. */
export const root: string = fileURLToPath(new URL('../..', import.meta.url));

const run = promisify(execFile);

/** What a program did. */
export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** An otherwise empty project in a temporary folder, the packed package installed in it. */
export interface Project {
  readonly path: string;
  /** Writes a file, its folders too, and returns its absolute path. */
  write(name: string, text: string): string;
  /** Runs `node` with these arguments in the project and waits for its end; a hung one is killed. */
  node(...args: string[]): Promise<Outcome>;
  remove(): void;
}

/** Packs what is built and installs it, without the network and without the optional peers that are not named. */
export async function installPackage(
  ...optional: ('node-forge' | 'sodium-native' | 'ws')[]
): Promise<Project> {
  const path = mkdtempSync(join(tmpdir(), 'secure-sockets-consumer-'));
  try {
    writeFileSync(join(path, 'package.json'), '{ "name": "consumer", "private": true, "type": "module" }');
    const { filename } = await pack(path);
    // npm copies the dependencies from our own node_modules, so what they say of each other is still checked.
    const folders = dependencies(...optional).map((name) => join(root, 'node_modules', name));
    await npm(
      path,
      'install',
      '--offline',
      '--install-links',
      '--ignore-scripts',
      `./${filename}`,
      ...folders,
    );
  } catch (error) {
    rmSync(path, { recursive: true });
    throw error;
  }
  return {
    path,
    write: (name, text) => writeInto(path, name, text),
    node: (...args) => outcomeOf(spawnNode(path, args)),
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}

/** What `npm pack` says of the tarball that it wrote. */
export interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string; readonly size: number }[];
}

/** Packs what is built into a folder. Throws if that is not what the sources say. */
export async function pack(into: string): Promise<Packed> {
  await requireBuild();
  const json = await npm(root, 'pack', '--ignore-scripts', '--json', '--pack-destination', into);
  const [packed] = JSON.parse(json) as Packed[];
  if (packed === undefined) throw new Error(`npm pack packed nothing: ${json}`);
  return packed;
}

/** Starts `node`, its home directory being `folder`, so that nothing of the user's is read or written. */
export function spawnNode(folder: string, args: readonly string[]): ChildProcess {
  const { NODE_OPTIONS: _, ...env } = process.env;
  return spawn(process.execPath, args, {
    cwd: folder,
    env: { ...env, HOME: folder, USERPROFILE: folder },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
}

/** Waits for the end of a child, collecting its output. After `limit` milliseconds it is killed. */
export async function outcomeOf(child: ChildProcess, limit = 60_000): Promise<Outcome> {
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  const timer = setTimeout(() => child.kill('SIGKILL'), limit);
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (...end) => resolve(end));
  });
  clearTimeout(timer);
  return { code, signal, stdout: stdout(), stderr: stderr() };
}

function collect(stream: Readable | null): () => string {
  const chunks: string[] = [];
  stream?.setEncoding('utf8').on('data', (text: string) => chunks.push(text));
  return () => chunks.join('');
}

let checked: Promise<unknown> | undefined;

// Rejects, with the reason, unless dist is newer than everything it is built from.
export function requireBuild(): Promise<unknown> {
  checked ??= run(process.execPath, [join(root, 'scripts/ensure-install.mjs'), '--check']).catch((cause) => {
    throw new Error(`${String(cause.stderr).trim()} has to be run first`, { cause });
  });
  return checked;
}

function writeInto(folder: string, name: string, text: string): string {
  const file = join(folder, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

async function npm(cwd: string, ...args: string[]): Promise<string> {
  const flags = ['--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error'];
  const { stdout } = await run('npm', [...args, ...flags], { cwd, shell: process.platform === 'win32' });
  return stdout;
}

interface LockEntry {
  readonly dependencies?: Readonly<Record<string, string>>;
}

// The run-time dependencies, optional peers, and what they depend on, all of them at the top of node_modules.
function dependencies(...optional: readonly string[]): string[] {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, LockEntry>;
  };
  const found = new Set(optional);
  const add = (path: string): void => {
    for (const name of Object.keys(lock.packages[path]?.dependencies ?? {})) {
      if (found.has(name)) continue;
      found.add(name);
      add(`node_modules/${name}`);
    }
  };
  add('');
  for (const name of optional) add(`node_modules/${name}`);
  return [...found];
}

/** Ends a program at once, unless it has ended, and waits for that. */
export async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}
