import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { errorCodes } from '../../src/errors.js';
import { root } from '../helpers/pack.js';

// docs/architecture.md says where things are: in files that exist, every code of an error, every timer.

const text = readFileSync(join(root, 'docs/architecture.md'), 'utf8');
const map = text.slice(text.indexOf('## Where things are'), text.indexOf('## Adding something new'));

test('every file and folder that it names exists', () => {
  const named = [...map.matchAll(/`(src\/[^`]+)`/g)].map(([, path = '']) => path);
  expect(named.length).toBeGreaterThan(80);
  expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

test.each(errorCodes.map((code) => [code]))('%s is where it says', (code) => {
  const row = map.split('\n').find((line) => line.startsWith('|') && line.includes(`\`${code}\``)) ?? '';
  const [, , places = ''] = row.split('|');
  const paths = [...places.matchAll(/`(src\/[^`]+)`/g)].map(([, path = '']) => path);
  expect(paths.length).toBeGreaterThan(0);
  const maker = code === 'BAD_ARGUMENT' ? 'badArgument(' : `'${code}'`;
  expect(sourcesIn(paths).some((source) => source.includes(maker))).toBe(true);
});

test('every file of the library that sets a timer is named', () => {
  const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !/^(cli|testing)\//.test(name))
    .map((name) => `src/${name}`)
    .filter((name) => /\bset(Timeout|Interval)\(/.test(readFileSync(join(root, name), 'utf8')));
  expect(files.length).toBeGreaterThan(10);
  expect(files.filter((name) => !map.includes(`\`${name}\``))).toEqual([]);
});

/** The text of these files, and of those in these folders. */
function sourcesIn(paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    const place = join(root, path);
    if (!statSync(place).isDirectory()) return [readFileSync(place, 'utf8')];
    return readdirSync(place, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => readFileSync(join(place, name), 'utf8'));
  });
}
