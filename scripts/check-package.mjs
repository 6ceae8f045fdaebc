// The packed package, as tools see it: npm run check:package. It is packed into a folder of its own, since npm sets
// npm_config_dry_run for the scripts that run before `npm publish --dry-run`, and a dry run packs nothing.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readArguments } from './lib/arguments.mjs';

readArguments('Usage: npm run check:package');
const { npm_config_dry_run: _, ...env } = process.env;
const folder = mkdtempSync(join(tmpdir(), 'secure-sockets-package-'));
try {
  run('npx', 'publint', '--strict');
  run('npm', 'pack', '--silent', '--pack-destination', folder);
  const [tarball] = readdirSync(folder);
  // the declarations for require() are CommonJS, the module is not: require() gives the same names, and there is no
  // default export that would differ
  const rules = ['--profile', 'esm-only', '--ignore-rules', 'false-cjs'];
  run('npx', 'attw', join(folder, tarball), ...rules, '-q');
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function run(command, ...given) {
  const { status, error } = spawnSync(command, given, {
    stdio: 'inherit',
    env,
    shell: process.platform === 'win32',
  });
  if (error) throw error;
  if (status === 0) return;
  console.error(`${command} ${given.join(' ')} failed with exit code ${status}`);
  process.exitCode = 1;
}
