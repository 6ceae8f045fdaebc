// The size of each entry of the package in a bundle: with its dependencies, minified, and compressed by gzip.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { buildSync } from 'esbuild';

/** Bytes by entry. What is loaded only when needed is not counted; peers that a program brings itself are left out. */
export function entrySizes(root) {
  const { exports, peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const entries = Object.keys(exports).filter((path) => path !== './package.json');
  return Object.fromEntries(
    entries.map((path) => [path, sizeOf(root, exports[path], Object.keys(peerDependencies))]),
  );
}

function sizeOf(root, conditions, peers) {
  const { outputFiles } = buildSync({
    entryPoints: [join(root, conditions.default ?? conditions.import)],
    outdir: join(root, 'reports/sizes'),
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    external: peers,
    metafile: true,
    write: false,
  });
  const start = firstLoaded(outputFiles);
  return {
    minified: start.reduce((sum, { contents }) => sum + contents.length, 0),
    gzip: start.reduce((sum, { contents }) => sum + gzipSync(contents).length, 0),
  };
}

/** The entry and what it imports at once; chunks behind `import()` come later, if at all. */
function firstLoaded(files) {
  const byName = new Map(files.map((file) => [file.path.split(/[\\/]/).at(-1), file]));
  const loaded = new Set([files[0]]);
  for (const { text } of loaded)
    for (const [, name] of text.matchAll(/(?:from|import)\s*"\.\/([^"]+)"/g)) loaded.add(byName.get(name));
  loaded.delete(undefined);
  return [...loaded];
}
