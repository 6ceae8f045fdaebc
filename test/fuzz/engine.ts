import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import type { Random } from '../helpers/random.js';
import type { Coverage } from './coverage.js';
import { mutate } from './mutate.js';
import { examine, Offence, type Target } from './target.js';

/** Inputs that broke a law once: they are tried first, for ever. */
const regressions: string = fileURLToPath(new URL('regressions/', import.meta.url));
/** A file for each target, an input a line. */
const corpora: string = fileURLToPath(new URL('corpus/', import.meta.url));

/** What came of it. */
export interface Tally {
  readonly inputs: number;
  /** Verdicts that differ in more than their numbers: how far the fuzzer got. */
  readonly verdicts: number;
  /** The longest that one input took, in milliseconds. */
  readonly slowest: number;
  /** Inputs that led somewhere new: to a verdict, or to code that no input before had run. */
  readonly corpus: readonly Uint8Array[];
  /** Characters of source that the right inputs and those kept from earlier runs had run. */
  readonly before: number;
}

/** Inputs are changed further for a new verdict up to so many: a text that repeats its input would crowd out all others. */
const MAX_VERDICTS = 300;
/** So many inputs are tried between two looks at the coverage, which take about a millisecond each. */
const BATCH = 64;

/**
 * Changes inputs for so many milliseconds. What leads to a verdict not seen before is changed further, and with
 * `coverage` what runs code that did not run before.
 */
export async function mutateFor(
  target: Target,
  milliseconds: number,
  random: Random,
  coverage?: Coverage,
): Promise<Tally> {
  const corpus = [...target.seeds, ...readKept(target)];
  const seen = new Set<string>();
  let slowest = 0;
  let inputs = 0;
  const tryOne = async (input: Uint8Array): Promise<void> => {
    const begun = performance.now();
    const verdict = kindOf(await examine(target, input));
    slowest = Math.max(slowest, performance.now() - begun);
    if (!seen.has(verdict) && seen.size < MAX_VERDICTS) {
      seen.add(verdict);
      corpus.push(input);
    }
    inputs++;
  };
  for (const input of corpus.slice()) await tryOne(input);
  coverage?.gain();
  const before = coverage?.total ?? 0;
  const deadline = performance.now() + milliseconds;
  const batch: Uint8Array[] = [];
  while (performance.now() < deadline || inputs < 2) {
    const input = mutate(random, random.pick(corpus), random.pick(corpus));
    await tryOne(input);
    if (coverage === undefined || batch.push(input) < BATCH) continue;
    corpus.push(...(await pioneers(target, batch.splice(0), coverage)));
  }
  return { inputs, verdicts: seen.size, slowest, corpus, before };
}

/** Those of a batch that are needed to run what the batch was the first to run. */
async function pioneers(
  target: Target,
  batch: readonly Uint8Array[],
  coverage: Coverage,
): Promise<Uint8Array[]> {
  const before = coverage.snapshot();
  if (coverage.gain() === 0) return [];
  coverage.restore(before);
  return pioneersOneByOne(target, batch, coverage);
}

async function pioneersOneByOne(
  target: Target,
  inputs: readonly Uint8Array[],
  coverage: Coverage,
): Promise<Uint8Array[]> {
  const found: Uint8Array[] = [];
  for (const input of inputs) {
    await examine(target, input);
    if (coverage.gain() > 0) found.push(input);
  }
  return found;
}

/** Makes inputs of the right form for so many milliseconds. */
export async function runStructured(target: Target, milliseconds: number, seed: number): Promise<void> {
  if (target.structured === undefined) return;
  const property = fc.asyncProperty(target.structured, async (input) => void (await examine(target, input)));
  const until = performance.now() + milliseconds;
  // a machine that is busy tries few, but never none
  let round = seed;
  do await fc.assert(property, { numRuns: 10, seed: round++ });
  while (performance.now() < until);
}

/** Inputs of earlier runs that run code which no right input does. */
export function readKept(target: Target): Uint8Array[] {
  return read(join(corpora, `${target.name}.hex`));
}

/** Replaces the inputs kept for a target by the fewest of `corpus` that run as much. Returns how many those are. */
export async function keep(
  target: Target,
  corpus: readonly Uint8Array[],
  coverage: Coverage,
): Promise<number> {
  coverage.reset();
  for (const seed of target.seeds) await examine(target, seed);
  coverage.gain();
  const shortFirst = [...corpus].sort((a, b) => a.length - b.length);
  const needed = await pioneersOneByOne(target, shortFirst, coverage);
  if (needed.length === 0 && readKept(target).length === 0) return 0;
  mkdirSync(corpora, { recursive: true });
  const lines = needed.map((input) => `${Buffer.from(input).toString('hex')}\n`);
  writeFileSync(join(corpora, `${target.name}.hex`), lines.join(''));
  return needed.length;
}

/** Keeps an input for later, made as short as it can be and still break the law. */
export async function save(target: Target, offence: Offence): Promise<string> {
  const input = await shorten(target, offence.input);
  const name = createHash('sha256').update(input).digest('hex').slice(0, 16);
  mkdirSync(join(regressions, target.name), { recursive: true });
  const path = join(regressions, target.name, `${name}.hex`);
  writeFileSync(path, `${Buffer.from(input).toString('hex')}\n`);
  return path;
}

/** The inputs that broke a law of a target once. */
export function readSaved(target: Target): Uint8Array[] {
  const folder = join(regressions, target.name);
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((file) => read(join(folder, file)));
}

function read(path: string): Uint8Array[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.slice(0, -1).map((line) => Uint8Array.from(Buffer.from(line, 'hex')));
}

/** Leaves out parts, the large ones first, as long as what is left breaks a law. */
async function shorten(target: Target, input: Uint8Array): Promise<Uint8Array> {
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
    .replace(/(BEGIN|END) line for .*/, '$1 line for …')
    .replace(/SHA256:\S+/g, 'SHA256:…')
    .replace(/[0-9a-f]*\d[0-9a-f]*/g, '#')
    .slice(0, 400);
}
