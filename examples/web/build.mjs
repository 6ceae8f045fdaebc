// Bundles the page: index.html, page.css and the scripts, with nothing from elsewhere.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { licencesIn } from './licences.mjs';

const here = dirname(fileURLToPath(import.meta.url));

/**
 * Writes the page to a folder. All its addresses are relative, so it works below any path. `home` is where its name
 * leads to, if anywhere.
 */
export async function buildPage(folder, { home } = {}) {
  mkdirSync(folder, { recursive: true });
  const text = readFileSync(join(here, 'index.html'), 'utf8');
  const named = home === undefined ? text : text.replace(/(?<="name">)[^<]+/, `<a href="${home}">$&</a>`);
  writeFileSync(join(folder, 'index.html'), named);
  copyFileSync(join(here, 'page.css'), join(folder, 'page.css'));
  const { metafile } = await build({
    entryPoints: [join(here, 'page.mjs')],
    outdir: folder,
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    logLevel: 'error',
    metafile: true,
    // of what was built, as programs get it, and not of the sources that tsconfig.json names
    tsconfigRaw: {},
  });
  writeFileSync(join(folder, 'licences.txt'), licencesIn(Object.keys(metafile.inputs)));
}
