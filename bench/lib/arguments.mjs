import { parseArgs } from 'node:util';

/**
 * The value of each option; prints the usage and exits if they are wrong. `options` are those of `parseArgs`, each
 * with a `default`.
 */
export function readArguments(usage, options) {
  try {
    const { values } = parseArgs({ options: { ...options, help: { type: 'boolean', short: 'h' } } });
    if (!values.help) return values;
    console.log(usage);
    process.exit(0);
  } catch (error) {
    stop(`${error.message}\n\n${usage}`);
  }
}

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

function stop(text) {
  console.error(text);
  process.exit(2);
}
