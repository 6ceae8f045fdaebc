import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Identity, SecureClient, SecureServer } from 'secure-sockets';
import { describe, expect, test } from 'vitest';
import { errorCodes } from '../../src/errors.js';
import { readDocument } from '../helpers/documents.js';
import { readHeadings, readTables } from '../helpers/markdown.js';

describe('docs/api.md', () => {
  test('has a heading for every error code, and for no other', () => {
    expect(readCodes(readDocument('docs/api.md').text)).toEqual([...errorCodes].sort());
  });
});

test('docs/api.md has a row for every warning, and for no other', () => {
  const rows = readTables(readDocument('docs/api.md').text).filter(({ header }) => header[1] === 'When');
  const documented = rows.flatMap(({ rows }) => rows.map(([first = '']) => first.replaceAll('`', '')));
  const used = sources().flatMap((text) => text.match(/(?<=')SECURE_SOCKETS_[A-Z_]+(?=')/g) ?? []);
  expect(documented.sort()).toEqual([...new Set(used)].sort());
});

function sources(): string[] {
  const folder = fileURLToPath(new URL('../../src', import.meta.url));
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return files.filter((file) => file.endsWith('.ts')).map((file) => readFileSync(join(folder, file), 'utf8'));
}

test('docs/api.md has every member of the classes', () => {
  const { text } = readDocument('docs/api.md');
  const classes = [SecureServer.prototype, SecureClient.prototype, Identity.prototype];
  const members = classes.flatMap(membersOf);
  const missing = members.filter((name) => name !== 'constructor' && !text.includes(`\`${name}`));
  expect(missing).toEqual([]);
});

test('codes are the headings that are one, or look like one', () => {
  const text = '# API\n## `BAD_KEY`\n### CLOSED\n## A heading with BAD_KEY in it\n## `NO_MORE`\n';
  expect(readCodes(text)).toEqual(['BAD_KEY', 'CLOSED', 'NO_MORE']);
});

/** Those of the classes it extends, too. */
function membersOf(prototype: object): string[] {
  const above = Object.getPrototypeOf(prototype);
  const own = Object.getOwnPropertyNames(prototype);
  return above === Object.prototype ? own : [...own, ...membersOf(above)];
}

function readCodes(markdown: string): string[] {
  const known: ReadonlySet<string> = new Set(errorCodes);
  const headings = readHeadings(markdown).map(({ text }) => text);
  return headings.filter((text) => known.has(text) || /^[A-Z]+(_[A-Z]+)+$/.test(text)).sort();
}
