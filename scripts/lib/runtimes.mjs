// Bun and Deno, of runtimes/package-lock.json.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './root.mjs';
import { run } from './run.mjs';

/** Where the packages have their binaries, and what those are given before a script. */
export const runtimes = {
  bun: { package: '@oven', path: 'bin/bun', options: ['--bun'] },
  deno: { package: '@deno', path: 'deno', options: ['run', '--allow-all'] },
};

/** Without the packages' scripts, which put the binaries in another place. Does nothing if it has been done. */
export function installRuntimes() {
  if (existsSync(join(root, 'runtimes/node_modules'))) return;
  run(root, 'npm', 'ci', '--prefix', 'runtimes', '--ignore-scripts', '--no-fund', '--no-audit');
}

/** Of the packages for several platforms, the one that npm found to fit and that runs. */
export function binaryOf(name) {
  const { package: scope, path } = runtimes[name];
  const folder = join(root, 'runtimes/node_modules', scope);
  const suffix = process.platform === 'win32' ? '.exe' : '';
  const files = readdirSync(folder).map((each) => join(folder, each, `${path}${suffix}`));
  const file = files.find((each) => spawnSync(each, ['--version']).status === 0);
  if (file === undefined) throw new Error(`no package in ${folder} has a binary that runs here`);
  return file;
}
