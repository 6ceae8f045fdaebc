// The registry's page shows the README of the package, where relative links lead nowhere: npm runs this before it packs
// to make them absolute, and afterwards, with --restore, to make them relative again. Without an address in
// `repository` of package.json it does nothing, and nothing can be published (check-repository.mjs).
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { readArguments } from './lib/arguments.mjs';
import { withAbsoluteLinks, withRelativeLinks } from './lib/readme-links.mjs';
import { addressOf } from './lib/repository.mjs';

const address = addressOf(JSON.parse(readFileSync('package.json', 'utf8')));
const usage = `Usage: node scripts/pack-readme.mjs [--restore]

  --restore  makes the links relative again`;
const isRestoring = readArguments(usage, { restore: { type: 'boolean', default: false } }).values.restore;
// publishing reads the README again after it has packed: it is restored by `postpublish`, not by `postpack`
const isTooEarly = process.env.npm_command === 'publish' && process.env.npm_lifecycle_event === 'postpack';
if (address !== undefined && !isTooEarly) {
  const text = readFileSync('README.md', 'utf8');
  const isFolder = (path) => statSync(path).isDirectory();
  const changed = isRestoring ? withRelativeLinks(text, address) : withAbsoluteLinks(text, address, isFolder);
  writeFileSync('README.md', changed);
}
