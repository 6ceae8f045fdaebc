// Measures whether the time of an RSA private operation depends on the ciphertext: npm run timing -- --help
import { parseArgs } from 'node:util';
import { runVitest } from './lib/vitest.mjs';

const usage = `Usage: npm run timing -- [options]

  --samples N  of every class of ciphertext (20000, which takes some minutes)

On the node backend, for classic and sealed, a line for each class: medians, and the sign test against the first class.
The second class is the first one again: its z is noise. On a machine that does something else, so are the others.`;

const { values } = parseArgs({
  options: { samples: { type: 'string', default: '20000' }, help: { type: 'boolean', default: false } },
});
if (values.help) console.log(usage);
else {
  process.exitCode = await runVitest(['run', '--config', 'vitest.load.config.ts', 'timing.by-hand'], {
    TIMING_SAMPLES: values.samples,
  });
}
