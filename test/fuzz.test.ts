import { describe, expect, it } from 'vitest';
import { differentialTargets } from './fuzz/differential.js';
import { mutateFor, save, saved, structuredFor } from './fuzz/engine.js';
import { parserTargets } from './fuzz/parsers.js';
import { sessionTargets } from './fuzz/sessions.js';
import { examine, Offence, type Target } from './fuzz/target.js';
import { Random } from './helpers/random.js';

/** How long all of it takes; `npm run fuzz` gives it hours. */
const seconds = Number(process.env.FUZZ_SECONDS ?? 5);
const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);
const isLong = process.env.FUZZ_SECONDS !== undefined;

const targets = [...parserTargets(), ...(await sessionTargets()), ...(await differentialTargets())];
const share = (1000 * seconds) / targets.length / 2;

/** A failure is kept as a case for ever; the test shows where. */
async function keeping<Result>(target: Target, run: () => Promise<Result>): Promise<Result> {
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

describe.each(targets)('$name', (target) => {
  it('keeps the laws with its right inputs and with those that broke them once', async () => {
    for (const input of [...target.seeds, ...saved(target)]) await examine(target, input);
  });

  it('takes its right inputs', async () => {
    for (const input of target.seeds) expect(await examine(target, input)).toMatch(/\bok\b|ended 0/);
  });

  it(
    'keeps the laws with inputs of the right form',
    async () => {
      await keeping(target, () => structuredFor(target, share, seed));
    },
    2 * share + 60_000,
  );

  it(
    'keeps the laws with changed inputs',
    async () => {
      const tally = await keeping(target, () => mutateFor(target, share, new Random(seed)));
      if (isLong) console.log(`${target.name}: ${JSON.stringify(tally)}`);
      // backends are compared, and say yes or no: everything else has more to say
      expect(tally.verdicts).toBeGreaterThan(target.name.startsWith('same-') ? 0 : 1);
    },
    2 * share + 60_000,
  );
});
