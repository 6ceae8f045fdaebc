// The licences of the packages in a bundle, which have to go where the bundle goes.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Name, version and licence of each package of `node_modules` that esbuild's inputs come from, as one text. */
export function licencesIn(inputs) {
  const folders = inputs.map((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0]);
  return [...new Set(folders.filter((folder) => folder !== undefined))].sort().map(licenceIn).join('\n');
}

/** A package may say in its manifest only which licence it has. */
function licenceIn(folder) {
  const {
    name,
    version,
    license,
    homepage = '',
  } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const file = readdirSync(folder).find((entry) => /^licen[cs]e(\.\w+)?$/i.test(entry));
  const text = file === undefined ? homepage : readFileSync(join(folder, file), 'utf8').trim();
  return `== ${name} ${version} (${license})\n\n${text}\n`;
}
