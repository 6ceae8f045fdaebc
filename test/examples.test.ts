import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inflateSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Outcome, outcomeOf, root, spawnNode } from './helpers/pack.js';

const folder = mkdtempSync(join(tmpdir(), 'secure-sockets-examples-'));

beforeAll(async () => {
  const { code, stderr } = await run('scripts/ensure-install.mjs', '--check');
  expect(code, `${stderr.trim()} has to be run first`).toBe(0);
}, 30_000);
afterAll(() => rmSync(folder, { recursive: true }));

test('the demo shows every pair of backends in both protocols', { timeout: 120_000 }, async () => {
  const { stdout, ...end } = await run('examples/demo/main.mjs');
  expect(end, stdout).toEqual({ code: 0, signal: null, stderr: '' });
  const pairs = [...stdout.matchAll(/^ {2}(sealed|classic) +(\w+) +(\w+) .*equal$/gm)];
  expect(new Set(pairs.map(([, ...names]) => names.join(' '))).size).toBe(32);
  expect(stdout).toContain('UNTRUSTED_SERVER: ');
  expect(stdout).toMatch(/^Everything arrived as it was sent\.$/m);
  const tooWide = stdout.split('\n').filter((line) => line.length > 100);
  expect(tooWide).toEqual([]);
});

test('the picture of the README is what its script draws', { timeout: 60_000 }, async () => {
  const file = join(folder, 'ecb.png');
  const { stdout, ...end } = await run('examples/ecb-picture/main.mjs', file);
  expect(end).toEqual({ code: 0, signal: null, stderr: '' });
  // As many different blocks after ECB as before; after GCM all are different.
  expect(stdout).toMatch(/picture +29 of 16384\n +ecb +29 of 16384\n +gcm +16384 of 16384\n/);
  expect(rowsOf(file).equals(rowsOf(join(root, 'docs/images/ecb.png')))).toBe(true);
});

function run(script: string, ...args: string[]): Promise<Outcome> {
  return outcomeOf(spawnNode(folder, [join(root, script), ...args]), 110_000);
}

/** The rows of one of our PNG files. They may be compressed otherwise by another version of zlib. */
function rowsOf(file: string): Buffer {
  const png = readFileSync(file);
  const [start, name] = [33, 'IDAT'];
  expect(png.toString('latin1', start + 4, start + 8)).toBe(name);
  return inflateSync(png.subarray(start + 8, start + 8 + png.readUInt32BE(start)));
}
