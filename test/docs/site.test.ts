import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { licencePage } from '../../scripts/lib/licence-page.mjs';
import { stageDocument } from '../../scripts/lib/site.mjs';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'site-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('a document on its way to the site', () => {
  it.each([
    ['a link to a document', '[a](api.md#close)', '[a](/docs/api.md#close)\n'],
    ['a link to the README', '[a](../README.md)', '[a](/index.md)\n'],
    ['a link within the page', '[a](#here)', '[a](#here)\n'],
    ['a link to elsewhere', '[a](https://example.org/)', '[a](https://example.org/)\n'],
    ['a link in code', '`[a](api.md)`', '`[a](api.md)`\n'],
    ['a link in a block of code', '```\n[a](api.md)\n```', '```\n[a](api.md)\n```\n'],
    ['what Vue would take for its own', 'a {{ b }}', 'a &#123;&#123; b }}\n'],
    ['a part for the tests', 'a\n\n<!-- example: x\nconst a = 1;\n-->\nb', 'a\n\nb\n'],
  ])('%s', (_what, text, expected) => {
    expect(stage(text)).toBe(expected);
  });

  it('takes its images along', () => {
    const images = new Set<string>();
    expect(stage('![a](images/a.svg)', { images })).toBe('![a](/docs/images/a.svg)\n');
    expect([...images]).toEqual(['docs/images/a.svg']);
  });

  it('links to sources in the repository, and names them where there is none', () => {
    file('src/a.ts', '');
    expect(stage('[a](../src/a.ts)')).toBe('a (`src/a.ts`)\n');
    const repository = 'https://example.org/us/it';
    expect(stage('[a](../src/a.ts)', { repository })).toBe(
      '[a](https://example.org/us/it/blob/main/src/a.ts)\n',
    );
    expect(stage('[a](../src)', { repository })).toBe('[a](https://example.org/us/it/tree/main/src)\n');
  });
});

it('names the licences of all that its scripts and styles are from, and what those say of their parts', () => {
  const icons = file('theme/icons.css', '/* icons, under ISC from <example.org> */ a {}/* b */');
  file('node_modules/@one/two/package.json', '{ "name": "@one/two", "version": "1.0.0", "license": "MIT" }');
  file('node_modules/@one/two/LICENSE', 'Copyright (c) Two & Co');
  const badge = file('theme/Badge.vue', '<style>/* colours, under the MIT licence */</style>');
  const two = join(root, 'node_modules/@one/two/index.js');
  const written: { fileName: string; source: string }[] = [];
  licencePage().generateBundle.call(
    { emitFile: (asset: never) => written.push(asset) },
    {},
    {
      'a.js': { type: 'chunk', modules: { [two]: {}, '\0virtual': {} } },
      'b.js': {
        type: 'chunk',
        modules: { [icons]: {}, [`${badge}?vue&type=style&lang.css`]: {}, [`${two}?query`]: {} },
      },
      'c.svg': { type: 'asset' },
    },
  );
  expect(written[0]?.fileName).toBe('licences.html');
  expect(written[0]?.source).toContain('== @one/two 1.0.0 (MIT)\n\nCopyright (c) Two &#38; Co\n');
  expect(written[0]?.source).toMatch(
    /icons, under ISC from &#60;example.org&#62; \*\/\n\/\* colours, under the MIT licence \*\/<\/pre>/,
  );
  expect(written[0]?.source.match(/== /g)).toHaveLength(1);
});

interface Context {
  readonly images?: Set<string>;
  readonly repository?: string;
}

function stage(text: string, { images = new Set(), repository }: Context = {}): string {
  file('docs/this.md', `${text}\n`);
  const documents = ['README.md', 'docs/api.md', 'docs/this.md'];
  return stageDocument({ root, documents, images, repository }, 'docs/this.md');
}

function file(name: string, contents: string): string {
  const path = join(root, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, contents);
  expect(readFileSync(path, 'utf8')).toBe(contents);
  return path;
}
