// Measures whether the time of an RSA private operation depends on the ciphertext: npm run timing -- --help
import { readArguments } from './lib/arguments.mjs';
import { runVitest } from './lib/vitest.mjs';

const usage = `Usage: npm run timing -- [options]

  --samples N  of every class of ciphertext (20000, which takes some minutes)

On the node backend, for classic and sealed, a line for each class: medians, and the sign test against the first class.
The second class is the first one again: its z is noise. On a machine that does something else, so are the others.`;

const { values } = readArguments(usage, { samples: { type: 'string', default: '20000' } });
process.exitCode = await runVitest(['run', '--config', 'vitest.load.config.ts', 'timing.by-hand'], {
  TIMING_SAMPLES: values.samples,
});
