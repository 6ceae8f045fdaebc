import { describe, expect, test } from 'vitest';
import { serverTable } from '../../src/options/server-table.js';
import { clientTable, commonTable, type OptionRow } from '../../src/options/table.js';
import { readDocument } from '../helpers/documents.js';
import { optionSentences, optionsOf, readOptions } from '../helpers/option-rows.js';

type Table = Readonly<Record<string, OptionRow<unknown>>>;

/** The rows of a table that are not those of both ends. */
function beside(table: Table): Table {
  return Object.fromEntries(Object.entries(table).filter(([name]) => !(name in commonTable)));
}

const ends: [name: string, table: Table][] = [
  ['both ends', commonTable as Table],
  ['a client', beside(clientTable as Table)],
  ['a server', beside(serverTable as Table)],
];

describe('docs/api.md says of the options', () => {
  const documented = readOptions(readDocument('docs/api.md').text);

  test.each(ends.map(([name], index) => [name, index] as const))('of %s what the table says', (_, index) => {
    const table = ends[index]?.[1] as Table;
    expect(documented[index]).toEqual(optionsOf(table));
  });

  test('nothing in another table', () => {
    expect(documented).toHaveLength(ends.length);
  });
});

describe('the sentence of each option', () => {
  const sentences = optionSentences();
  const cases = [
    ['both ends', ['Shared', 'SealedOnly', 'ClassicOnly', 'Common'], commonTable],
    ['a client', ['SharedClient', 'PortableSealedClient', 'SealedClient', 'ClassicClient'], clientTable],
    ['a server', ['SharedServer', 'PortableSealedServer', 'SealedServer'], serverTable],
  ] as [string, string[], Table][];
  const rows = cases.flatMap(([end, owners, table]) =>
    Object.entries(table === commonTable ? table : beside(table)).map(
      ([name, row]) => [end, name, owners, row] as const,
    ),
  );

  test.each(rows)('%s: %s tells its default and its protocol', (_, name, owners, row) => {
    const [sentence, ...others] = owners.flatMap(
      (owner) => sentences.get(`${owner}Options`)?.get(name) ?? [],
    );
    expect(sentence).toBeDefined();
    expect(others).toEqual([]);
    const only = /\b(Sealed|Classic) only\./.exec(sentence ?? '')?.[1]?.toLowerCase();
    expect(only).toBe(row.only);
    const values = [row.default, row.classic?.default].filter(isPlain);
    for (const value of values) expect(sentence).toMatch(mentions(value));
  });
});

/** A default that a sentence can tell. */
function isPlain(value: unknown): boolean {
  return ['number', 'string', 'boolean'].includes(typeof value) && value !== Number.POSITIVE_INFINITY;
}

function mentions(value: unknown): RegExp {
  return typeof value === 'string'
    ? new RegExp(`'${value}'\\W+default`, 'i')
    : new RegExp(`Default [^.]*\\b${value}\\b`);
}

test('a document that differs is found out', () => {
  const rows =
    '| Option | Default | Unit, range | |\n|---|---|---|---|\n| `a` | 5 | ms, 1 to 9 | Sealed only. Text. |\n';
  expect(readOptions(rows)).toEqual([[{ name: 'a', default: '5', range: 'ms, 1 to 9', only: 'sealed' }]]);
  const integer = { wanted: 'a whole number of milliseconds from 1 to 9', accepts: () => true };
  const table = { a: { rule: integer, default: 6 } } as unknown as Table;
  expect(optionsOf(table)).toEqual([{ name: 'a', default: '6', range: 'ms, 1 to 9', only: undefined }]);
});
