import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from './helpers/pack.js';
import { fileProblem, functionProblems, MAX_FILE, MAX_FUNCTION } from './helpers/size-rules.js';

test('a file has a size to read, or its first comment says why it is one file', () => {
  const files = filesIn(
    ['src', 'backends', 'test', 'scripts', 'bench', 'examples', 'site'],
    /\.(ts|[cm]?js|py)$/,
  );
  expect(files.length).toBeGreaterThan(500);
  expect(files.flatMap((file) => fileProblem(file, read(file)) ?? [])).toEqual([]);
});

test('functions of the library are short', () => {
  const files = filesIn(['src', 'backends'], /\.ts$/);
  expect(files.length).toBeGreaterThan(200);
  expect(files.flatMap((file) => functionProblems(file, read(file)))).toEqual([]);
});

const long = 'f();\n'.repeat(MAX_FILE + 1);

test.each([
  ['no comment', long],
  ['a comment that says something else', `// About letters.\n${long}`],
  ['a comment that is not the first', `f();\n// One file, because it is small.\n${long}`],
])('a long file with %s is found', (_, text) => {
  expect(fileProblem('a.ts', text)).toMatch(/^a\.ts has 30\d lines/);
});

test.each([
  ['a short file', 'f();\n'.repeat(MAX_FILE)],
  ['a line of it', `// Letters. One file, because there are few.\n${long}`],
  ['a line further down, cut in two', `/**\n * Letters. One\n * file, because.\n */\n${long}`],
  ['a docstring', `"""Letters.\n\nOne file, because.\n"""\n${long}`],
  ['a comment behind the name of the interpreter', `#!/usr/bin/env node\n// One file, because.\n${long}`],
])('a file is not found for %s', (_, text) => {
  expect(fileProblem('a.ts', text)).toBeUndefined();
});

const body = (lines: number): string => ` {\n${'  f();\n'.repeat(lines - 2)}}`;

test.each([
  ['f', `function f()${body(MAX_FUNCTION + 1)}`],
  ['#f', `class A { #f()${body(MAX_FUNCTION + 1)} }`],
  ['a function without a name', `const f = () =>${body(MAX_FUNCTION + 1)};`],
])('a long function is found: %s', (name, text) => {
  expect(functionProblems('a.ts', text)).toEqual([`a.ts: ${name} has ${MAX_FUNCTION + 1} lines`]);
  expect(functionProblems('a.ts', text.replace('  f();\n', ''))).toEqual([]);
});

function filesIn(folders: readonly string[], pattern: RegExp): string[] {
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => pattern.test(name) && !/(^|\/)(node_modules|dist|content)\//.test(name))
      .map((name) => `${folder}/${name}`),
  );
}

function read(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}
