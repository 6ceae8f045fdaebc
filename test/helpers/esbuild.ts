import { createRequire } from 'node:module';

/** As much of it as is used here. */
export interface Esbuild {
  build(options: object): Promise<{
    warnings: unknown[];
    outputFiles: { path: string; contents: Uint8Array; text: string }[];
    metafile: {
      outputs: Record<
        string,
        { entryPoint?: string; inputs: object; imports: { path: string; kind: string }[] }
      >;
    };
  }>;
}

/** The one that builds the package, which is tsup's and not ours to depend on. */
export const esbuild: Esbuild = createRequire(createRequire(import.meta.url).resolve('tsup'))('esbuild');
