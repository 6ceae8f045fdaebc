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

export default defineConfig([
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
  // apart, so that bundlers for browsers meet nothing that is shared with what needs Node
  { ...common, entry: { browser: 'src/browser.ts' }, outDir: 'dist/browser', sourcemap: false },
]);
