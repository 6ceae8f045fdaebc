import type { Backend } from '../../index.js';
import { oneOf } from './arguments.js';
import { type CommandError, usageError } from './failure.js';

/** The backends, by their names on the command line. */
export const backendNames = ['node', 'sodium', 'web', 'forge', 'noble'] as const;

const loaders: Readonly<Record<(typeof backendNames)[number], () => Promise<Backend>>> = {
  node: async () => (await import('../../../backends/node.js')).node,
  sodium: async () => (await import('../../../backends/sodium.js')).sodium,
  web: async () => (await import('../../../backends/web.js')).web,
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
    throw unavailable(known, error) ?? error;
  }
}

/** The packages that some backends need, which are installed beside this one. */
const peers: Readonly<Record<string, string>> = { sodium: 'sodium-native', forge: 'node-forge' };

/** The usage error for a backend that cannot be loaded because its package is missing. */
function unavailable(name: string, error: unknown): CommandError | undefined {
  const peer = peers[name];
  if (peer === undefined || !(error instanceof Error) || !('code' in error)) return undefined;
  if (error.code === 'ERR_MODULE_NOT_FOUND' && error.message.includes(`'${peer}'`))
    return usageError(`the ${name} backend needs ${peer}, which is not installed`, `npm i ${peer}`);
  if (error.code === 'ADDON_NOT_FOUND' || error.code === 'CANNOT_LOAD') {
    const system = `${process.platform} on ${process.arch}`;
    return usageError(
      `the ${name} backend cannot be loaded: ${peer} has no build for ${system}`,
      'use --backend node',
    );
  }
  return undefined;
}
