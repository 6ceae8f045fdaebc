// The same work, side by side, by this package and by others: npm run bench:peers -- --help
import { mkdirSync } from 'node:fs';
import { contenders as known } from './contenders/list.mjs';
import { chosen, positive, readArguments } from './lib/arguments.mjs';
import { makeCredentials } from './lib/credentials.mjs';
import { aboutThisRun } from './lib/machine.mjs';
import { measure } from './lib/measure.mjs';
import { writeResults } from './lib/output.mjs';
import { peerTests } from './lib/peer-tests.mjs';
import { Progress } from './lib/progress.mjs';
import { summary } from './lib/statistics.mjs';
import { short, table } from './lib/table.mjs';
import { installThirdParty, thirdPartyVersion } from './lib/third-party.mjs';

/** Those that say the most about a test; others can be asked for. */
const usual = [
  'net',
  'tls',
  'tls-plain',
  'ws',
  'secret-stream',
  'libp2p-noise',
  'sealed',
  'sealed-hybrid',
  'classic',
];
/** Handshakes are all in which it differs from `sealed`. */
const onlyFor = { 'sealed-hybrid': ['connect-1', 'connect-32'] };
const REFERENCE = 'tls';

const usage = `Usage: npm run bench:peers -- [OPTIONS]

  --rounds N          how often each measurement is made, in turns with the others (3)
  --contenders A,B    ${usual.join(', ')}
                      and ${Object.keys(known)
                        .filter((name) => !usual.includes(name))
                        .join(', ')}
  --tests A,B         ${Object.keys(peerTests).join(', ')}
  --duration MS       how long a measurement takes (1500)
  --warm-up MS        and how long it is repeated before, every byte compared (500)
  --connections N     how many idle connections are opened (5000)
  --node FILE         the Node that is measured (this one)
  --json FILE         where the results go (docs/benchmarks/peers.json); "-" for nowhere
  --profile FOLDER    write CPU profiles there; the figures are then worth little`;

const given = readArguments(usage, {
  rounds: { type: 'string', default: '3' },
  contenders: { type: 'string' },
  tests: { type: 'string' },
  duration: { type: 'string', default: '1500' },
  'warm-up': { type: 'string', default: '500' },
  connections: { type: 'string', default: '5000' },
  node: { type: 'string', default: process.execPath },
  json: { type: 'string', default: 'docs/benchmarks/peers.json' },
  profile: { type: 'string' },
});
const rounds = positive('rounds', given.rounds);
const names =
  given.contenders === undefined ? usual : chosen('contender', given.contenders, Object.keys(known));
const tests = chosen('test', given.tests, Object.keys(peerTests));
const settings = {
  duration: positive('duration', given.duration),
  warmUp: positive('warm-up', given['warm-up']),
  connections: positive('connections', given.connections),
};

if (given.profile) mkdirSync(given.profile, { recursive: true });
if (names.some((name) => known[name].packages)) installThirdParty();
const about = aboutThisRun(given.node);
const environment = { credentials: await makeCredentials(), node: given.node, profile: given.profile };
const { figures, failures } = await measureAll();
const results = summarize(figures);
const contenders = Object.fromEntries(names.map((name) => [name, describe(name)]));
printTables();
writeResults(given.json, { about: { ...about, rounds, ...settings }, contenders, results, failures });
// a contender that cannot run here is no reason to fail; one that needs nothing but Node is
process.exitCode = failures.some(({ contender }) => known[contender].packages === undefined) ? 1 : 0;

/** Round by round, so that a slow minute of the machine hits all of them. */
async function measureAll() {
  const plan = tests.flatMap((test) =>
    names.filter((name) => onlyFor[name]?.includes(test) ?? true).map((name) => ({ test, name })),
  );
  const figures = new Map(plan.map((one) => [one, []]));
  const failures = [];
  const progress = new Progress(rounds * plan.length);
  for (let round = 1; round <= rounds; round++) {
    for (const one of round % 2 === 1 ? plan : inReverse(plan)) {
      const { test, name } = one;
      progress.step(`round ${round} of ${rounds}: ${test}, ${name}`);
      if (failures.some((failure) => failure.contender === name && failure.test === test)) continue;
      try {
        figures.get(one).push(await measure(name, { ...settings, ...peerTests[test].work }, environment));
      } catch (error) {
        failures.push({ contender: name, test, reason: firstLine(error) });
        console.error(`${test}, ${name}: ${known[name].packages ? firstLine(error) : error.stack}`);
      }
    }
  }
  progress.end();
  return { figures, failures };
}

/** The tests in the same order, those who are tested in the opposite one. */
function inReverse(plan) {
  return tests.flatMap((test) => plan.filter((one) => one.test === test).reverse());
}

function summarize(figures) {
  const rows = tests.flatMap((test) =>
    peerTests[test].rows.map(({ id, title, unit, better, figure }) => {
      const entries = [...figures]
        .filter(([one, taken]) => one.test === test && taken.length > 0)
        .map(([{ name }, taken]) => [name, { ...summary(taken.map(figure)), verified: sum(taken) }]);
      return { id, test, title, unit, better, contenders: Object.fromEntries(entries) };
    }),
  );
  for (const { contenders } of rows)
    for (const entry of Object.values(contenders))
      if (contenders[REFERENCE]) entry.ratioToTls = entry.median / contenders[REFERENCE].median;
  return rows;
}

/** What all measurements of a contender have verified together. */
function sum(taken) {
  const total = {};
  for (const { verified } of taken)
    for (const [what, value] of Object.entries(verified))
      if (typeof value === 'number') total[what] = (total[what] ?? 0) + value;
  return total;
}

function describe(name) {
  const { title, packages = [] } = known[name];
  const versions = Object.fromEntries(packages.map((one) => [one, thirdPartyVersion(one)]));
  return { title, ...(packages.length > 0 ? { versions } : {}) };
}

function printTables() {
  const cells = (cell) =>
    results.map((row) => [`${row.title}, ${row.unit}`, ...names.map((name) => cell(row.contenders[name]))]);
  const { processor, cores, node, openssl, loadBefore } = about;
  console.log(`\nNode ${node}, OpenSSL ${openssl}, ${processor}, ${cores} cores, load before ${loadBefore}`);
  console.log(`\nMedian of ${rounds} and spread:`);
  console.log(
    table(
      ['', ...names],
      cells((entry) => entry && `${short(entry.median)} ±${percent(entry)}`),
    ),
  );
  if (!names.includes(REFERENCE)) return;
  console.log(`\nRatio to ${REFERENCE}:`);
  console.log(
    table(
      ['', ...names],
      cells((entry) => entry?.ratioToTls.toFixed(2)),
    ),
  );
  for (const { contender, test, reason } of failures)
    console.log(`${contender} skipped in ${test}: ${reason}`);
}

function percent({ spread }) {
  return `${Math.round(50 * spread)}%`;
}

function firstLine(error) {
  return (
    String(error.message)
      .split('\n')
      .find((line) => line.trim() !== '') ?? String(error)
  );
}
