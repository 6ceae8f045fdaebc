import { hasCode } from '../../errors.js';
import type { Backend } from '../../index.js';
import { oneOf } from './arguments.js';
import { type CommandError, usageError } from './failure.js';
import { isNotInstalled } from './optional.js';

/** The backends, by their names on the command line. */
export const backendNames = ['node', 'sodium', 'web', 'forge', 'noble'] as const;

const loaders: Readonly<Record<(typeof backendNames)[number], () => Promise<Backend>>> = {
  node: async () => (await import('../../../backends/node.js')).node,
  sodium: async () => (await importLater('sodium')).sodium,
  web: async () => (await import('../../../backends/web.js')).web,
  forge: async () => (await importLater('forge')).forge,
  noble: async () => (await import('../../../backends/noble.js')).noble,
};

/**
 * Imports a backend over a package that need not be installed. By the name of this package, put together: bundlers
 * follow what they can read, move the imports of a backend to the start of the file, and the command would need both
 * packages to print its version.
 */
async function importLater<Name extends 'sodium' | 'forge'>(name: Name): Promise<Record<Name, Backend>> {
  return await import(`secure-sockets/backends/${name}`);
}

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
  if (peer === undefined) return undefined;
  if (isNotInstalled(error, 'secure-sockets'))
    return usageError(
      `the ${name} backend is not part of a command that was bundled into one file`,
      `npm i secure-sockets ${peer}, and run the command that npm installs`,
    );
  if (isNotInstalled(error, peer))
    return usageError(`the ${name} backend needs ${peer}, which is not installed`, `npm i ${peer}`);
  if (hasCode(error, 'ADDON_NOT_FOUND', 'CANNOT_LOAD')) {
    const system = `${process.platform} on ${process.arch}`;
    return usageError(
      `the ${name} backend cannot be loaded: ${peer} has no build for ${system}`,
      'use --backend node',
    );
  }
  return undefined;
}
