import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { repositoryProblem } from '../scripts/lib/repository.mjs';
import { root } from './helpers/pack.js';

const repository = 'git+https://git.example/someone/secure-sockets.git';
const page = 'https://git.example/someone/secure-sockets';

test.each([
  ['no repository', {}, 'fill in "repository"'],
  ['an empty one', { repository: '' }, 'fill in "repository"'],
  ['an object without an address', { repository: {} }, 'fill in "repository"'],
  ['what is no address of git', { repository: page }, 'of the form'],
  ['a homepage elsewhere', { repository, homepage: 'https://other.example/' }, '"homepage"'],
  ['bugs elsewhere', { repository, bugs: { url: 'https://other.example/' } }, '"bugs"'],
])('a manifest with %s is not published', (_, manifest, text) => {
  expect(repositoryProblem(manifest)).toContain(text);
});

test.each([
  [{ repository }],
  [{ repository: { url: repository } }],
  [{ repository, homepage: `${page}#readme`, bugs: `${page}/issues` }],
])('a manifest that says where its sources are is: %j', (manifest) => {
  expect(repositoryProblem(manifest)).toBeUndefined();
});

test('publishing fails as long as package.json does not say it, and a rehearsal tells so', () => {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const problem = repositoryProblem(manifest);
  const run = (dryRun: string): ReturnType<typeof spawnSync> =>
    spawnSync(process.execPath, [join(root, 'scripts/check-repository.mjs')], {
      encoding: 'utf8',
      env: { ...process.env, npm_config_dry_run: dryRun },
    });
  expect(run('').status).toBe(problem === undefined ? 0 : 1);
  expect(run('true').status).toBe(0);
  if (problem !== undefined) expect(run('true').stderr).toContain(problem);
  expect(manifest.scripts.prepublishOnly).toContain('scripts/check-repository.mjs');
});
