// The package as it is installed, and bundles of it for browsers.

import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { type Esbuild, esbuild } from './esbuild.js';
import { installPackage, outcomeOf, type Project, root, spawnNode } from './pack.js';

export function bundle(
  contents: string,
  resolveDir: string,
  more: object = {},
): ReturnType<Esbuild['build']> {
  return esbuild.build({
    ...{
      stdin: { contents, resolveDir },
      absWorkingDir: resolveDir,
      outdir: 'out',
      write: false,
      metafile: true,
    },
    ...{ bundle: true, splitting: true, format: 'esm', platform: 'browser', logLevel: 'silent', ...more },
  });
}

export let project: Project;

beforeAll(async () => {
  const check = await outcomeOf(spawnNode(tmpdir(), [join(root, 'scripts/ensure-install.mjs'), '--check']));
  expect(check.code, `${check.stderr.trim()} has to be run first`).toBe(0);
  project = await installPackage();
}, 120_000);

afterAll(() => project?.remove());
