import { badArgument, kindOf, quote } from './errors.js';

/** What a value of an option or argument has to be. */
export interface Rule {
  /** In words, as error texts and docs/api.md have them. */
  readonly wanted: string;
  readonly accepts: (value: unknown) => boolean;
  /** Words that are nearer to a value that is wrong. */
  readonly hint?: (value: unknown) => string | undefined;
}

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
    if (rule === undefined) throw fail(unknownName(`${method} has no option`, name, Object.keys(rules)));
    if (value === undefined) continue;
    const problem = problemOf(rule, value);
    if (problem !== undefined)
      throw fail(`${name} of ${method} must be ${problem.wanted}, not ${problem.given}`);
    given[name] = value;
  }
  return given as Options;
}

/**
 * Options are an object, and none of another kind, such as a signal that was to be the member of one. What it inherits is
 * not read, so it must inherit nothing: a server must not overlook who is let in because a class has it as a getter.
 */
export function checkOptions(
  options: unknown,
  owner: string,
  fail: (text: string) => Error = badArgument,
): void {
  const isObject = Object.prototype.toString.call(options) === '[object Object]';
  if (isObject && !isInheriting(options as object)) return;
  const hint = isObject ? ', none of them inherited' : abortSignal.accepts(options) ? ': { signal }' : '';
  throw fail(`${owner} takes an object of options${hint}, not ${kindOf(options)}`);
}

function isInheriting(options: object): boolean {
  const from: object | null = Object.getPrototypeOf(options);
  // the last prototype, which every object has
  if (from === null || Object.hasOwn(from, 'isPrototypeOf')) return false;
  return Object.getOwnPropertyNames(from).some((name) => name !== 'constructor') || isInheriting(from);
}

/** The known name that was most likely meant. */
type Nearest = (name: string, known: readonly string[]) => string | undefined;

let nearest: Nearest | undefined;

/** Has mistakes recognised, where the size of the code does not matter: not in a page. */
export function recogniseBy(find: Nearest): void {
  nearest = find;
}

/** The error text for a name that there is not: `what` says of what. */
export function unknownName(what: string, name: string, known: readonly string[]): string {
  const near = nearest?.(name, known);
  return `${what} ${quote(name)}: ${near === undefined ? `it knows ${known.join(', ')}` : `did you mean ${near}?`}`;
}

/**
 * Refuses a second argument. Ignored, an address as of `net` or the options of a server would let in who is not meant to.
 */
export function refuseMore(call: string, more: readonly unknown[], remedy: string): void {
  if (more.length > 0) throw badArgument(`${call} takes one argument, not ${more.length + 1}: ${remedy}`);
}

/** A literal has no member but the known ones, or it would be overlooked; an object of a class has what it likes. */
export function checkMembers(
  value: object,
  known: readonly string[],
  owner: string,
  fail: (text: string) => Error = badArgument,
): void {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) return;
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  if (unknown !== undefined) throw fail(unknownName(`${owner} has no`, unknown, known));
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

/** Whether a value is a URL, likewise. */
export function isUrl(value: unknown): value is URL {
  return Object.prototype.toString.call(value) === '[object URL]';
}

/** A whole number within bounds; `zero` says what 0 means. */
export function integer(min: number, max: number, unit?: string, zero?: string): Rule {
  const what = unit === undefined ? 'a whole number' : `a whole number of ${unit}`;
  return {
    wanted: `${what} from ${min}${zero === undefined ? '' : ` (${zero})`} to ${max}`,
    accepts: (value) => Number.isInteger(value) && (value as number) >= min && (value as number) <= max,
  };
}

/** One of a few values. */
export function oneOf(...values: readonly (string | number)[]): Rule {
  return {
    wanted: `one of ${values.map(show).join(', ')}`,
    accepts: (value) => values.includes(value as never),
  };
}

/** Text that says something. */
export const text: Rule = { wanted: 'text', accepts: isText };

/** True or false. */
export const boolean: Rule = { wanted: 'true or false', accepts: (value) => typeof value === 'boolean' };

/** A function. */
export function callback(signature: string): Rule {
  return { wanted: `a function ${signature}`, accepts: (value) => typeof value === 'function' };
}

/** Text, the empty one too. */
export const anyText: Rule = { wanted: 'text', accepts: (value) => typeof value === 'string' };

/** Checked where it is used. */
export const anything: Rule = { wanted: 'anything', accepts: () => true };

/** What a wrong value should have been, and what it is; `undefined` for one that is right. */
export function problemOf(rule: Rule, value: unknown): { wanted: string; given: string } | undefined {
  if (rule.accepts(value)) return undefined;
  return { wanted: rule.hint?.(value) ?? rule.wanted, given: show(value) };
}

/** Text that says something. */
export function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

/** A value as an error text shows it: short, and no object's content. */
export function show(value: unknown): string {
  if (typeof value === 'string')
    return value.length > 40 ? `a string of ${value.length} characters` : quote(value);
  if (Array.isArray(value)) return showArray(value);
  return typeof value === 'object' || typeof value === 'function' ? kindOf(value) : String(value);
}

function showArray(values: readonly unknown[]): string {
  if (values.length === 0) return 'an empty array';
  const shown = values.slice(0, 3).map((one) => (Array.isArray(one) ? 'an array' : show(one)));
  return `an array of ${[...shown, ...(values.length > 3 ? ['more'] : [])].join(', ')}`;
}
