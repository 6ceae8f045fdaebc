// Bundles the page: index.html, page.css and the scripts, with nothing from elsewhere.
import { copyFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));

/** Writes the page to a folder. All its addresses are relative, so it works below any path. */
export async function buildPage(folder) {
  mkdirSync(folder, { recursive: true });
  for (const name of ['index.html', 'page.css']) copyFileSync(join(here, name), join(folder, name));
  await build({
    entryPoints: [join(here, 'page.mjs')],
    outdir: folder,
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    logLevel: 'error',
    // of what was built, as programs get it, and not of the sources that tsconfig.json names
    tsconfigRaw: {},
  });
}
