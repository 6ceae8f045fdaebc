import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { begin, usePlace } from './place.js';

// How V8 frees the buffers of processes that pass bytes on.

const place = usePlace();

const TUNNEL = ['--any-client', '127.0.0.1:0', '127.0.0.1:9'];

test.each([
  ['a tunnel', ['tunnel', 'server', ...TUNNEL]],
  ['a bridge', ['bridge', 'inward', ...TUNNEL]],
])('%s has them freed at once', async (_, args) => {
  const running = beginTold(...args, '--identity', 'server.pem');
  await running.until(/flag --no-concurrent-array-buffer-sweeping\n.*listening at/s);
});

test('so have those of a configuration', async () => {
  const where = 'listen = "127.0.0.1:0"\ntarget = "127.0.0.1:9"';
  writeFileSync(
    join(place.folder, 'tunnels.toml'),
    `[tunnel-server.one]\n${where}\nidentity = "server.pem"\nauthorized-keys = "keys"\n`,
  );
  const running = beginTold('tunnel', '--config', 'tunnels.toml');
  await running.until(/flag --no-concurrent-array-buffer-sweeping\n.*listening at/s);
});

test('V8 has that flag', () => {
  const options = execFileSync(process.execPath, ['--v8-options'], { encoding: 'utf8' });
  expect(options).toContain('--concurrent-array-buffer-sweeping ');
});

/** With a process that tells which flags it sets. */
function beginTold(...args: string[]): ReturnType<typeof begin> {
  const preload = join(place.folder, 'preload.cjs');
  writeFileSync(preload, "require('node:v8').setFlagsFromString = (flag) => console.error('flag', flag);\n");
  return begin({ env: { NODE_OPTIONS: `--require ${preload}` } }, ...args);
}
