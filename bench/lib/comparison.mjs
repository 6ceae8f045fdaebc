import { contenders as known } from '../contenders/list.mjs';
import { measure } from './measure.mjs';
import { Progress } from './progress.mjs';
import { quantile, summary } from './statistics.mjs';
import { short, table } from './table.mjs';
import { thirdPartyVersion } from './third-party.mjs';

/**
 * Measures every contender in every test, round by round, so that a slow phase of the machine affects all of them.
 * `tests` are `{ id, work, rows }`; `roundsOf(test, name)` is the number of rounds that a pair takes part in, by default all.
 */
export async function compare({ tests, names, rounds, environment, roundsOf = () => rounds }) {
  const plan = tests.flatMap((test) =>
    names.map((name) => ({ test, name, rounds: roundsOf(test, name), taken: [] })),
  );
  const failures = [];
  const progress = new Progress(plan.reduce((sum, one) => sum + one.rounds, 0));
  for (let round = 1; round <= rounds; round++) {
    for (const one of round % 2 === 1 ? plan : othersFirst(tests, plan)) {
      if (round > one.rounds) continue;
      progress.step(`round ${round} of ${rounds}: ${one.test.id}, ${one.name}`);
      if (!one.hasFailed) await attempt(one, environment, failures);
    }
  }
  progress.end();
  return { results: tests.flatMap((test) => rowsOf(test, plan)), failures };
}

/** Every contender with what it is and which version. */
export function describe(names) {
  return Object.fromEntries(
    names.map((name) => {
      const { title, packages = [] } = known[name];
      const versions = Object.fromEntries(packages.map((one) => [one, thirdPartyVersion(one)]));
      return [name, packages.length > 0 ? { title, versions } : { title }];
    }),
  );
}

/** Medians with half of their spread, processor times, and the ratios to one of the contenders if it took part. */
export function printComparison({ results, failures }, names, rounds, reference) {
  const print = (heading, rows, label, cell) => {
    const lines = rows.map((row) => [
      label(row),
      ...names.map((name) => row.contenders[name] && cell(row, name)),
    ]);
    if (lines.length > 0) console.log(`\n${heading}:\n${table(['', ...names], lines)}`);
  };
  const median = ({ contenders }, name) => contenders[name].median;
  const title = (row) => row.title;
  print(
    `Median of ${rounds}, and spread`,
    results,
    ({ title, unit }) => `${title}, ${unit}`,
    (row, name) => {
      return `${short(median(row, name))} ${plusMinus(row.contenders[name])}`;
    },
  );
  const timed = results.filter(({ contenders }) => Object.values(contenders).some(hasProcessorTime));
  const what = 'Processor time of both ends for one message, exchange or connection, microseconds';
  print(what, timed, title, ({ contenders }, name) => short(contenders[name].cpuMicroseconds));
  const comparable = results.filter(({ contenders }) => contenders[reference]);
  print(`Ratio to ${reference}`, comparable, title, (row, name) =>
    (median(row, name) / median(row, reference)).toFixed(2),
  );
  for (const { contender, test, reason } of failures)
    console.log(`${contender} skipped in ${test}: ${reason}`);
}

/** 1 if a contender that needs only Node failed; a third-party package that does not run here is not an error. */
export function exitCodeFor(failures) {
  return failures.some(({ contender }) => known[contender].packages === undefined) ? 1 : 0;
}

async function attempt(one, environment, failures) {
  const { test, name, taken } = one;
  try {
    taken.push(await measure(name, test.work, environment));
  } catch (error) {
    one.hasFailed = true;
    const reason = firstLine(error);
    failures.push({ contender: name, test: test.id, reason });
    console.error(`${test.id}, ${name}: ${known[name].packages ? reason : error.stack}`);
  }
}

/** The tests in the same order, the contenders in the opposite one. */
function othersFirst(tests, plan) {
  return tests.flatMap((test) => plan.filter((one) => one.test === test).reverse());
}

function rowsOf(test, plan) {
  const measured = plan.filter((one) => one.test === test && one.taken.length > 0 && !one.hasFailed);
  return test.rows.map(({ id, title, unit, better, figure }, i) => ({
    id,
    test: test.id,
    title,
    unit,
    better,
    contenders: Object.fromEntries(
      measured.map(({ name, taken }) => [
        name,
        { ...summary(taken.map(figure)), ...(i === 0 ? processorTime(taken) : {}), verified: total(taken) },
      ]),
    ),
  }));
}

/**
 * Processor time of both processes per message, round trip or connection, in microseconds: steadier than elapsed
 * time.
 */
function processorTime(taken) {
  if (taken[0].cpuPerOperation === undefined) return {};
  return {
    cpuMicroseconds: quantile(
      taken.map(({ cpuPerOperation }) => 1e6 * cpuPerOperation),
      0.5,
    ),
  };
}

/** The sum of what the measurements of a contender have verified. */
function total(taken) {
  const sums = {};
  for (const { verified } of taken)
    for (const [what, value] of Object.entries(verified)) sums[what] = (sums[what] ?? 0) + value;
  return sums;
}

function hasProcessorTime({ cpuMicroseconds }) {
  return cpuMicroseconds !== undefined;
}

function plusMinus({ spread, values }) {
  return values.length > 1 ? `±${Math.round(50 * spread)}%` : '';
}

function firstLine(error) {
  const lines = String(error.message).split('\n');
  return lines.find((line) => line.trim() !== '') ?? String(error);
}
