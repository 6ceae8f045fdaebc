import { build } from 'esbuild';
import { defineConfig, type Options } from 'tsup';

const common: Options = {
  format: ['esm'],
  platform: 'neutral',
  target: 'es2022',
  // tsup hands TypeScript 6 a baseUrl, which it deprecates
  dts: { compilerOptions: { ignoreDeprecations: '6.0' } },
  splitting: true,
  removeNodeProtocol: false,
  external: [/^node:/],
  sourcemap: true,
};

/** The modules that a browser may load. */
async function browserModules(): Promise<string[]> {
  const { metafile } = await build({
    ...{ entryPoints: ['src/browser.ts'], bundle: true, packages: 'external', format: 'esm' },
    ...{ outdir: 'dist', write: false, metafile: true },
  });
  return Object.keys(metafile.inputs);
}

export default defineConfig(async () => [
  {
    ...common,
    entry: {
      index: 'src/index.ts',
      cli: 'src/cli/start.ts',
      testing: 'src/testing/index.ts',
      'backends/node': 'backends/node.ts',
      'backends/sodium': 'backends/sodium.ts',
      'backends/web': 'backends/web.ts',
      'backends/forge': 'backends/forge.ts',
      'backends/noble': 'backends/noble.ts',
    },
    clean: true,
  },
  // Apart, so that bundlers for browsers meet nothing that is shared with what needs Node; and a file for each module, so
  // that they leave out whole modules: of statements in one file they cannot know that no one needs them.
  {
    ...common,
    entry: await browserModules(),
    bundle: false,
    splitting: false,
    outDir: 'dist/browser',
    sourcemap: false,
    dts: { ...(common.dts as object), entry: { browser: 'src/browser.ts' } },
  },
]);
