import { afterAll, describe, expect, it } from 'vitest';
import { Coverage } from './fuzz/coverage.js';
import { differentialTargets } from './fuzz/differential.js';
import { keep, mutateFor, readKept, readSaved, runStructured, save, type Tally } from './fuzz/engine.js';
import { ownFormatTargets } from './fuzz/own-formats.js';
import { parserTargets } from './fuzz/parsers.js';
import { sessionTargets } from './fuzz/sessions.js';
import { examine, Offence, type Target } from './fuzz/target.js';
import { Random } from './helpers/random.js';

/** How long all of it takes; `npm run fuzz` gives it hours. */
const seconds = Number(process.env.FUZZ_SECONDS ?? 5);
const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);
const isLong = process.env.FUZZ_SECONDS !== undefined;
/** Steers long runs only: a run that measures the coverage of the tests needs V8's counters for itself. */
const coverage = isLong ? new Coverage() : undefined;
afterAll(() => coverage?.stop());

const targets = [
  ...[...parserTargets(), ...ownFormatTargets()],
  ...[...(await sessionTargets()), ...(await differentialTargets())],
];
/** Milliseconds for each test of a target that takes its time. */
const share = (1000 * seconds) / targets.reduce((sum, { structured }) => sum + (structured ? 2 : 1), 0);

/** A failure is kept as a case for ever; the test shows where. */
async function keepInput<Result>(target: Target, run: () => Promise<Result>): Promise<Result> {
  try {
    return await run();
  } catch (error) {
    const offence = offenceIn(error);
    if (offence === undefined) throw error;
    const path = await save(target, offence);
    throw new Error(`seed ${seed}; kept as ${path}`, { cause: error });
  }
}

function offenceIn(error: unknown): Offence | undefined {
  if (error instanceof Offence) return error;
  return error instanceof Error && error.cause !== undefined ? offenceIn(error.cause) : undefined;
}

/** A line for each target of a long run. */
async function report(target: Target, tally: Tally, coverage: Coverage): Promise<void> {
  const { inputs, verdicts, slowest, corpus } = tally;
  const reached = coverage.total;
  const size = process.env.FUZZ_KEEP === '1' ? `, kept ${await keep(target, corpus, coverage)}` : '';
  const gained = reached - tally.before;
  console.log(
    `${target.name}: ${Math.round((1000 * inputs) / share)} inputs/s, ${inputs} in all, ${verdicts} verdicts, ` +
      `${reached} characters of source run, ${gained} of them by changed inputs only, ` +
      `${corpus.length} inputs in the corpus${size}, the slowest took ${slowest.toFixed(1)} ms`,
  );
}

describe.each(targets)('$name', (target) => {
  it('keeps the laws with its right inputs and with those that broke them once', async () => {
    for (const input of [...target.seeds, ...readSaved(target), ...readKept(target)])
      await examine(target, input);
  });

  it('takes its right inputs', async () => {
    for (const input of target.seeds) expect(await examine(target, input)).toMatch(/\bok\b|ended 0/);
  });

  it(
    'keeps the laws with inputs of the right form',
    async () => {
      await keepInput(target, () => runStructured(target, share, seed));
    },
    2 * share + 60_000,
  );

  it(
    'keeps the laws with changed inputs',
    async () => {
      coverage?.reset();
      const tally = await keepInput(target, () => mutateFor(target, share, new Random(seed), coverage));
      if (coverage) await report(target, tally, coverage);
      // backends are compared, and say yes or no: everything else has more to say
      expect(tally.verdicts).toBeGreaterThan(target.name.startsWith('same-') ? 0 : 1);
    },
    2 * share + 60_000,
  );
});
