import { type ArgumentRules, boolean, integer, readArguments } from '../arguments.js';
import { badArgument, kindOf, reasonOf } from '../errors.js';
import { isTransport, missingMethod, type Transport } from '../transports/transport.js';
import { pause, recorderOf } from './recorder.js';
import { QUIET, type Rule, rules } from './transport-rules.js';

/** Makes two connected transports that have not been started. */
export type MakePair = () => readonly [Transport, Transport] | Promise<readonly [Transport, Transport]>;

/** What a transport may lack, and how long it may take. */
export interface CheckTransportOptions {
  /** Whether an end that does not read makes the other wait. Default true. */
  readonly hasBackPressure?: boolean | undefined;
  /** How long anything may take that has to happen, in milliseconds. Default 5000. */
  readonly timeout?: number | undefined;
}

const optionRules: ArgumentRules<CheckTransportOptions> = {
  hasBackPressure: boolean,
  timeout: integer(1, 2 ** 31 - 1, 'milliseconds'),
};

/**
 * Checks that transports keep what a connection relies on, each rule with a pair of its own; either end of a pair has
 * to keep them. For the tests of a transport of your own, in any test runner.
 *
 * Rejects with an `AggregateError` that names every rule broken, and has an error for each.
 */
export async function checkTransport(makePair: MakePair, options: CheckTransportOptions = {}): Promise<void> {
  const { hasBackPressure = true, timeout = 5000 } = readArguments(options, optionRules, 'checkTransport()');
  if (typeof makePair !== 'function')
    throw badArgument(`checkTransport() takes a function that makes two transports, not ${kindOf(makePair)}`);
  const trials: Trial[] = [];
  for (const rule of rules) {
    if (rule.needsBackPressure && !hasBackPressure) continue;
    for (const isSwapped of [false, true]) {
      const trial = await tryRule(rule, makePair, isSwapped, timeout);
      trials.push(trial);
      if (trial.failure) break;
    }
  }
  await pause(QUIET);
  const failures = [...failuresByRule(trials).values()];
  if (failures.length === 0) return;
  const text = failures.map(({ message }) => `- ${message}`).join('\n');
  throw new AggregateError(
    failures,
    `the transport breaks ${failures.length} of ${rules.length} rules:\n${text}`,
  );
}

/** A rule, tried with a pair of its own. */
interface Trial {
  readonly rule: Rule;
  readonly isSwapped: boolean;
  readonly ends: readonly [Transport, Transport];
  readonly failure: Error | undefined;
}

async function tryRule(rule: Rule, makePair: MakePair, isSwapped: boolean, timeout: number): Promise<Trial> {
  const ends = await madeBy(makePair, timeout);
  const [first, second] = ends;
  let failure: Error | undefined;
  try {
    await (isSwapped ? rule.check(second, first, timeout) : rule.check(first, second, timeout));
  } catch (error) {
    failure = failureOf(rule, isSwapped, error);
  }
  for (const end of ends) giveUp(end);
  return { rule, isSwapped, ends, failure };
}

/** What is reported late, when a rule seemed to be kept, breaks it too. */
function failuresByRule(trials: readonly Trial[]): Map<Rule, Error> {
  const failures = new Map<Rule, Error>();
  for (const trial of trials) {
    const failure = trial.failure ?? lateFailure(trial);
    if (failure && !failures.has(trial.rule)) failures.set(trial.rule, failure);
  }
  return failures;
}

function lateFailure({ rule, isSwapped, ends }: Trial): Error | undefined {
  try {
    for (const end of ends) recorderOf(end)?.verify();
    return undefined;
  } catch (error) {
    return failureOf(rule, isSwapped, error);
  }
}

function failureOf({ name }: Rule, isSwapped: boolean, error: unknown): Error {
  const end = isSwapped ? 'second' : 'first';
  return new Error(`${name}: ${reasonOf(error)} (as seen from the ${end} end)`, { cause: error });
}

async function madeBy(makePair: MakePair, timeout: number): Promise<readonly [Transport, Transport]> {
  const pair: unknown = await new Promise((resolve, reject) => {
    const late = new Error(`makePair() gave no transports within ${timeout} ms`);
    const timer = setTimeout(() => reject(late), timeout);
    const made = (async () => makePair())().finally(() => clearTimeout(timer));
    made.then(resolve, reject);
  });
  const [first, second] = Array.isArray(pair) ? pair : [];
  for (const end of [first, second]) checkMethods(end);
  if (first === second) throw badArgument('makePair() must give two transports, and gave one twice');
  return [first, second];
}

function checkMethods(end: unknown): void {
  if (!isTransport(end)) throw badArgument(`makePair() must give [Transport, Transport], not ${kindOf(end)}`);
  const missing = missingMethod(end);
  if (missing !== undefined) throw badArgument(`a Transport of makePair() needs a method ${missing}()`);
}

/** Rules have found already what it throws: `destroy` is called in several. */
function giveUp(transport: Transport): void {
  recorderOf(transport)?.forget();
  try {
    transport.destroy();
  } catch {}
}
