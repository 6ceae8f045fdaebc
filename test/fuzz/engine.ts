import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import type { Random } from '../helpers/random.js';
import { mutate } from './mutate.js';
import { examine, Offence, type Target } from './target.js';

/** Inputs that broke a law once: they are tried first, for ever. */
const regressions: string = fileURLToPath(new URL('regressions/', import.meta.url));

/** What came of it. */
export interface Tally {
  readonly inputs: number;
  /** Verdicts that differ in more than their numbers: how far the fuzzer got. */
  readonly verdicts: number;
  /** The longest that one input took, in milliseconds. */
  readonly slowest: number;
}

/** Changes inputs for so many milliseconds. What leads to a verdict not seen before is changed further. */
export async function mutateFor(target: Target, milliseconds: number, random: Random): Promise<Tally> {
  const corpus = [...target.seeds];
  const seen = new Set<string>();
  let slowest = 0;
  let inputs = 0;
  const deadline = performance.now() + milliseconds;
  for (let input = corpus[0] as Uint8Array; performance.now() < deadline || inputs < 2; inputs++) {
    const begun = performance.now();
    const verdict = kindOf(await examine(target, input));
    slowest = Math.max(slowest, performance.now() - begun);
    if (!seen.has(verdict)) corpus.push(input);
    seen.add(verdict);
    input = mutate(random, random.pick(corpus), random.pick(corpus));
  }
  return { inputs, verdicts: seen.size, slowest };
}

/** Makes inputs of the right form for so many milliseconds. */
export async function structuredFor(target: Target, milliseconds: number, seed: number): Promise<void> {
  if (target.structured === undefined) return;
  const property = fc.asyncProperty(target.structured, async (input) => void (await examine(target, input)));
  const time = { interruptAfterTimeLimit: milliseconds, markInterruptAsFailure: false };
  await fc.assert(property, { numRuns: 1_000_000_000, seed, ...time });
}

/** Keeps an input for later, made as short as it can be and still break the law. */
export async function save(target: Target, offence: Offence): Promise<string> {
  const input = await shortened(target, offence.input);
  const name = createHash('sha256').update(input).digest('hex').slice(0, 16);
  mkdirSync(join(regressions, target.name), { recursive: true });
  const path = join(regressions, target.name, `${name}.hex`);
  writeFileSync(path, `${Buffer.from(input).toString('hex')}\n`);
  return path;
}

/** The inputs kept for a target. */
export function saved(target: Target): Uint8Array[] {
  const folder = join(regressions, target.name);
  if (!existsSync(folder)) return [];
  return readdirSync(folder).map((file) =>
    Uint8Array.from(Buffer.from(readFileSync(join(folder, file), 'utf8').trim(), 'hex')),
  );
}

/** Leaves out parts, the large ones first, as long as what is left breaks a law. */
async function shortened(target: Target, input: Uint8Array): Promise<Uint8Array> {
  let shortest = input;
  for (let part = Math.ceil(input.length / 2); part >= 1; part = part === 1 ? 0 : Math.ceil(part / 2)) {
    for (let at = 0; at < shortest.length; ) {
      const shorter = Uint8Array.from([...shortest.subarray(0, at), ...shortest.subarray(at + part)]);
      if (await breaksLaw(target, shorter)) shortest = shorter;
      else at += part;
    }
  }
  return shortest;
}

async function breaksLaw(target: Target, input: Uint8Array): Promise<boolean> {
  try {
    await examine(target, input);
    return false;
  } catch (error) {
    if (error instanceof Offence) return true;
    throw error;
  }
}

/** A verdict without what it repeats of the input. */
function kindOf(verdict: string): string {
  if (verdict.startsWith('ok ')) return 'ok';
  return verdict
    .replace(/"(?:[^"\\]|\\.)*"|'[^']*'/g, '"…"')
    .replace(/SHA256:\S+/g, 'SHA256:…')
    .replace(/[0-9a-f]*\d[0-9a-f]*/g, '#')
    .slice(0, 400);
}
