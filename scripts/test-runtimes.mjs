// Runs tests inside of Bun and Deno: npm run test:runtimes -- --help
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { readArguments } from './lib/arguments.mjs';
import { root } from './lib/root.mjs';
import { binaryOf, installRuntimes, runtimes } from './lib/runtimes.mjs';

const usage = `Usage: npm run test:runtimes -- [options] [vitest argument...]

  --only NAME       bun or deno alone
  --report FOLDER   writes bun-report.json and deno-report.json there

Both run at the same time, each in one process, and their lines begin with their names. Installs
runtimes/package-lock.json, which has both, if that is not done yet. Which tests: vitest.runtimes.config.ts.`;

const { values, positionals } = readArguments(
  usage,
  { only: { type: 'string' }, report: { type: 'string' } },
  true,
);
await main();

async function main() {
  const names = values.only === undefined ? Object.keys(runtimes) : [values.only];
  const unknown = names.find((name) => !(name in runtimes));
  if (unknown !== undefined) throw new Error(`there is no runtime ${unknown}\n\n${usage}`);
  installRuntimes();
  const passed = await Promise.all(names.map(test));
  const failed = names.filter((_, i) => !passed[i]);
  if (failed.length > 0) console.error(`failed on ${failed.join(' and ')}`);
  process.exitCode = failed.length > 0 ? 1 : 0;
}

async function test(name) {
  const reporters = ['--reporter=default'];
  if (values.report !== undefined)
    reporters.push('--reporter=json', `--outputFile.json=${join(values.report, `${name}-report.json`)}`);
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const args = ['run', '--config', 'vitest.runtimes.config.ts', ...reporters, ...positionals];
  const child = spawn(binaryOf(name), [...runtimes[name].options, vitest, ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, EXPECTED_RUNTIME: name, DENO_NO_UPDATE_CHECK: '1' },
  });
  for (const output of [child.stdout, child.stderr])
    createInterface({ input: output }).on('line', (line) => console.log(`${name}: ${line}`));
  const [status] = await once(child, 'close');
  return status === 0;
}
