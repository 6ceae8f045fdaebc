// Records every benchmark and writes the pages of docs/benchmarks, on a quiet machine: npm run bench:record -- --help
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { positive, readArguments } from './lib/arguments.mjs';

const usage = `Usage: npm run bench:record -- [OPTIONS]

  --rounds N          how often bench:peers makes each measurement (3)
  --duration MS       how long a measurement takes (600)
  --warm-up MS        and how long it is done before (900)

bench:peers takes some 13 minutes on two cores, and the pages are written then; the rest takes 4. Other programs should
rest meanwhile.`;

const given = readArguments(usage, {
  rounds: { type: 'string', default: '3' },
  duration: { type: 'string', default: '600' },
  'warm-up': { type: 'string', default: '900' },
});
const rounds = String(positive('rounds', given.rounds));
const duration = String(positive('duration', given.duration));
const warmUp = String(positive('warm-up', given['warm-up']));

const measuring = ['--rounds', rounds, '--others', '1', '--duration', duration, '--warm-up', warmUp];
// the comparison first, while the machine is quiet for certain; the pages after each, so that a run may be cut short
const programs = [
  ['peers.mjs', ...measuring, '--connections', '2000'],
  ['report.mjs'],
  ['backends.mjs', '--rounds', '1', '--duration', '60', '--connection', duration],
  ['curves.mjs', '--rounds', '1', '--duration', duration],
  ['report.mjs'],
];
const failed = programs.filter(([program, ...options]) => {
  const file = fileURLToPath(new URL(program, import.meta.url));
  console.error(`\n${program} ${options.join(' ')}`);
  return spawnSync(process.execPath, [file, ...options], { stdio: 'inherit' }).status !== 0;
});
for (const [program] of failed)
  console.error(`${program} failed: its part of the pages is the old one, or incomplete`);
process.exitCode = failed.length === 0 ? 0 : 1;
