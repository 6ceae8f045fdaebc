import { describe, expect, test } from 'vitest';
import { commands, flagTables } from '../../src/cli/commands.js';
import { UnknownOption } from '../../src/cli/shared/arguments.js';
import { withOwners } from '../../src/cli/shared/owners.js';

// Options that belong to another command: tested from the table that the commands read theirs from.

const tables = flagTables();
const labels = Object.keys(tables);
const longOptions = [...new Set(labels.flatMap((label) => Object.keys(tables[label] ?? {})))];

/** What a command says when it is run with these arguments, as the program reports it. */
async function answerOf(
  label: string,
  ...args: string[]
): Promise<{ message: string; hints: readonly string[] }> {
  const [name = '', ...side] = label.split(' ');
  const command = commands.find((one) => one.name === name);
  const words = side.map((word) => (word === '--config' ? '--config=FILE' : word));
  const error: unknown = await command?.run([...words, ...args]).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(UnknownOption);
  return withOwners(error, tables) as { message: string; hints: readonly string[] };
}

/** Options that a command refuses with a reason of its own. */
const refused = (label: string): readonly string[] =>
  ({ bridge: ['config', 'protocol'], tunnel: ['config'] })[label.split(' ')[0] ?? ''] ?? [];

describe.each(labels)('%s', (label) => {
  const own = Object.keys(tables[label] ?? {});
  const foreign = longOptions.filter((one) => !own.includes(one) && !refused(label).includes(one));

  test('says of every option that it does not have which commands have it', async () => {
    for (const option of foreign) {
      const { message } = await answerOf(label, `--${option}`);
      const [, named = '', not] = /^--[a-z-]+ is an option of (.*), not of (.*)$/.exec(message) ?? [];
      expect(not, message).toBe(label);
      for (const owner of named.split(/, | and /)) {
        const sides = labels.filter((one) => one === owner || one.startsWith(`${owner} `));
        const having = sides.filter((one) => Object.hasOwn(tables[one] ?? {}, option));
        expect(having, message).not.toEqual([]);
      }
    }
  });

  test('and is known to have those that it has', async () => {
    const { help = '' } = commands.find(({ name }) => name === label.split(' ')[0]) ?? {};
    for (const option of own) expect(help, option).toMatch(new RegExp(`--${option}[ ,\\n]`));
  });
});

test.each([
  ['tunnel client', '--any-client', '--any-client is an option of tunnel server, not of tunnel client'],
  ['bridge inward', '--server-key=x', '--server-key is an option of bridge outward, not of bridge inward'],
  ['connect', '-k', '-k is an option of listen and receive, not of connect'],
  ['known-hosts', '--carriers', '--carriers is an option of tunnel, not of known-hosts'],
  ['listen', '--any-client', '--any-client is an option of tunnel server and bridge inward, not of listen'],
  ['listen', '--config=x', '--config is an option of tunnel and bridge, not of listen'],
  ['connect', '--sevrer-key', "unknown option '--sevrer-key': did you mean --server-key?"],
  ['connect', '--frobnicate', "unknown option '--frobnicate'"],
  ['connect', '-x', "unknown option '-x'"],
  ['connect', '--constructor', "unknown option '--constructor'"],
])('%s %s', async (label, option, expected) => {
  const { message, hints } = await answerOf(label, option);
  expect(message).toBe(expected);
  expect(hints).toEqual([`secure-sockets ${label.split(' ')[0]} --help`]);
});

test('beside a configuration the hint is where to write it', async () => {
  expect(await answerOf('tunnel --config', '--carriers=2')).toMatchObject({
    message: '--carriers is an option of tunnel client and tunnel server, not of tunnel --config',
    hints: ['write it in the table of a service in FILE'],
  });
});
