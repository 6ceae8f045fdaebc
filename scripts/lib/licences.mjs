// The licences of the packages that are installed with this one. dist/ itself bundles no package.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const accepted = new Set(['MIT', 'ISC', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD']);

/** Name, version and licence of every package that is no development dependency. */
export function licencesOf(root) {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  return Object.entries(packages)
    .filter(([path, entry]) => path !== '' && !entry.dev && !entry.devOptional)
    .map(([path, { version, license }]) => ({
      name: path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length),
      version,
      licence: license ?? 'none stated',
    }));
}

/** The licences that need a decision. A choice (OR) is accepted if one of its parts is. */
export function findRefused(licences) {
  return licences.filter(
    ({ licence }) =>
      !licence
        .replace(/[()]/g, '')
        .split(' OR ')
        .some((one) => accepted.has(one)),
  );
}
