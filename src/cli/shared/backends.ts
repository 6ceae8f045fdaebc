import type { Backend } from '../../index.js';
import { oneOf } from './arguments.js';
import { usageError } from './failure.js';

/** The backends by the names that the command line has for them. */
export const backendNames = ['node', 'forge', 'noble'] as const;

const loaders: Readonly<Record<(typeof backendNames)[number], () => Promise<Backend>>> = {
  node: async () => (await import('../../../backends/node.js')).node,
  forge: async () => (await import('../../../backends/forge.js')).forge,
  noble: async () => (await import('../../../backends/noble.js')).noble,
};

/** The backend that `--backend` names; `undefined` without the flag. */
export async function loadBackend(name: string | undefined): Promise<Backend | undefined> {
  const known = oneOf('backend', name, backendNames);
  if (known === undefined) return undefined;
  try {
    return await loaders[known]();
  } catch (error) {
    if (!isMissingForge(error)) throw error;
    throw usageError('the forge backend needs node-forge, which is not installed', 'npm i node-forge');
  }
}

function isMissingForge(error: unknown): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    error.code === 'ERR_MODULE_NOT_FOUND' &&
    error.message.includes("'node-forge'")
  );
}
