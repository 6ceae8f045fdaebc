// The SBOM of the package (CycloneDX, by npm): itself, and what is installed with it.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { licencesOf } from './licences.mjs';

/**
 * The SBOM as an object. Throws if it lacks a package. npm is shown a manifest and a lock file without what serves
 * development, in a folder with the package's name: asked to omit that itself, it leaves out a package that a
 * development dependency uses too, and it names the whole after the folder.
 */
export function makeSbom(root) {
  const read = (name) => JSON.parse(readFileSync(join(root, name), 'utf8'));
  const { devDependencies, scripts, ...manifest } = read('package.json');
  const parent = mkdtempSync(join(tmpdir(), 'secure-sockets-sbom-'));
  const folder = join(parent, manifest.name);
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  writeFileSync(
    join(folder, 'package-lock.json'),
    JSON.stringify(withoutDevelopment(read('package-lock.json'))),
  );
  try {
    const given = ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only'];
    const sbom = JSON.parse(execFileSync('npm', given, { cwd: folder, shell: process.platform === 'win32' }));
    requireAll(sbom, licencesOf(root));
    return sbom;
  } finally {
    rmSync(parent, { recursive: true });
  }
}

function withoutDevelopment(lock) {
  const { devDependencies, ...own } = lock.packages[''];
  const others = Object.entries(lock.packages).filter(
    ([path, entry]) => path !== '' && !entry.dev && !entry.devOptional,
  );
  return { ...lock, packages: { '': own, ...Object.fromEntries(others) } };
}

function requireAll({ components }, packages) {
  const name = (one) => `${one.name} ${one.version}`;
  const [stated, wanted] = [components, packages].map((list) => list.map(name).sort().join(', '));
  if (stated !== wanted) throw new Error(`the SBOM has ${stated}, but installed are ${wanted}`);
}
