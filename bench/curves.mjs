// How cost grows with message size, connections and server processes: npm run bench:curves -- --help
import { availableParallelism } from 'node:os';
import { contenders as known } from './contenders/list.mjs';
import { choose, positive, readArguments } from './lib/arguments.mjs';
import { runCluster } from './lib/cluster.mjs';
import { describe } from './lib/comparison.mjs';
import { makeCredentials } from './lib/credentials.mjs';
import { aboutThisRun, connectionsPossible, printAbout } from './lib/machine.mjs';
import { measure } from './lib/measure.mjs';
import { writeResults } from './lib/output.mjs';
import { Progress } from './lib/progress.mjs';
import { summary } from './lib/statistics.mjs';
import { short, table } from './lib/table.mjs';

const MIB = 2 ** 20;
const usual = ['tls', 'sealed', 'classic'];
const ids = ['sizes', 'idle', 'active', 'processes'];

const usage = `Usage: npm run bench:curves -- [OPTIONS]

  --curves A,B        ${ids.join(', ')}
  --contenders A,B    ${usual.join(', ')}; and what bench:peers knows without packages
  --rounds N          how often each measurement is made, in turns with the others (3)
  --duration MS       how long a measurement takes, and is warmed up before (1500)
  --largest BYTES     the longest message (16777216)
  --idle N            the maximum number of idle connections (10000)
  --active N          the maximum number of active connections (1000)
  --processes N       the most server processes (one a core, at least 2)
  --json FILE         where the results go (docs/benchmarks/curves.json); "-" for nowhere`;

const given = readArguments(usage, {
  curves: { type: 'string' },
  contenders: { type: 'string', default: usual.join(',') },
  rounds: { type: 'string', default: '3' },
  duration: { type: 'string', default: '1500' },
  largest: { type: 'string', default: String(16 * MIB) },
  idle: { type: 'string', default: '10000' },
  active: { type: 'string', default: '1000' },
  processes: { type: 'string', default: String(Math.max(2, availableParallelism())) },
  json: { type: 'string', default: 'docs/benchmarks/curves.json' },
});
const wanted = choose('curve', given.curves, ids);
const names = choose('contender', given.contenders, Object.keys(known));
const rounds = positive('rounds', given.rounds);
const duration = positive('duration', given.duration);
const timing = { duration, warmUp: duration };

const curves = {
  sizes: {
    title: 'message size, bytes',
    points: upTo(64, positive('largest', given.largest), 4),
    async measure(name, size) {
      const streamed = await measure(name, { kind: 'stream', size, burst: 1, ...timing }, environment);
      const { p50 } = await measure(name, { kind: 'ping', size, ...timing }, environment);
      return {
        'MB/s': streamed.bytesPerSecond / 1e6,
        'microseconds there and back': p50,
        'server MiB at most': streamed.peakMemory / MIB,
      };
    },
  },
  idle: {
    title: 'idle connections',
    points: upTo(1, connectionsPossible(positive('idle', given.idle)), 10),
    async measure(name, connections) {
      const work = { kind: 'idle', size: 64, settleWith: 1, connections, alsoPing: timing };
      const { rss, p50 } = await measure(name, work, environment);
      return {
        'server MiB': rss / MIB,
        'microseconds there and back on one more': p50,
      };
    },
  },
  active: {
    title: 'active connections',
    points: upTo(1, connectionsPossible(positive('active', given.active)), 10),
    async measure(name, connections) {
      const work = { kind: 'active', size: 64, connections, ...timing };
      const { messagesPerSecond, p50, p99, rss } = await measure(name, work, environment);
      return {
        'k round trips/s': messagesPerSecond / 1000,
        'microseconds, median': p50,
        'microseconds, 99th percentile': p99,
        'server MiB': rss / MIB,
      };
    },
  },
  processes: {
    title: 'server processes',
    points: upTo(1, positive('processes', given.processes), 2),
    only: 'sealed',
    measure: (_, workers) => runCluster(workers, timing),
  },
};

const about = { ...aboutThisRun(), rounds, ...timing };
const environment = { credentials: await makeCredentials() };
const results = await measureAll();
printAbout(about);
for (const curve of results) print(curve);
writeResults(given.json, { about, contenders: describe(names), curves: results });

async function measureAll() {
  const plan = wanted.flatMap((id) =>
    curves[id].points.flatMap((at) => contendersIn(id).map((name) => ({ id, at, name, taken: [] }))),
  );
  const progress = new Progress(rounds * plan.length);
  for (let round = 1; round <= rounds; round++)
    for (const { id, at, name, taken } of plan) {
      progress.step(`round ${round} of ${rounds}: ${at} ${curves[id].title}, ${name}`);
      taken.push(await curves[id].measure(name, at));
    }
  progress.end();
  return wanted.map((id) => ({ id, title: curves[id].title, points: pointsOf(plan, id) }));
}

function pointsOf(plan, id) {
  return curves[id].points.map((at) => ({
    at,
    contenders: Object.fromEntries(
      plan.filter((one) => one.id === id && one.at === at).map(({ name, taken }) => [name, figuresOf(taken)]),
    ),
  }));
}

function figuresOf(taken) {
  const figures = Object.keys(taken[0]);
  return Object.fromEntries(figures.map((figure) => [figure, summary(taken.map((one) => one[figure]))]));
}

function contendersIn(id) {
  const { only } = curves[id];
  return only === undefined ? names : names.filter((name) => name === only);
}

function print({ id, title, points }) {
  for (const figure of Object.keys(Object.values(points[0].contenders)[0] ?? {})) {
    const rows = points.map(({ at, contenders }) => [
      String(at),
      ...contendersIn(id).map((name) => short(contenders[name][figure].median)),
    ]);
    console.log(`\n${figure}:`);
    console.log(table([title, ...contendersIn(id)], rows));
  }
}

/** From `min` to `max`, each `factor` times the one before. */
function upTo(min, max, factor) {
  const points = [];
  for (let at = min; at < max; at *= factor) points.push(at);
  return [...points, max];
}
