import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const backend = new URL('../../dist/backends/node.js', import.meta.url);

// Node 20 stands still if the garbage collector runs while a generated key is exported as JWK.
it('a key pair is made whenever the garbage collector runs', async () => {
  const program = `import { node } from ${JSON.stringify(backend.href)};
    const until = Date.now() + 1500;
    let count = 0;
    for (; Date.now() < until; count++) node.x25519();
    console.log(count > 0);`;
  const args = ['--gc-interval=7', '--input-type=module', '--eval', program];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 20_000 });
  expect(stdout.trim()).toBe('true');
});
