import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { licencesIn } from '../examples/web/licences.mjs';
import { licencesOf } from '../scripts/lib/licences.mjs';
import { makeSbom } from '../scripts/lib/sbom.mjs';
import { findMisstated } from '../scripts/lib/sizes.mjs';
import { root } from './helpers/pack.js';

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

test('the SBOM has the package by its name, all that is installed with it, and nothing of its development', () => {
  const { metadata, components, dependencies } = makeSbom(root);
  expect(metadata.component).toMatchObject({ name: manifest.name, version: manifest.version });
  const names = components.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(Object.keys(manifest.dependencies)));
  expect(names).not.toContain('vitest');
  expect(names.sort()).toEqual(
    licencesOf(root)
      .map(({ name }) => name)
      .sort(),
  );
  expect(components.every(({ hashes = [] }) => hashes.length > 0)).toBe(true);
  expect(dependencies[0]?.dependsOn).toHaveLength(Object.keys(manifest.dependencies).length);
});

test('the manifest is as npm publishes it, which would otherwise correct it with a warning', () => {
  expect(Object.values(manifest.bin)).toEqual(['dist/cli.js']);
});

test('a release is stopped by sizes that README states wrongly, or not at all', () => {
  const row = '| `one` | 208 kB | 81 kB |\n| `one/two` | 12.8 kB | 4.6 kB |';
  expect(
    findMisstated(row, {
      one: { minified: 211_000, gzip: 80_000 },
      'one/two': { minified: 13_000, gzip: 4700 },
    }),
  ).toEqual([]);
  expect(findMisstated(row, { one: { minified: 224_000, gzip: 81_000 } })).toEqual([
    'one: 224.0 kB minified, 81.0 kB compressed',
  ]);
  expect(findMisstated(row, { other: { minified: 1, gzip: 1 } })).toHaveLength(1);
});

test('what is bundled into a page has its licences beside it', () => {
  const inputs = ['node-forge/lib/rsa.js', 'node-forge/lib/aes.js', '@noble/curves/ed25519.js'];
  const text = licencesIn([
    join(root, 'src/index.ts'),
    ...inputs.map((path) => join(root, 'node_modules', path)),
  ]);
  expect(text.match(/^== \S+/gm)).toEqual(['== @noble/curves', '== node-forge']);
  expect(text).toContain('Copyright (c) 2022 Paul Miller');
  expect(text).toContain('Redistribution and use in source and binary forms');
  expect(() => licencesIn([join(root, 'node_modules/.bin/x')])).toThrow();
});
