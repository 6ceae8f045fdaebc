import { execFile } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withAbsoluteLinks, withRelativeLinks } from '../scripts/lib/readme-links.mjs';
import { readDocument } from './helpers/documents.js';
import { root } from './helpers/pack.js';

const address = 'https://git.example/someone/secure-sockets';
const readme = readDocument('README.md').text;

const isFolder = (path: string): boolean => statSync(join(root, path)).isDirectory();

describe('links of the README', () => {
  test.each([
    ['[a](docs/api.md)', `[a](${address}/blob/main/docs/api.md)`],
    ['[a](docs/api.md#suites)', `[a](${address}/blob/main/docs/api.md#suites)`],
    ['[a](docs)', `[a](${address}/tree/main/docs)`],
    ['![a](docs/images/ecb.png)', `![a](${address}/raw/main/docs/images/ecb.png)`],
    [
      '[![a](docs/images/ecb.png)](LICENSE)',
      `[![a](${address}/raw/main/docs/images/ecb.png)](${address}/blob/main/LICENSE)`,
    ],
    ['[a](#install)', '[a](#install)'],
    ['[a](https://nodejs.org/)', '[a](https://nodejs.org/)'],
    ['[`a`](docs/api.md)', `[\`a\`](${address}/blob/main/docs/api.md)`],
    ['`[a](b)`', '`[a](b)`'],
    ['```js\n[a](b)\n```', '```js\n[a](b)\n```'],
  ])('are made absolute: %s', (relative, absolute) => {
    expect(withAbsoluteLinks(relative, address, isFolder)).toBe(absolute);
    expect(withRelativeLinks(absolute, address)).toBe(relative);
  });

  test('all are, and become what they were', () => {
    const absolute = withAbsoluteLinks(readme, address, isFolder);
    const targets = [...absolute.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
    expect(targets.length).toBeGreaterThan(20);
    expect(targets.filter((target) => !/^(https?:|#)/.test(target))).toEqual([]);
    expect(withAbsoluteLinks(absolute, address, isFolder)).toBe(absolute);
    expect(withRelativeLinks(absolute, address)).toBe(readme);
  });
});

describe('a package that says where its sources are', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'secure-sockets-readme-'));
    const { scripts, ...manifest } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const { prepack, postpack, postpublish } = scripts;
    const publishConfig = { access: 'public' };
    const repository = { type: 'git', url: `git+${address}.git` };
    writeJson('package.json', {
      ...{ name: manifest.name, version: manifest.version, type: 'module', files: ['dist'] },
      ...{ publishConfig, repository, scripts: { prepack, postpack, postpublish } },
    });
    for (const path of ['README.md', 'scripts/pack-readme.mjs', 'scripts/lib']) copy(path);
    // the targets of the links: only whether they are folders counts
    for (const [, path = ''] of readme.matchAll(/\]\(([^)\s#]+)/g))
      if (!/^\w+:/.test(path) && !existsSync(join(folder, path))) copy(path);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function writeJson(name: string, value: object): void {
    writeFileSync(join(folder, name), JSON.stringify(value));
  }

  function copy(path: string): void {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    cpSync(join(root, path), join(folder, path), { recursive: true });
  }

  const npm = (...given: string[]): Promise<{ stdout: string }> =>
    promisify(execFile)('npm', given, { cwd: folder, shell: process.platform === 'win32' });

  test('shows them on the page of the registry, and leaves the README as it was', {
    timeout: 120_000,
  }, async () => {
    const published: { readme?: string; versions?: Record<string, { readme?: string }> }[] = [];
    const registry = createServer(async (request, response) => {
      if (request.method === 'PUT') published.push((await json(request)) as (typeof published)[number]);
      response
        .writeHead(request.method === 'PUT' ? 201 : 404, { 'content-type': 'application/json' })
        .end('{}');
    });
    await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve));
    const { port } = registry.address() as AddressInfo;
    writeFileSync(
      join(folder, '.npmrc'),
      `registry=http://127.0.0.1:${port}/\n//127.0.0.1:${port}/:_authToken=none\n`,
    );
    try {
      await npm('publish', '--provenance=false', '--tag', 'next');
    } finally {
      registry.closeAllConnections();
      registry.close();
    }
    const [body] = published;
    const shown = body?.readme ?? Object.values(body?.versions ?? {})[0]?.readme;
    expect(shown).toBe(withAbsoluteLinks(readme, address, isFolder));
    expect(readFileSync(join(folder, 'README.md'), 'utf8')).toBe(readme);
  });

  test('has them in its tarball', { timeout: 120_000 }, async () => {
    const { stdout } = await npm('pack', '--json');
    const [{ filename }] = JSON.parse(stdout.slice(stdout.indexOf('['))) as [{ filename: string }];
    await promisify(execFile)('tar', ['-xzf', filename, 'package/README.md'], { cwd: folder });
    const packed = readFileSync(join(folder, 'package/README.md'), 'utf8');
    expect(packed).toBe(withAbsoluteLinks(readme, address, isFolder));
    expect(readFileSync(join(folder, 'README.md'), 'utf8')).toBe(readme);
  });
});
