// What each backend costs, primitive by primitive and in whole connections: npm run bench -- --help
import { forge } from 'secure-sockets/backends/forge';
import { noble } from 'secure-sockets/backends/noble';
import { node } from 'secure-sockets/backends/node';
import { sodium } from 'secure-sockets/backends/sodium';
import { web } from 'secure-sockets/backends/web';
import { choose, positive, readArguments } from './lib/arguments.mjs';
import { compare, describe, exitCodeFor, printComparison } from './lib/comparison.mjs';
import { makeCredentials } from './lib/credentials.mjs';
import { aboutThisRun, printAbout } from './lib/machine.mjs';
import { writeResults } from './lib/output.mjs';
import { peerTests } from './lib/peer-tests.mjs';
import { makeKeys, primitivesOf } from './lib/primitives.mjs';
import { Progress } from './lib/progress.mjs';
import { ratePerSecond } from './lib/rate.mjs';
import { summary } from './lib/statistics.mjs';
import { short, table } from './lib/table.mjs';

const backends = { node, sodium, web, noble, forge };
const connectionTests = ['await-64', 'stream-1k', 'stream-64k', 'stream-1m', 'ping-64', 'connect-1'];

const usage = `Usage: npm run bench -- [OPTIONS]

  --backends A,B      ${Object.keys(backends).join(', ')}
  --parts A,B         primitives, connections
  --only TEXT         those primitives whose name contains it
  --rounds N          how often each measurement is made, in turns with the others (3)
  --duration MS       how long an operation is repeated (200)
  --connection MS     how long a connection is measured, and warmed up before (1500)
  --json FILE         where the results go (docs/benchmarks/backends.json); "-" for nowhere`;

const given = readArguments(usage, {
  backends: { type: 'string' },
  parts: { type: 'string' },
  only: { type: 'string', default: '' },
  rounds: { type: 'string', default: '3' },
  duration: { type: 'string', default: '200' },
  connection: { type: 'string', default: '1500' },
  json: { type: 'string', default: 'docs/benchmarks/backends.json' },
});
const names = choose('backend', given.backends, Object.keys(backends));
const parts = choose('part', given.parts, ['primitives', 'connections']);
const rounds = positive('rounds', given.rounds);
const duration = positive('duration', given.duration);
const connectionDuration = positive('connection', given.connection);

const about = { ...aboutThisRun(), rounds, duration, connectionDuration };
const primitives = parts.includes('primitives') ? await measurePrimitives() : [];
const connections = parts.includes('connections') ? await measureConnections() : undefined;
printAbout(about);
printPrimitives(primitives);
if (connections) printComparison(connections, connections.names, rounds, 'sealed');
writeResults(given.json, {
  about,
  fallbacks: Object.fromEntries(names.map((name) => [name, backends[name].fallbacks])),
  primitives,
  connections: connections && { contenders: describe(connections.names), ...connections },
});
process.exitCode = exitCodeFor(connections?.failures ?? []);

async function measurePrimitives() {
  const keys = await makeKeys(node);
  const lists = await Promise.all(names.map((name) => primitivesOf(backends[name], keys)));
  const rows = lists[0]
    .map(({ id, size }, i) => ({ id, size, of: lists.map((list) => list[i]) }))
    .filter(({ id }) => id.includes(given.only));
  const rates = rows.map(() => names.map(() => []));
  const progress = new Progress(rounds * rows.length);
  for (const { id, size, of } of rows) await requireAgreement(id, size, of);
  for (let round = 1; round <= rounds; round++)
    for (const [i, { id, size, of }] of rows.entries()) {
      progress.step(`round ${round} of ${rounds}: ${id}${size ? `, ${size} bytes` : ''}`);
      for (const [j, primitive] of of.entries()) rates[i][j].push(await ratePerSecond(primitive, duration));
    }
  progress.end();
  return rows.map(({ id, size }, i) => ({
    id,
    ...(size === undefined ? {} : { size }),
    perSecond: Object.fromEntries(names.map((name, j) => [name, summary(rates[i][j])])),
  }));
}

/** A wrong result is not measured. */
async function requireAgreement(id, size, of) {
  const outputs = await Promise.all(of.map(({ check, operation }) => (check ?? operation)()));
  const [first, ...others] = outputs.map((output) => Buffer.from(String(output)));
  if (others.some((other) => !other.equals(first)))
    throw new Error(`the backends differ in ${id}${size ? ` of ${size} bytes` : ''}`);
}

async function measureConnections() {
  const settings = { duration: connectionDuration, warmUp: connectionDuration };
  const tests = connectionTests.map((id) => {
    const { work, rows } = peerTests[id];
    return { id, work: { ...settings, ...work }, rows };
  });
  const contenders = ['sealed', 'classic'].flatMap((protocol) =>
    names.map((name) => (name === 'node' ? protocol : `${protocol}-${name}`)),
  );
  const environment = { credentials: await makeCredentials() };
  return { names: contenders, ...(await compare({ tests, names: contenders, rounds, environment })) };
}

function printPrimitives(rows) {
  if (rows.length === 0) return;
  const cell = ({ size, perSecond }, name) => {
    const { median } = perSecond[name];
    return size === undefined ? `${short(median)} /s` : `${short((median * size) / 1e6)} MB/s`;
  };
  console.log(`\nMedian of ${rounds}:`);
  console.log(
    table(
      ['', ...names],
      rows.map((row) => [
        row.size === undefined ? row.id : `${row.id}, ${row.size} B`,
        ...names.map((name) => cell(row, name)),
      ]),
    ),
  );
}
