import { spawnSync } from 'node:child_process';

/** Runs a program in a folder, its output being ours. Throws unless it succeeds. */
export function run(cwd, command, ...given) {
  const { status, error } = spawnSync(command, given, {
    cwd,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ${given.join(' ')} failed with exit code ${status}`);
}
