import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeJsrPackage } from '../scripts/lib/jsr.mjs';
import { requireBuild, root } from './helpers/pack.js';
import { runtimes, runtimesAreRequired } from './helpers/runtimes.js';

const folder = mkdtempSync(join(tmpdir(), 'secure-sockets-jsr-'));
const { command, problem } = runtimes.Deno;
const program = `
import { connect, listen } from '@secure-sockets/secure-sockets';
import { noble } from '@secure-sockets/secure-sockets/backends/noble';

const server = await listen({ host: '127.0.0.1', port: 0 });
const { host, port } = server.address as { host: string; port: number };
const connecting = connect({ host, port }, { serverKey: server.fingerprint as string, backend: noble });
const accepted = await server.accept();
const client = await connecting;
await client.send(new TextEncoder().encode('hello'));
const message: Uint8Array | null = await accepted.recv();
console.log(new TextDecoder().decode(message as Uint8Array), client.suite !== undefined);
await Promise.all([client.close(), accepted.close()]);
await server.close();
`;

beforeAll(async () => {
  await requireBuild();
  writeJsrPackage(folder);
  // the packages that are installed here, so that nothing is downloaded
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction');
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What Deno prints. Rejects unless it succeeds. */
async function deno(...args: string[]): Promise<string> {
  const env = { ...process.env, DENO_DIR: join(folder, '.deno'), DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1' };
  const { stdout, stderr } = await promisify(execFile)(command[0], args, { cwd: folder, env });
  return stdout + stderr;
}

describe('the package for JSR', () => {
  it('has what its entries import, and says where packages come from', () => {
    const read = (name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8'));
    const { exports, imports } = read('deno.json');
    const { version, dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    expect(read('deno.json')).toMatchObject({ version, license: 'Apache-2.0' });
    expect(imports['p-queue']).toBe(`npm:p-queue@${dependencies['p-queue']}`);
    for (const path of Object.values(exports) as string[]) {
      const [, types = ''] =
        /^\/\* @ts-self-types="(.+)" \*\/\n/.exec(readFileSync(join(folder, path), 'utf8')) ?? [];
      expect(existsSync(join(folder, path, '..', types)), path).toBe(true);
    }
    expect(existsSync(join(folder, 'dist/cli.js'))).toBe(false);
  });

  it('needs Deno for the rest of these tests', ({ skip }) => {
    if (problem && !runtimesAreRequired) skip(`NOT TESTED: ${problem}`);
    expect(problem).toBeUndefined();
  });

  it.skipIf(problem)(
    'is accepted by deno publish, types and all, in a dry run',
    async () => {
      const output = await deno('publish', '--dry-run', '--allow-dirty', '--node-modules-dir=manual');
      expect(output).toContain('Dry run complete');
      expect(output).toContain('/dist/index.d.ts');
    },
    240_000,
  );

  it.skipIf(problem)(
    'works on Deno, and its types fit',
    async () => {
      writeFileSync(join(folder, 'program.ts'), program);
      const output = await deno(
        'run',
        '--check',
        '--cached-only',
        '--allow-all',
        '--node-modules-dir=manual',
        'program.ts',
      );
      expect(output).toMatch(/^hello true$/m);
    },
    240_000,
  );
});
