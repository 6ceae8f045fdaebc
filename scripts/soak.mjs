// Runs damaged connections for any time: npm run soak -- --help
import { resolve } from 'node:path';
import { readArguments } from './lib/arguments.mjs';
import { runVitest } from './lib/vitest.mjs';

const usage = `Usage: npm run soak -- [options]

  --seconds N      how long (600)
  --connections N  how many at once (40)
  --seed N         the same faults again (chosen anew each time)
  --output FILE    the whole account as JSON, memory over time included

Many conversations at once through a proxy that delays, cuts, joins, slows, resets, half-closes and swallows: both
protocols, every backend at either end, over TCP and WebSockets, all suites, with resumption and padding on part of the
connections, every message numbered and hashed. A line every ten seconds says how it stands.`;

const { values } = readArguments(usage, {
  seconds: { type: 'string', default: '600' },
  connections: { type: 'string', default: '40' },
  seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
  output: { type: 'string', default: '' },
});
console.log(`soaking for ${values.seconds} seconds, ${values.connections} connections, seed ${values.seed}`);
process.exitCode = await runVitest(
  [...['run', '--config', 'vitest.load.config.ts', '--retry=0'], 'test/load/soak.load.ts'],
  {
    SOAK_SECONDS: values.seconds,
    SOAK_CONNECTIONS: values.connections,
    SOAK_SEED: values.seed,
    SOAK_OUTPUT: values.output && resolve(values.output),
  },
);
