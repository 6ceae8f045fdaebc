import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IdentityStore } from 'secure-sockets';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const chromium = ['chromium', 'chromium-browser', 'google-chrome'].find(
  (name) => spawnSync(name, ['--version']).status === 0,
);
if (chromium === undefined && process.env.REQUIRE_BROWSER === '1') throw new Error('there is no Chromium');

interface Result {
  readonly fingerprint: string;
}

describe.skipIf(chromium === undefined)('in Chromium, a page', () => {
  let server: Server;
  let browser: ChildProcess | undefined;
  const profile = mkdtempSync(join(tmpdir(), 'secure-sockets-chromium-'));
  let resolveResult: (result: Result) => void = () => {};

  beforeAll(async () => {
    const script = await bundle();
    server = createServer((request, response) => {
      if (request.url === '/page.js')
        return void response.setHeader('content-type', 'text/javascript').end(script);
      if (request.method !== 'POST')
        return void response
          .setHeader('content-type', 'text/html')
          .end('<!doctype html><script type="module" src="/page.js"></script>');
      let body = '';
      request.on('data', (text: Buffer) => {
        body += text.toString();
      });
      request.on('end', () => {
        response.end();
        resolveResult(JSON.parse(body));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });

  afterAll(async () => {
    await stop();
    server.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  });

  async function visit(): Promise<Result> {
    const result = new Promise<Result>((resolve) => {
      resolveResult = resolve;
    });
    const { port } = server.address() as AddressInfo;
    const flags = [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--no-first-run',
      '--disable-dev-shm-usage',
    ];
    browser = spawn(
      chromium as string,
      [...flags, `--user-data-dir=${profile}`, `http://127.0.0.1:${port}/`],
      {
        stdio: 'ignore',
      },
    );
    return result;
  }

  async function stop(): Promise<void> {
    const process = browser;
    browser = undefined;
    if (process === undefined || process.exitCode !== null) return;
    const gone = new Promise((resolve) => process.once('exit', resolve));
    process.kill('SIGTERM');
    await gone;
  }

  /** What the profile has of the storage of pages, as it lies on the disk. */
  function storedText(): string {
    const folder = join(profile, 'Default/Local Storage/leveldb');
    const files = existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
    return files.map((file) => readFileSync(file, 'latin1')).join('');
  }

  it('keeps an identity that no script can take away, and known hosts', { timeout: 60_000 }, async () => {
    const first = await visit();
    expect(first).toEqual({
      isFirst: true,
      isSame: true,
      fingerprint: expect.stringMatching(/^SHA256:[A-Za-z0-9+/]{43}$/),
      role: 'client',
      extractable: false,
      exported: 'InvalidAccessError',
      again: 'BAD_IDENTITY',
      absent: null,
      known: 'unknown',
      hosts: ['server.example', 'b.example'],
      changed: 'UNTRUSTED_SERVER',
    });
    // Chromium writes a page's storage to the disk some seconds later, and not always when it is ended before
    await expect.poll(storedText, { timeout: 30_000 }).toContain('server.example');
    await stop();
    expect(await visit()).toEqual({ ...first, isFirst: false, known: 'known' });
  });
});

it('a store needs IndexedDB', () => {
  expect(() => new IdentityStore()).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }));
  expect(() => new IdentityStore({ indexedDB: {} })).toThrow('there is no IndexedDB here');
});

interface Esbuild {
  build(options: object): Promise<{ outputFiles: { text: string }[] }>;
}

// The esbuild is the one that builds the package, which is tsup's and not ours to depend on.
async function bundle(): Promise<string> {
  const esbuild: Esbuild = createRequire(createRequire(import.meta.url).resolve('tsup'))('esbuild');
  const { outputFiles } = await esbuild.build({
    ...{ entryPoints: [join(import.meta.dirname, 'identity-store.page.ts')], bundle: true, write: false },
    ...{ format: 'esm', platform: 'browser', target: 'es2022', logLevel: 'error' },
  });
  return outputFiles[0]?.text ?? '';
}
