// This package on Node, Bun and Deno, both ends in one process: node bench/runtimes.mjs --help
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { positive, readArguments } from './lib/arguments.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const usage = `Usage: node bench/runtimes.mjs [options]

  --rounds N       how often each is measured, in turns (default 3)
  --megabytes N    what is sent, in messages of 64 KiB (default 1000)
  --connections N  opened one after the other (default 200)

Prints a table in Markdown: the median of the rounds, and half of their range. Needs npm ci --prefix runtimes --ignore-scripts.`;

const values = readArguments(usage, {
  rounds: { type: 'string', default: '3' },
  megabytes: { type: 'string', default: '1000' },
  connections: { type: 'string', default: '200' },
});
for (const name of ['rounds', 'megabytes', 'connections']) positive(name, values[name]);
main();

function main() {
  const runtimes = [['Node', process.execPath, []], find('Bun', '@oven', 'bin/bun', [])];
  runtimes.push(find('Deno', '@deno', 'deno', ['run', '--allow-all']));
  const rows = runtimes.flatMap(([name, file, options]) =>
    ['node', 'sodium'].map((backend) => ({ name, file, options, backend, results: [] })),
  );
  const folder = mkdtempSync(join(tmpdir(), 'secure-sockets-bench-'));
  const key = join(folder, 'key.pem');
  try {
    execFileSync(process.execPath, [join(root, 'dist/cli.js'), 'keygen', '--bits', '2048', '-o', key]);
    for (let round = 0; round < Number(values.rounds); round++)
      for (const row of rows) row.results.push(measure(row, key));
  } finally {
    rmSync(folder, { recursive: true });
  }
  report(rows);
}

function find(name, scope, path, options) {
  const folder = join(root, 'runtimes/node_modules', scope);
  const files = existsSync(folder) ? readdirSync(folder).map((each) => join(folder, each, path)) : [];
  const file = files.find((each) => spawnSync(each, ['--version']).status === 0);
  if (file === undefined)
    throw new Error(`${name} is not installed: npm ci --prefix runtimes --ignore-scripts`);
  return [name, file, options];
}

function measure({ file, options, backend }, key) {
  const work = join(root, 'bench/lib/runtime-work.mjs');
  const args = [...options, work, backend, values.megabytes, values.connections, key];
  const env = { ...process.env, DENO_NO_UPDATE_CHECK: '1' };
  return JSON.parse(
    execFileSync(file, args, { cwd: root, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
  );
}

function report(rows) {
  console.log(`${cpus().length} x ${cpus()[0].model}, ${new Date().toISOString().slice(0, 10)}\n`);
  console.log('| runtime | backend | suite | MB/s | connections/s |\n| --- | --- | --- | --- | --- |');
  for (const { name, file, backend, results } of rows) {
    const [, version] = /(\d+\.\d+\.\d+)/.exec(execFileSync(file, ['--version'], { encoding: 'utf8' }));
    const figures = ['throughput', 'connections'].map((what) => spread(results.map((each) => each[what])));
    console.log(`| ${name} ${version} | ${backend} | ${results[0].suite} | ${figures.join(' | ')} |`);
  }
}

function spread(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted[sorted.length >> 1];
  return `${Math.round(middle)} ± ${Math.round((sorted.at(-1) - sorted[0]) / 2)}`;
}
