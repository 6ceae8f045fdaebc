import { defaultBackend } from '../defaults.node.js';
import { Identity } from '../identity/identity.node.js';
import { AuthorizedKeys } from '../trust/authorized-keys.node.js';
import { KnownHosts } from '../trust/known-hosts.node.js';
import type { ClientScriptPlatform } from './client-scripts.js';
import { protectMemory } from './protect-memory.node.js';
import type { ServerScriptPlatform } from './server-scripts.js';

/** What scripts take of Node: files, and memory that cannot be transferred. */
export const nodeScripts: ClientScriptPlatform & ServerScriptPlatform = {
  backend: defaultBackend,
  generateIdentity: (options) => Identity.generate(options),
  openAuthorizedKeys: (source) => new AuthorizedKeys(source),
  openKnownHosts: async (source) => new KnownHosts(source),
  protectMemory,
};
