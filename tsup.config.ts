import { defineConfig } from 'tsup';

export default defineConfig({
  entry: {
    index: 'src/index.ts',
    cli: 'src/cli/main.ts',
    testing: 'src/testing/index.ts',
    'backends/node': 'backends/node.ts',
    'backends/sodium': 'backends/sodium.ts',
    'backends/web': 'backends/web.ts',
    'backends/forge': 'backends/forge.ts',
    'backends/noble': 'backends/noble.ts',
  },
  format: ['esm'],
  platform: 'neutral',
  target: 'es2022',
  // tsup hands TypeScript 6 a baseUrl, which it deprecates
  dts: { compilerOptions: { ignoreDeprecations: '6.0' } },
  splitting: true,
  removeNodeProtocol: false,
  external: [/^node:/],
  sourcemap: true,
  clean: true,
});
