import { readArguments as read, stop } from '../../scripts/lib/arguments.mjs';

/** The value of each option, given or its `default`. */
export const readArguments = (usage, options) => read(usage, options).values;

/** A list of names, checked against the known ones; `undefined` gives all of them. */
export function choose(what, given, known) {
  if (given === undefined) return known;
  const names = given.split(',');
  const wrong = names.find((name) => !known.includes(name));
  if (wrong !== undefined) stop(`there is no ${what} "${wrong}"; there are ${known.join(', ')}`);
  return names;
}

/** Reads a number. */
export function positive(what, given) {
  const value = Number(given);
  if (value > 0) return value;
  return stop(`--${what} takes a number above 0, not ${given}`);
}
