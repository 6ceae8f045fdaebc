import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './pack.js';

/** What runs JavaScript. */
export interface Runtime {
  readonly name: 'Node' | 'Bun' | 'Deno' | 'workerd';
  /** The program, and what it is given before a script. */
  readonly command: readonly [string, ...string[]];
  /** Why it cannot be run here, if it cannot. */
  readonly problem: string | undefined;
}

const packages = join(root, 'runtimes/node_modules');

/** The Node that runs the tests, and the others as `runtimes/package-lock.json` has them. */
export const runtimes: Readonly<Record<'Node' | 'Bun' | 'Deno', Runtime>> = {
  Node: { name: 'Node', command: [process.execPath], problem: undefined },
  Bun: find('Bun', '@oven', 'bin/bun', []),
  Deno: find('Deno', '@deno', 'deno', ['run', '--allow-all']),
};

/** The runtime of Cloudflare's Workers, which takes a configuration and no script. */
export const workerd: Runtime = find('workerd', '@cloudflare', 'bin/workerd', []);

/** Whether a runtime that is not installed is a failure and not a reason to skip. */
export const runtimesAreRequired = Boolean(process.env.REQUIRE_RUNTIMES);

/**
 * The binaries are in packages of their own, one for each platform, of which npm installs what may fit; the scripts with
 * which `bun`, `deno` and `workerd` put them in place are not needed.
 */
function find(
  name: Exclude<Runtime['name'], 'Node'>,
  scope: string,
  path: string,
  options: readonly string[],
): Runtime {
  const folder = join(packages, scope);
  const candidates = existsSync(folder) ? readdirSync(folder) : [];
  const suffix = process.platform === 'win32' ? '.exe' : '';
  const files = candidates.map((each) => join(folder, each, `${path}${suffix}`));
  const file = files.find((each) => spawnSync(each, ['--version']).status === 0);
  const problem = `${name} is not installed: npm ci --prefix runtimes --ignore-scripts`;
  return { name, command: [file ?? name, ...options], problem: file === undefined ? problem : undefined };
}
