import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import type { OptionRow } from '../../src/options/table.js';
import { backends } from './backends.js';
import { visitNodes } from './imports.js';
import { readTables } from './markdown.js';

/** What a document says of an option, markup apart. */
export interface DocumentedOption {
  readonly name: string;
  readonly default: string;
  readonly range: string;
  /** `'sealed'` or `'classic'` if its description begins with that it belongs to one. */
  readonly only: string | undefined;
}

type Table = Readonly<Record<string, OptionRow<unknown>>>;

/** The rows of the tables headed `Option`, table by table. */
export function readOptions(markdown: string): DocumentedOption[][] {
  return readTables(markdown)
    .filter(({ header }) => header[0] === 'Option')
    .map(({ rows }) => rows.map(readOption));
}

function readOption([name = '', byDefault = '', range = '', text = '']: readonly string[]): DocumentedOption {
  const only = /^(Sealed|Classic) only\./.exec(text)?.[1]?.toLowerCase();
  return { name: plain(name), default: plain(byDefault), range: plain(range), only };
}

/** Text without the markup of code and links, and with one kind of quotes. */
function plain(cell: string): string {
  return cell
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replaceAll('`', '')
    .replaceAll('"', "'");
}

/** The same, as the table of options has it. */
export function optionsOf(table: Table): DocumentedOption[] {
  return Object.entries(table).map(([name, row]) => ({
    name,
    default: plain(defaultOf(row)),
    range: plain(rangeOf(row)),
    only: row.only,
  }));
}

function rangeOf({ rule, classic }: OptionRow<unknown>): string {
  const show = shorten(rule.wanted);
  return classic ? `${show}; classic: ${shorten(classic.rule.wanted)}` : show;
}

function shorten(wanted: string): string {
  return wanted
    .replace(/^a whole number of (\w+) from (.*) to (\d+)(?=$|,)/, '$1, $2 to $3')
    .replace(/^milliseconds/, 'ms')
    .replace(/^a function |^one of /, '');
}

function defaultOf(row: OptionRow<unknown>): string {
  if (row.shown !== undefined) return row.shown;
  if (row.default === undefined) return 'none';
  const inClassic = row.classic?.default;
  return inClassic === undefined ? byBackend(row) : `${byBackend(row)}; classic: ${show(inClassic, row)}`;
}

/** The default, and that of the backends with which it is another. */
function byBackend(row: OptionRow<unknown>): string {
  const value: unknown = row.default;
  if (typeof value !== 'function') return show(value, row);
  const withEach = backends.map((backend) => ({ name: backend.name, text: show(value({}, backend), row) }));
  const [{ text: first } = { text: '' }] = withEach;
  const others = withEach.filter(({ text }) => text !== first);
  const [other] = others;
  if (other === undefined) return first;
  return `${first}; ${other.text} on ${others
    .map(({ name }) => name)
    .join(', ')
    .replace(/, (?=[^,]*$)/, ' and ')}`;
}

function show(value: unknown, { rule }: OptionRow<unknown>): string {
  if (typeof value === 'string') return `'${value}'`;
  const zero = / from 0 \((\w+)\)/.exec(rule.wanted)?.[1];
  if (value === 0 && zero !== undefined) return `0 (${zero})`;
  if (typeof value !== 'number') return String(value);
  if (value >= 2 ** 20 && value % 2 ** 20 === 0) return `${value} (${value / 2 ** 20} MiB)`;
  return value >= 3_600_000 ? `${value} (${value / 3_600_000} h)` : String(value);
}

/** The sentences of the interfaces of options, by interface and option. */
export function optionSentences(): ReadonlyMap<string, ReadonlyMap<string, string>> {
  const path = fileURLToPath(new URL('../../src/options/options.ts', import.meta.url));
  const found = new Map<string, Map<string, string>>();
  visitNodes(path, readFileSync(path, 'utf8'), (node) => {
    if (!ts.isInterfaceDeclaration(node)) return;
    const members = node.members.filter(ts.isPropertySignature);
    found.set(node.name.text, new Map(members.map((one) => [one.name.getText(), sentenceOf(one)])));
  });
  return found;
}

function sentenceOf(member: ts.PropertySignature): string {
  return ts
    .getJSDocCommentsAndTags(member)
    .map((one) => one.getText().replace(/\s*\n\s*\*\s*/g, ' '))
    .join(' ');
}
