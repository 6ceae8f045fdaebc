import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from '../helpers/pack.js';

// What a reader has to know before relying on the package stands wherever such a reader begins.

const read = (name: string): string => readFileSync(join(root, name), 'utf8').replace(/\s+/g, ' ');
const { version } = JSON.parse(read('package.json'));

test.each(['README.md', 'SECURITY.md', 'docs/protocol.md'])('%s says what stands in for an audit', (name) => {
  const text = read(name);
  const at = text.search(/\b(not|neither) [^.]*\baudited by a third party\b/i);
  expect(at).toBeGreaterThan(0);
  const status = text.slice(at, at + 900);
  expect(status).toMatch(/stands in for an audit/);
  for (const what of [/\bmodel\b/, /\bvectors\b/, /\bfuzzing\b/]) expect(status).toMatch(what);
});

test('README names the version that this is', () => {
  expect(read('README.md')).toContain(`Version ${version},`);
});
