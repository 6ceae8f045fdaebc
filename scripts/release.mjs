// Everything before the last step of a release: npm run release. It publishes nothing. What it makes is in
// reports/release: the tarball, its hash, an SBOM, the licences of what is installed with it, sizes.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readArguments } from './lib/arguments.mjs';
import { findRefused, licencesOf } from './lib/licences.mjs';
import { repositoryProblem } from './lib/repository.mjs';
import { root } from './lib/root.mjs';
import { run } from './lib/run.mjs';
import { makeSbom } from './lib/sbom.mjs';
import { entriesOf, findMisstated, sizeOf } from './lib/sizes.mjs';

const out = join(root, 'reports/release');
const usage = `Usage: npm run release -- [options]

  --skip-tests  leave out the test suite, which takes minutes
  --allow-dirty  go on with uncommitted changes; the tarball is of the last commit all the same`;

const { values } = readArguments(usage, {
  'skip-tests': { type: 'boolean', default: false },
  'allow-dirty': { type: 'boolean', default: false },
});
await release();

async function release() {
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  step('the checkout', checkCheckout);
  step('checks', runChecks);
  if (!values['skip-tests']) step('tests', () => run(root, 'npm', 'test'));
  const hash = step('two builds of the last commit, each in an empty folder', buildTwice);
  step('SBOM', writeSbom);
  step('licences', writeLicences);
  await step('sizes', writeSizes);
  step('publishing, without doing it', () =>
    run(root, 'npm', 'publish', '--dry-run', '--tag', tagOf(manifest().version)),
  );
  console.log(`\nready: ${out}\nsha256 ${hash}`);
  const problem = repositoryProblem(manifest());
  if (problem !== undefined) console.log(`before the last step: ${problem}`);
  console.log('the last step is the release job: it runs npm publish with an identity token, for provenance');
}

function step(name, work) {
  console.log(`\n== ${name}`);
  return work();
}

function manifest() {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
}

function checkCheckout() {
  const { version } = manifest();
  const changelog = readFileSync(join(root, 'CHANGELOG.md'), 'utf8');
  if (!changelog.includes(`## ${version}`)) throw new Error(`CHANGELOG.md has no heading "## ${version}"`);
  const changed = execFileSync('git', ['status', '--porcelain'], { cwd: root, encoding: 'utf8' }).trim();
  if (changed !== '' && !values['allow-dirty']) throw new Error(`there are uncommitted changes:\n${changed}`);
  console.log(`version ${version}, commit ${commit()}`);
}

function commit() {
  return execFileSync('git', ['rev-parse', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim();
}

function runChecks() {
  for (const name of [
    'lint',
    'typecheck',
    'build',
    'check:package',
    'check:unused',
    'docs:check',
    'api:check',
  ])
    run(root, 'npm', 'run', '--silent', name);
}

/** The hash of the tarball. Throws if two builds differ. */
function buildTwice() {
  const [first, second] = [buildOnce(), buildOnce()];
  if (first.hash !== second.hash)
    throw new Error(`two builds differ: sha256 ${first.hash} and ${second.hash}`);
  cpSync(first.path, join(out, first.name));
  writeFileSync(join(out, 'SHA256SUMS'), `${first.hash}  ${first.name}\n`);
  for (const { folder } of [first, second]) rmSync(folder, { recursive: true, force: true });
  console.log(`${first.name}, sha256 ${first.hash}, twice`);
  return first.hash;
}

function buildOnce() {
  const folder = mkdtempSync(join(tmpdir(), 'secure-sockets-release-'));
  const sources = join(folder, 'sources');
  mkdirSync(sources);
  const archive = execFileSync('git', ['archive', 'HEAD'], { cwd: root, maxBuffer: 2 ** 30 });
  execFileSync('tar', ['-x', '-C', sources], { input: archive });
  run(sources, 'npm', 'ci', '--no-fund', '--no-audit', '--silent');
  run(sources, 'npm', 'run', '--silent', 'build');
  run(sources, 'npm', 'pack', '--silent', '--pack-destination', folder);
  const name = readdirSync(folder).find((file) => file.endsWith('.tgz'));
  const path = join(folder, name);
  return { folder, name, path, hash: createHash('sha256').update(readFileSync(path)).digest('hex') };
}

function writeSbom() {
  const sbom = makeSbom(root);
  writeFileSync(join(out, 'sbom.cdx.json'), `${JSON.stringify(sbom, null, 2)}\n`);
  console.log(`${sbom.components.length} packages are installed with this one`);
}

function writeLicences() {
  const licences = licencesOf(root);
  writeFileSync(
    join(out, 'licences.txt'),
    licences.map((one) => `${one.name} ${one.version}: ${one.licence}\n`).join(''),
  );
  const refused = findRefused(licences);
  if (refused.length > 0)
    throw new Error(`licences to look at: ${refused.map(({ name }) => name).join(', ')}`);
  console.log(licences.map(({ name, licence }) => `${name} (${licence})`).join(', '));
}

async function writeSizes() {
  const sizes = {};
  for (const entry of entriesOf(root)) sizes[entry] = await sizeOf(entry, root);
  writeFileSync(join(out, 'sizes.json'), `${JSON.stringify(sizes, null, 2)}\n`);
  console.table(sizes);
  const misstated = findMisstated(readFileSync(join(root, 'README.md'), 'utf8'), sizes);
  if (misstated.length > 0)
    throw new Error(`README.md is to state the sizes as they are:\n${misstated.join('\n')}`);
}

/** A version with a suffix is not installed by default. */
function tagOf(version) {
  return version.includes('-') ? 'next' : 'latest';
}
