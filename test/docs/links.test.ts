import { existsSync, statSync } from 'node:fs';
import { posix } from 'node:path';
import { expect, test } from 'vitest';
import { allDocuments, type Document } from '../helpers/documents.js';
import { readHeadings, readLinks } from '../helpers/markdown.js';
import { root } from '../helpers/pack.js';

const documents = allDocuments();

test.each(documents)('the links of $name lead somewhere', (document) => {
  expect(linkProblems(document, documents)).toEqual([]);
});

test('README.md is among the documents', () => {
  expect(documents.map(({ name }) => name)).toContain('README.md');
});

test.each([
  ['[a](docs/missing.md)', 'README.md:1 docs/missing.md is not there'],
  ['[a](docs/other.md#three)', 'README.md:1 docs/other.md has no heading #three'],
  ['[a](#nowhere)', 'README.md:1 README.md has no heading #nowhere'],
  ['[a](/docs/other.md)', 'README.md:1 /docs/other.md is absolute'],
  ['[a](http://example.org/)', 'README.md:1 http://example.org/ is neither relative nor https'],
  ['[a](../outside.md)', 'README.md:1 ../outside.md leaves the repository'],
])('%s is found out', (text, problem) => {
  const other = { name: 'docs/other.md', text: '# One\n\n## Two\n' };
  expect(linkProblems({ name: 'README.md', text }, [other])).toEqual([problem]);
});

test('links that lead somewhere pass', () => {
  const text =
    '# Two words\n[a](#two-words) [b](package.json) [c](other.md#one) [d](https://example.org/a#b) [e](../src)';
  const others = [{ name: 'docs/other.md', text: '# One' }];
  expect(linkProblems({ name: 'docs/this.md', text: text.replace('package', '../package') }, others)).toEqual(
    [],
  );
});

function linkProblems(document: Document, others: readonly Document[]): string[] {
  return readLinks(document.text).flatMap(({ line, target }) => {
    const problem = linkProblem(document, target, others);
    return problem ? [`${document.name}:${line} ${problem}`] : [];
  });
}

function linkProblem(from: Document, target: string, others: readonly Document[]): string | undefined {
  if (target.startsWith('https://') || target.startsWith('mailto:')) return undefined;
  if (/^[\w+.-]+:/.test(target)) return `${target} is neither relative nor https`;
  if (target.startsWith('/')) return `${target} is absolute`;
  const [path = '', anchor] = target.split('#');
  const file = path === '' ? from.name : posix.join(posix.dirname(from.name), path);
  if (file.startsWith('..')) return `${target} leaves the repository`;
  const known = file === from.name ? from : others.find(({ name }) => name === file);
  if (!known && !existsSync(root + file)) return `${file} is not there`;
  if (anchor === undefined) return undefined;
  if (!known) return statSync(root + file).isFile() ? undefined : `${file} has no headings`;
  return readHeadings(known.text).some((heading) => heading.anchor === anchor)
    ? undefined
    : `${file} has no heading #${anchor}`;
}
