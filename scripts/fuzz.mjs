// Runs the fuzz targets for any time: npm run fuzz -- --help
import { readArguments } from './lib/arguments.mjs';
import { runVitest } from './lib/vitest.mjs';

const usage = `Usage: npm run fuzz -- [options]

  --seconds N    how long, all targets together (3600)
  --target NAME  one target only, by its name in test/fuzz
  --seed N       repeats a run (chosen anew each time)
  --keep         replaces test/fuzz/corpus by the fewest inputs that run as much code as all that were tried

Inputs that run code which no input before had run are changed further: V8 counts what runs.
An input that breaks a law is kept in test/fuzz/regressions, made short; npm test tries it from then on.`;

const { values } = readArguments(usage, {
  seconds: { type: 'string', default: '3600' },
  target: { type: 'string' },
  seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
  keep: { type: 'boolean', default: false },
});
console.log(`fuzzing for ${values.seconds} seconds, seed ${values.seed}`);
const named = values.target === undefined ? [] : ['-t', `'${values.target}'`];
process.exitCode = await runVitest(['run', 'test/fuzz.test.ts', ...named], {
  FUZZ_SECONDS: values.seconds,
  FUZZ_SEED: values.seed,
  FUZZ_KEEP: values.keep ? '1' : '',
});
