import { badArgument, kindOf } from '../errors.js';
import { problemOf, type Rule } from './rules.js';

/** A rule for each option that a method takes. */
export type ArgumentRules<Options extends object> = {
  readonly [Name in keyof Options]-?: Rule;
};

/**
 * What a method was given as options: each member read once, checked, and no other than there are. Throws BAD_ARGUMENT,
 * for the method to do so before it begins anything.
 */
export function readArguments<Options extends object>(
  options: Options,
  rules: ArgumentRules<Options>,
  method: string,
  fail: (text: string) => Error = badArgument,
): Options {
  checkOptions(options, method, fail);
  const given: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options)) {
    const rule = Object.hasOwn(rules, name) ? rules[name as keyof Options] : undefined;
    if (rule === undefined) {
      const known = Object.keys(rules).join(', ');
      throw fail(`${method} has no option "${name}": it knows ${known}`);
    }
    if (value === undefined) continue;
    const problem = problemOf(rule, value);
    if (problem !== undefined)
      throw fail(`${name} of ${method} must be ${problem.wanted}, not ${problem.given}`);
    given[name] = value;
  }
  return given as Options;
}

/** Options are an object, and none of another kind, such as a signal that was to be the member of one. */
export function checkOptions(
  options: unknown,
  owner: string,
  fail: (text: string) => Error = badArgument,
): void {
  if (Object.prototype.toString.call(options) === '[object Object]') return;
  const hint = abortSignal.accepts(options) ? ': { signal }' : '';
  throw fail(`${owner} takes an object of options${hint}, not ${kindOf(options)}`);
}

/** An `AbortSignal`, by what it has: a test runner may have another realm's. */
export const abortSignal: Rule = {
  wanted: 'an AbortSignal',
  accepts: (value) => {
    const { aborted, addEventListener, removeEventListener } = Object(value) as Partial<AbortSignal>;
    return (
      typeof aborted === 'boolean' &&
      typeof addEventListener === 'function' &&
      typeof removeEventListener === 'function'
    );
  },
  hint: (value) =>
    typeof value === 'object' && value !== null && 'signal' in value
      ? 'an AbortSignal (the signal of this controller)'
      : undefined,
};
