import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { root } from './root.mjs';

const vitest = join(root, 'node_modules/vitest/vitest.mjs');

/** Runs vitest in the foreground and returns its exit code: tests are TypeScript, which Node 20 does not run. */
export async function runVitest(args, env) {
  const child = spawn(process.execPath, [vitest, ...args], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: 'inherit',
  });
  const [code] = await once(child, 'close');
  return code ?? 1;
}
