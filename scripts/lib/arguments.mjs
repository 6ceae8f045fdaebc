import { parseArgs } from 'node:util';

/**
 * What a script was given: `values` of its options, and `positionals` if it takes any. `--help` prints the usage, and what it
 * does not know prints it too: then nothing else is done. `options` are those of `parseArgs`.
 */
export function readArguments(usage, options = {}, allowPositionals = false) {
  const known = { ...options, help: { type: 'boolean', short: 'h' } };
  try {
    const { values, positionals } = parseArgs({ options: known, allowPositionals });
    if (!values.help) return { values, positionals };
  } catch (error) {
    stop(`${error.message}\n\n${usage}`);
  }
  console.log(usage);
  process.exit(0);
}

/** Ends the script, which was used wrongly. */
export function stop(text) {
  console.error(text);
  process.exit(2);
}
