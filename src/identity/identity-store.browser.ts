import { Identity } from './identity.browser.js';
import { type IdentityStoreOptions, PortableIdentityStore } from './identity-store.js';

/**
 * Identities whose keys the platform keeps, by name, in IndexedDB: a page that comes back is who it was, and no script can
 * take its key away.
 */
export class IdentityStore extends PortableIdentityStore<Identity> {
  /** Throws BAD_OPTION where there is no IndexedDB. */
  constructor(options: IdentityStoreOptions = {}) {
    super((pair, how) => Identity.fromKeyPair(pair, how), options);
  }
}
