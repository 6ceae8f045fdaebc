// Runs tests inside of Bun and Deno: npm run test:runtimes -- --help
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from './lib/consumer-project.mjs';

const usage = `Usage: npm run test:runtimes -- [options] [vitest argument...]

  --only NAME       bun or deno alone
  --report FOLDER   writes bun-report.json and deno-report.json there

Installs runtimes/package-lock.json, which has both, if that is not done yet. Which tests: vitest.runtimes.config.ts.`;
const runtimes = {
  bun: { package: '@oven', path: 'bin/bun', options: ['--bun'] },
  deno: { package: '@deno', path: 'deno', options: ['run', '--allow-all'] },
};

const { values, positionals } = parseArgs({
  options: { only: { type: 'string' }, report: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  allowPositionals: true,
});
if (values.help) console.log(usage);
else main();

function main() {
  const names = values.only === undefined ? Object.keys(runtimes) : [values.only];
  const unknown = names.find((name) => !(name in runtimes));
  if (unknown !== undefined) throw new Error(`there is no runtime ${unknown}\n\n${usage}`);
  install();
  const failed = names.filter((name) => !test(name));
  if (failed.length > 0) console.error(`failed on ${failed.join(' and ')}`);
  process.exitCode = failed.length > 0 ? 1 : 0;
}

/** Without the packages' scripts, which put the binaries in another place. */
function install() {
  if (existsSync(join(root, 'runtimes/node_modules'))) return;
  const args = ['ci', '--prefix', 'runtimes', '--ignore-scripts', '--no-fund', '--no-audit'];
  const shell = process.platform === 'win32';
  const { status, error } = spawnSync('npm', args, { cwd: root, stdio: 'inherit', shell });
  if (error) throw error;
  if (status !== 0) throw new Error(`npm ${args.join(' ')} failed with exit code ${status}`);
}

function test(name) {
  const reporters = ['--reporter=default'];
  if (values.report !== undefined)
    reporters.push('--reporter=json', `--outputFile.json=${join(values.report, `${name}-report.json`)}`);
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const args = ['run', '--config', 'vitest.runtimes.config.ts', ...reporters, ...positionals];
  console.log(`\n${name}`);
  const { status, error } = spawnSync(binaryOf(name), [...runtimes[name].options, vitest, ...args], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, EXPECTED_RUNTIME: name, DENO_NO_UPDATE_CHECK: '1' },
  });
  if (error) throw error;
  return status === 0;
}

/** Of the packages for several platforms, the one that npm found to fit and that runs. */
function binaryOf(name) {
  const { package: scope, path } = runtimes[name];
  const folder = join(root, 'runtimes/node_modules', scope);
  const suffix = process.platform === 'win32' ? '.exe' : '';
  const files = readdirSync(folder).map((each) => join(folder, each, `${path}${suffix}`));
  const file = files.find((each) => spawnSync(each, ['--version']).status === 0);
  if (file === undefined) throw new Error(`no package in ${folder} has a binary that runs here`);
  return file;
}
