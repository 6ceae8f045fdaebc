import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { expect, test } from 'vitest';
import { readDocument } from '../helpers/documents.js';
import { readTables } from '../helpers/markdown.js';
import { root } from '../helpers/pack.js';

// A defence is tested as long as the test that docs/testing.md names for it is there.

const { text } = readDocument('docs/testing.md');

const files = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
  .map((name) => `test/${name.replaceAll('\\', '/')}`)
  .filter((name) => /\.(test|load)\.ts$/.test(name));

/** Short names that docs/testing.md explains above its tables. */
const short: Record<string, readonly string[]> = {
  servers: ['test/core/sealed/misbehaviour-resumed.test.ts'],
  clients: ['test/core/sealed/misbehaviour-resumed.test.ts'],
  sessions: ['test/sessions.test.ts'],
  whole: files.filter((name) => /^test\/resumption[^/]*$/.test(name)),
  wiping: ['test/core/sealed/resumption-wiping.test.ts'],
};

const rows = readTables(text)
  .filter(({ header }) => header[0] === 'Threat' || header[0] === 'Clause')
  .flatMap((table) => table.rows)
  .map(([what = '', ...rest]) => ({ what, tests: rest.at(-1) ?? '' }));

test('threats, and the clauses of resumption, are there', () => {
  expect(rows.length).toBeGreaterThan(55);
});

test.each(rows)('$what', ({ tests }) => {
  expect(problemsIn(tests)).toEqual([]);
});

test.each([
  ['nothing', ['it names no test']],
  ['`no-such-test`', ['no-such-test is not there']],
  ['`links`: LEAD somewhere, leads nowhere', ['"leads nowhere" is not in test/docs/links.test.ts']],
  ['`test/core`: `records`, `wiping`; `load/attacks`: slowloris (each)', []],
])('%s is judged', (cell, problems) => {
  expect(problemsIn(cell)).toEqual(problems);
});

/** What is wrong with a cell like "`a`: words, words; `b`". */
function problemsIn(cell: string): string[] {
  const parts = cell.replaceAll(/\([^)]*\)|\[[^\]]*\]/g, '').split(';');
  const problems = parts.flatMap((part) => {
    const names = [...part.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
    const missing = names.filter((name) => filesOf(name).length === 0).map((name) => `${name} is not there`);
    const all = names.flatMap(filesOf);
    const words = (part.split(/`:/)[1] ?? '').split(',').map((each) => each.trim());
    const source = all.map(sourceOf).join('\n').toLowerCase();
    const unsaid = words.filter((each) => !each.includes('`') && !source.includes(each.toLowerCase()));
    return [...missing, ...unsaid.map((each) => `"${each}" is not in ${all.join(', ')}`)];
  });
  return cell.includes('`') ? problems : ['it names no test'];
}

function filesOf(name: string): readonly string[] {
  if (Object.hasOwn(short, name)) return short[name] ?? [];
  if (name.startsWith('test/'))
    return files.filter((file) => isAt(file, name) || file.startsWith(`${name}/`));
  const inFaults = files.filter((file) => isAt(file, `test/faults/${name}`) || isAt(file, `test/${name}`));
  return inFaults.length > 0 ? inFaults : files.filter((file) => isAt(file, name));
}

/** Whether a file has this name, or ends in it, with or without what all of them end in. */
function isAt(file: string, name: string): boolean {
  const path = `/${file}`;
  return ['', '.test.ts', '.load.ts'].some((end) => path.endsWith(`/${name}${end}`));
}

/** The text of a test and of the helpers that it imports, in one line. */
function sourceOf(file: string): string {
  const source = readFileSync(join(root, file), 'utf8');
  const helpers = [...source.matchAll(/from '(\.[^']*\/helpers\/misbehav[^']*)\.js'/g)].map(([, from = '']) =>
    readFileSync(join(root, posix.join(dirname(file), `${from}.ts`)), 'utf8'),
  );
  return [source, ...helpers].join('\n').replaceAll(/\s+/g, ' ');
}
