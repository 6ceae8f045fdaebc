import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = new URL('../third-party/', import.meta.url);

/** Installs the packages, none of which needs its scripts, for comparison and for drawing in their own folder, if missing. */
export function installThirdParty() {
  const wanted = new URL('package-lock.json', folder);
  const installed = new URL('node_modules/.package-lock.json', folder);
  if (existsSync(installed) && versionsIn(installed, versionsIn(wanted))) return;
  console.error('installing what is compared with: npm ci in bench/third-party');
  const { status, error } = spawnSync('npm', ['ci', '--ignore-scripts', '--no-fund', '--no-audit'], {
    cwd: fileURLToPath(folder),
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32',
  });
  // a missing package is reported as a contender that cannot be loaded, with the reason
  if (error || status !== 0) console.error(`npm ci failed: ${error?.message ?? `exit code ${status}`}`);
}

/** The installed version of a package, or `undefined`. */
export function thirdPartyVersion(name) {
  const file = new URL(`node_modules/${name}/package.json`, folder);
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).version : undefined;
}

function versionsIn(file, wanted) {
  const { packages } = JSON.parse(readFileSync(file, 'utf8'));
  const versions = new Map(
    Object.entries(packages)
      .filter(([path]) => path !== '')
      .map(([path, { version, optional }]) => [path, optional ? undefined : version]),
  );
  if (wanted === undefined) return versions;
  return [...wanted].every(([path, version]) => version === undefined || versions.get(path) === version);
}
