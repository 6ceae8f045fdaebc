// The size of each entry of the package in a bundle for Node: with its dependencies, minified, and compressed by gzip.
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

/** The names by which programs import the package that is in `root`. */
export function entriesOf(root) {
  const { name, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const paths = Object.keys(exports).filter((path) => path !== './package.json');
  return paths.map((path) => `${name}${path.slice(1)}`);
}

/** Bytes of an entry as a program in `folder` bundles it. What is loaded only when needed is not counted. */
export async function sizeOf(entry, folder) {
  const loaded = await bundle(`export * from '${entry}';`, folder);
  const sum = (sizes) => sizes.reduce((total, size) => total + size, 0);
  return {
    minified: sum(loaded.map((contents) => contents.length)),
    gzip: sum(loaded.map((contents) => gzipSync(contents).length)),
  };
}

/** What a README states of entries that have another size than measured, by more than a fiftieth, as lines of text. */
export function findMisstated(readme, sizes) {
  return Object.entries(sizes).flatMap(([entry, size]) => {
    const row = readme.split('\n').find((line) => line.startsWith(`| \`${entry}\` | `)) ?? '';
    const stated = row.match(/[\d.]+(?= kB)/g)?.map((number) => Number(number) * 1000) ?? [];
    const isClose = (bytes, index) => Math.abs(bytes - stated[index]) <= Math.max(bytes / 50, 500);
    if ([size.minified, size.gzip].every(isClose)) return [];
    const [minified, gzip] = [size.minified, size.gzip].map((bytes) => (bytes / 1000).toFixed(1));
    return [`${entry}: ${minified} kB minified, ${gzip} kB compressed`];
  });
}

/** What is loaded with the entry: its chunk and those it imports, without what `import()` fetches later. */
async function bundle(contents, folder) {
  const { outputFiles, metafile } = await build({
    stdin: { contents, resolveDir: folder },
    absWorkingDir: folder,
    outdir: 'bundle',
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    metafile: true,
    write: false,
    // the package says of itself that it has no side effects, so imports for these alone are dropped
    logLevel: 'error',
  });
  const { outputs } = metafile;
  const loaded = new Set(Object.keys(outputs).filter((path) => outputs[path]?.entryPoint === '<stdin>'));
  for (const path of loaded) {
    const imports = outputs[path]?.imports.filter(({ kind }) => kind === 'import-statement') ?? [];
    for (const { path } of imports) if (path in outputs) loaded.add(path);
  }
  return outputFiles.filter(({ path }) => loaded.has(relative(folder, path))).map(({ contents }) => contents);
}
