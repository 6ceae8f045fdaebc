/**
 * What prevents a manifest from being published, if anything. `repository` is the one place for the address of the
 * sources: npm derives `homepage` and `bugs` from it, pack-readme.mjs the README's links, and npm compares it
 * with the provenance statement. Where it cannot derive them, the two are given as well, under the same address.
 */
export function repositoryProblem({ repository, homepage, bugs }) {
  const address = typeof repository === 'string' ? repository : repository?.url;
  if (typeof address !== 'string' || address === '')
    return 'fill in "repository" in package.json with the address of the sources, as "git+https://HOST/OWNER/NAME.git"';
  const found = /^git\+(https:\/\/[^/\s]+\/\S+?)\.git$/.exec(address);
  if (found === null)
    return `"repository" in package.json has to be of the form "git+https://HOST/OWNER/NAME.git", not "${address}"`;
  const others = { homepage, bugs: typeof bugs === 'string' ? bugs : bugs?.url };
  for (const [name, other] of Object.entries(others)) {
    if (other !== undefined && !other.startsWith(found[1]))
      return `"${name}" in package.json is ${other}, and not under ${found[1]}: leave it out, or correct it`;
  }
  return undefined;
}

/** The address of the repository's page; `undefined` while it is not known. */
export function addressOf({ repository }) {
  const address = typeof repository === 'string' ? repository : repository?.url;
  if (typeof address !== 'string' || address === '') return undefined;
  return address.replace(/^git\+/, '').replace(/\.git$/, '');
}
