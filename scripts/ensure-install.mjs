// Makes a fresh clone ready: installs what package-lock.json asks for if it is not there, builds dist/ if it is
// missing or older than its sources. Only Node's own modules, because nothing else is installed yet.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readArguments } from './lib/arguments.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const usage = `Usage: node scripts/ensure-install.mjs [--check]

  --check  only says what would be done, and exits with 1 if that is anything`;
const checkOnly = readArguments(usage, { check: { type: 'boolean', default: false } }).values.check;

ensure(whyInstall(), ['ci', '--no-fund', '--no-audit']);
ensure(whyBuild(), ['run', 'build']);

function ensure(reason, npmArguments) {
  if (reason === undefined) return;
  console.error(`${reason}: npm ${npmArguments.join(' ')}`);
  if (checkOnly) process.exit(1);
  const npm = npmCommand();
  const { status, signal, error } = spawnSync(npm.file, [...npm.first, ...npmArguments], {
    cwd: root,
    stdio: 'inherit',
    shell: npm.shell,
  });
  if (error) throw error;
  if (status !== 0) {
    console.error(`npm ${npmArguments.join(' ')} failed (${signal ?? `exit code ${status}`})`);
    process.exit(status ?? 1);
  }
}

// npm tells the scripts it runs where it is; without that, the one on PATH (a .cmd on Windows, which needs a shell).
function npmCommand() {
  const cli = process.env.npm_execpath;
  if (cli?.endsWith('npm-cli.js')) return { file: process.execPath, first: [cli], shell: false };
  return { file: 'npm', first: [], shell: process.platform === 'win32' };
}

// npm keeps a copy of the lock file beside what it installed. Contents are compared, not times: a clone, a checkout
// and npm itself all write the two files in any order.
function whyInstall() {
  const installedLock = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(installedLock)) return 'node_modules is missing';
  const wanted = readPackages(join(root, 'package-lock.json'));
  const installed = readPackages(installedLock);
  const differs = Object.entries(wanted).find(
    ([path, entry]) => path !== '' && !fits(entry, installed[path]),
  );
  return differs && `${differs[0]} ${differs[1].version} is not installed`;
}

function readPackages(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages;
}

function fits(wanted, installed) {
  if (installed === undefined) return wanted.optional === true || wanted.devOptional === true;
  return installed.version === wanted.version && installed.integrity === wanted.integrity;
}

function whyBuild() {
  const outputs = findExportedFiles();
  const missing = outputs.find((file) => !existsSync(file));
  if (missing) return `${missing.slice(root.length)} is missing`;
  const built = Math.min(...outputs.map((file) => statSync(file).mtimeMs));
  const sources = ['src', 'backends', 'package.json', 'tsconfig.json', 'tsup.config.ts'];
  const newer = sources
    .flatMap((name) => walk(join(root, name)))
    .find((path) => statSync(path).mtimeMs > built);
  return newer && `dist is older than ${newer.slice(root.length)}`;
}

function findExportedFiles() {
  const { exports, bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const names = [...leaves(exports), ...leaves(bin ?? {})].filter((name) => name.startsWith('./dist/'));
  return names.map((name) => join(root, name));
}

function leaves(value) {
  return typeof value === 'string' ? [value] : Object.values(value).flatMap(leaves);
}

// Folders count too: their time tells that a file was removed.
function walk(path) {
  if (!statSync(path).isDirectory()) return [path];
  return [path, ...readdirSync(path).flatMap((name) => walk(join(path, name)))];
}
