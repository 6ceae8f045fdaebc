import { badArgument, kindOf } from '../errors.js';
import { type Rule, show } from './rules.js';

/** A rule for each option that a method takes. */
export type ArgumentRules<Options extends object> = {
  readonly [Name in keyof Options]-?: Rule['validate'];
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
  checkOptions(options, method);
  const given: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options)) {
    const validate = Object.hasOwn(rules, name) ? rules[name as keyof Options] : undefined;
    if (validate === undefined) {
      const known = Object.keys(rules).join(', ');
      throw fail(`${method} has no option "${name}": it knows ${known}`);
    }
    if (value === undefined) continue;
    const wanted = validate(value);
    if (wanted !== undefined) throw fail(`${name} of ${method} must be ${wanted}, not ${show(value)}`);
    given[name] = value;
  }
  return given as Options;
}

/** Options are an object. Throws BAD_ARGUMENT. */
export function checkOptions(options: unknown, method: string): void {
  if (typeof options !== 'object' || options === null)
    throw badArgument(`${method} takes an object of options, not ${kindOf(options)}`);
}

/** An `AbortSignal`, by what it has: a test runner may have another realm's. */
export function abortSignal(value: unknown): string | undefined {
  const { aborted, addEventListener, removeEventListener } = Object(value) as Partial<AbortSignal>;
  const isSignal =
    typeof aborted === 'boolean' &&
    typeof addEventListener === 'function' &&
    typeof removeEventListener === 'function';
  if (isSignal) return undefined;
  const isController = typeof value === 'object' && value !== null && 'signal' in value;
  return isController ? 'an AbortSignal (the signal of this controller)' : 'an AbortSignal';
}
