import { type ArgumentRules, boolean, integer, readArguments } from '../arguments.js';
import { badArgument, kindOf, reasonOf } from '../errors.js';
import { isTransport, missingMethod, type Transport } from '../transports/transport.js';
import { type Rule, rules } from './transport-rules.js';

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
  const failures: Error[] = [];
  for (const rule of rules) {
    if (rule.needsBackPressure && !hasBackPressure) continue;
    for (const isSwapped of [false, true]) {
      const failure = await failureOf(rule, makePair, isSwapped, timeout);
      if (failure) failures.push(failure);
      if (failure) break;
    }
  }
  if (failures.length === 0) return;
  const text = failures.map(({ message }) => `- ${message}`).join('\n');
  throw new AggregateError(
    failures,
    `the transport breaks ${failures.length} of ${rules.length} rules:\n${text}`,
  );
}

async function failureOf(
  rule: Rule,
  makePair: MakePair,
  isSwapped: boolean,
  timeout: number,
): Promise<Error | undefined> {
  const [first, second] = await madeBy(makePair, timeout);
  try {
    await (isSwapped ? rule.check(second, first, timeout) : rule.check(first, second, timeout));
    return undefined;
  } catch (error) {
    const end = isSwapped ? 'second' : 'first';
    const why = reasonOf(error);
    return new Error(`${rule.name}: ${why} (as seen from the ${end} end)`, { cause: error });
  } finally {
    giveUp(first);
    giveUp(second);
  }
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
  try {
    transport.destroy();
  } catch {}
}
