// Pages that bundlers build of the packed package, for scripts/test-consumers.mjs: without a warning, a stub or a polyfill,
// and without anything of Node in what comes out; a page that only connects stays small.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { project } from './consumer-project.mjs';

const packages = [
  'vite@8.3.8',
  'rollup@4.67.4',
  // Rollup finds packages, and reads the CommonJS that p-queue depends on, by plugins
  '@rollup/plugin-node-resolve@16',
  '@rollup/plugin-commonjs@29',
  'webpack@5.113.0',
  'esbuild@0.27.7',
];

/** Bytes of JavaScript, compressed, that a page may load to connect. */
const MAX_CLIENT = 40_000;

const pages = {
  client: `import { SecureClient, webSocket } from 'secure-sockets';
globalThis.connectTo = async (url, serverKey) => {
  const client = new SecureClient({ serverKey });
  await client.connect(webSocket(url));
  return client;
};`,
  everything: `import * as library from 'secure-sockets';
globalThis.library = library;`,
};

/** A bundler by name: builds a file into a folder, and gives its warnings and the name of the file that a page loads. */
const bundlers = {
  async vite(path, input, outDir) {
    const { build, createLogger } = await load(path, 'vite');
    const warnings = [];
    const warn = (text) => warnings.push(text);
    const customLogger = { ...createLogger('silent'), warn, warnOnce: warn };
    await build({
      ...{ root: path, configFile: false, logLevel: 'silent', customLogger },
      build: {
        ...{ outDir, modulePreload: false, rollupOptions: { input, output: { entryFileNames: 'entry.js' } } },
      },
    });
    return warnings;
  },
  async rollup(path, input, outDir) {
    const { rollup } = await load(path, 'rollup');
    const { nodeResolve } = await load(path, '@rollup/plugin-node-resolve');
    const { default: commonjs } = await load(path, '@rollup/plugin-commonjs');
    const warnings = [];
    const onwarn = ({ message }) => warnings.push(message);
    const built = await rollup({ input, onwarn, plugins: [nodeResolve({ browser: true }), commonjs()] });
    await built.write({ dir: outDir, format: 'es', entryFileNames: 'entry.js' });
    return warnings;
  },
  async webpack(path, input, outDir) {
    const webpack = createRequire(join(path, 'package.json'))('webpack');
    const output = { path: outDir, filename: 'entry.js' };
    const stats = await new Promise((resolve, reject) => {
      const options = { mode: 'production', context: path, entry: input, output };
      // what is too large for webpack's taste is a page with all of the library
      webpack({ ...options, performance: { hints: false } }, (error, stats) =>
        error ? reject(error) : resolve(stats),
      );
    });
    const { errors, warnings } = stats.toJson({ all: false, errors: true, warnings: true });
    return [...errors, ...warnings].map(({ message }) => message);
  },
  async esbuild(path, input, outdir) {
    const { build } = await load(path, 'esbuild');
    const { warnings } = await build({
      ...{ entryPoints: { entry: input }, outdir, bundle: true, splitting: true, minify: true },
      ...{ format: 'esm', platform: 'browser', logLevel: 'silent' },
    });
    return warnings.map(({ text }) => text);
  },
};

/** What each bundler says against each page, or puts into it; there must be nothing. */
export async function* bundlerProblems(tarball) {
  const path = await project(tarball, 'bundlers', { type: 'module' }, ...packages);
  for (const [page, source] of Object.entries(pages)) {
    const input = join(path, `${page}.js`);
    writeFileSync(input, source);
    for (const [name, bundle] of Object.entries(bundlers)) {
      const outDir = join(path, `out-${name}-${page}`);
      const isLimited = page === 'client' && name === 'vite';
      const problems = await bundle(path, input, outDir).then(
        (warnings) => [...warnings, ...problemsIn(outDir, { isLimited })],
        (error) => [error.stack],
      );
      yield { name: `${name}, ${page}`, problem: problems.length === 0 ? undefined : problems.join('\n') };
    }
  }
}

function load(path, name) {
  const from = createRequire(join(path, 'package.json'));
  return import(pathToFileURL(from.resolve(name)).href);
}

function problemsIn(folder, { isLimited }) {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.js'),
  );
  const texts = new Map(names.map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
  const problems = [];
  for (const [name, text] of texts)
    for (const [what, pattern] of Object.entries(ofNode))
      if (pattern.test(text)) problems.push(`${name} has ${what}`);
  const size = sizeOf(texts);
  if (isLimited && size > MAX_CLIENT) problems.push(`the page loads ${size} bytes, compressed`);
  return problems;
}

const ofNode = {
  'an import of Node':
    /(?:from|import|require)\s*\(?\s*["'](?:node:|fs|crypto|net|stream|path|buffer|events)\b/,
  Buffer: /\bBuffer\.(?:from|alloc|concat)|\bglobalThis\.Buffer\b/,
};

/** What is loaded with the entry, compressed: it, and what it imports at once. */
function sizeOf(texts) {
  const loaded = new Set(['entry.js']);
  for (const name of loaded)
    for (const [, other] of (texts.get(name) ?? '').matchAll(/(?:from|import)\s*["']\.\/([\w./-]+)["']/g)) {
      const found = [...texts.keys()].find((path) => path.endsWith(other));
      if (found) loaded.add(found);
    }
  return [...loaded].reduce((sum, name) => sum + gzipSync(texts.get(name) ?? '', { level: 9 }).length, 0);
}
