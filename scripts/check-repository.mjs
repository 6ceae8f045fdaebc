// Checks that package.json states the address of the sources, in the one member `repository`: npm publish fails
// without it, before anything is sent. A dry run (npm publish --dry-run) only warns.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readArguments } from './lib/arguments.mjs';
import { repositoryProblem } from './lib/repository.mjs';

readArguments('Usage: node scripts/check-repository.mjs');
const path = fileURLToPath(new URL('../package.json', import.meta.url));
const problem = repositoryProblem(JSON.parse(readFileSync(path, 'utf8')));
if (problem !== undefined) {
  const isRehearsal = process.env.npm_config_dry_run === 'true';
  console.error(`${isRehearsal ? 'publishing would fail' : 'not published'}: ${problem}`);
  if (!isRehearsal) process.exitCode = 1;
}
