import { Identity } from '../identity/identity.node.js';
import { AuthorizedKeys } from '../trust/authorized-keys.node.js';
import { KnownHosts } from '../trust/known-hosts.node.js';
import { protectMemory } from './protect-memory.node.js';
import { type Plans, plansOn } from './scripts.js';

/** From options to scripts, with the files of Node. */
export const nodePlans: Plans = plansOn({
  generateIdentity: (options) => Identity.generate(options),
  openAuthorizedKeys: (source) => new AuthorizedKeys(source),
  openKnownHosts: (source) => new KnownHosts(source),
  protectMemory,
});
