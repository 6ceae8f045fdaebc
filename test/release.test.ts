import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { licencesOf } from '../scripts/lib/licences.mjs';
import { makeSbom } from '../scripts/lib/sbom.mjs';
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
