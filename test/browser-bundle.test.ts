import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { bundle, project } from './helpers/browser-bundle.js';

interface Chunk {
  readonly type: string;
  readonly fileName: string;
  readonly code: string;
  readonly isEntry: boolean;
  readonly imports: string[];
  readonly modules: object;
}

/** What a page that only connects loads at once, by name, as vite builds it: the one that the tests run on. */
async function clientPage(): Promise<Map<string, Chunk>> {
  const input = join(project.path, 'client.js');
  writeFileSync(
    input,
    "import { SecureClient, webSocket } from 'secure-sockets'; console.log(SecureClient, webSocket);",
  );
  const from = createRequire(createRequire(import.meta.url).resolve('vitest'));
  const { build } = await import(pathToFileURL(from.resolve('vite')).href);
  const { output } = await build({
    ...{ root: project.path, configFile: false, logLevel: 'silent' },
    build: { write: false, modulePreload: false, rollupOptions: { input } },
  });
  const all = new Map((output as Chunk[]).map((chunk) => [chunk.fileName, chunk]));
  const loaded = new Map([...all].filter(([, { isEntry }]) => isEntry));
  for (const { imports } of loaded.values())
    for (const name of imports) loaded.set(name, all.get(name) as Chunk);
  return loaded;
}

describe('a bundle for browsers', () => {
  it('has the names of the library without TCP, files and the node backend, and nothing of Node', async () => {
    const { warnings, outputFiles } = await bundle("export * from 'secure-sockets';", project.path);
    expect(warnings).toEqual([]);
    for (const { text } of outputFiles) {
      expect(text).not.toMatch(/from\s*"(node:|fs|crypto|net|stream|path|buffer)/);
      expect(text).not.toMatch(/\brequire\(\s*["']/);
      expect(text).not.toMatch(/\bBuffer\.(from|alloc)/);
    }
    const [browser, node] = await Promise.all([import('../src/browser.js'), import('secure-sockets')]);
    const missing = Object.keys(node).filter((name) => !(name in browser));
    expect(missing).toEqual(['listen', 'fromDuplex']);
    expect(Object.keys(browser).filter((name) => !(name in node))).toEqual([]);
  });

  it.each(['browser', 'worker', 'workerd'])(
    'has one copy of a backend that a program imports too, by the condition %s',
    async (condition) => {
      const source = ['', '/backends/web', '/backends/noble'].map(
        (path) => `export * from 'secure-sockets${path}';`,
      );
      const platform = condition === 'browser' ? {} : { platform: 'neutral', conditions: [condition] };
      const { metafile } = await bundle(source.join('\n'), project.path, platform);
      const files = Object.values(metafile.outputs).flatMap(({ inputs }) => Object.keys(inputs));
      const builds = files.flatMap(
        (path) => path.match(/(?<=secure-sockets\/dist\/).*(?=backends\/(web|noble)\.js$)/)?.[0] ?? [],
      );
      expect(builds).toEqual(['browser/', 'browser/']);
      expect(files.filter((path) => /secure-sockets\/dist\/(?!browser\/)/.test(path))).toEqual([]);
    },
  );

  it('of a client alone leaves out what only others need, and is small', async () => {
    const chunks = await clientPage();
    const modules = [...chunks.values()].flatMap((chunk) => Object.keys(chunk.modules));
    const absent = [
      /post-quantum/,
      /@noble\/curves/,
      /micro-rsa/,
      /core\/classic/,
      /sealed\/(client-)?resumption/,
      /trust\/known-hosts(-trust)?\.js/,
      /\/server\//,
      /backends\/noble\.js/,
    ];
    for (const pattern of absent) expect(modules.filter((path) => pattern.test(path))).toEqual([]);
    const sizes = [...chunks.values()].map(({ code }) => gzipSync(code, { level: 9 }).length);
    const total = sizes.reduce((sum, size) => sum + size, 0);
    // 40,000 for the build that vite makes outside of tests, which has some 40 bytes more
    expect(total, `${total} bytes, compressed`).toBeLessThan(39_950);
    expect(total).toBeGreaterThan(20_000);
  });
});
