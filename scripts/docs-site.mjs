// Builds the documentation site from docs/ and the comments of the sources: npm run docs:site -- --help
import { cpSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { buildPage } from '../examples/web/build.mjs';
import { readArguments } from './lib/arguments.mjs';
import { root } from './lib/root.mjs';
import { run } from './lib/run.mjs';
import { stageSite } from './lib/site.mjs';

const site = join(root, 'site');
const usage = `Usage: npm run docs:site -- [options]

  --base PATH  where the site will be, such as /secure-sockets/ (default /)
  --out DIR    where it is built to (default reports/site)
  --serve      afterwards show it on 127.0.0.1 until interrupted`;

const { values } = readArguments(usage, {
  base: { type: 'string', default: '/' },
  out: { type: 'string', default: join(root, 'reports/site') },
  serve: { type: 'boolean', default: false },
});
if (/^\/(.*\/)?$/.test(values.base)) await build(values);
else fail(`--base is ${values.base}: it must begin and end with /`);

function fail(message) {
  console.error(message);
  process.exitCode = 2;
}

async function build({ base, out, serve }) {
  if (!existsSync(join(site, 'node_modules'))) run(site, 'npm', 'ci', '--no-fund', '--no-audit');
  stageSite(root);
  await buildPage(join(site, 'content/public/playground'), { home: '../' });
  run(site, 'npx', 'vitepress', 'build', '--base', base);
  rmSync(out, { recursive: true, force: true });
  cpSync(join(site, '.vitepress/dist'), out, { recursive: true });
  console.log(`the site for ${base} is in ${out}`);
  if (serve) run(site, 'npx', 'vitepress', 'preview', '--base', base, '--host', '127.0.0.1', '--port', '0');
}
