import { isUrl } from '../arguments.js';
import { defaultBackend, isDefaultEnough, loadWholeBackend } from '../defaults.browser.js';
import { badOption, fetched } from '../errors.js';
import { type ClientScriptPlatform, planClient } from '../options/client-scripts.js';
import type { ClassicClientOptions, PortableSealedClientOptions } from '../options/options.js';
import type { PortableKnownHosts, StoredHosts } from '../trust/known-hosts.js';
import { type AcceptedClient as Accepted, PortableClient } from './client.js';
import type { ClientPlatform } from './client-lifecycle.js';

/** Options of a {@link SecureClient}: those of every platform, without files. */
export type ClientOptions =
  | (PortableSealedClientOptions & {
      /** Where known hosts are kept: `{ storage, key }`, as in `localStorage`, `{ load, save }`, or `KnownHosts`. Sealed only. */
      knownHosts?: StoredHosts | PortableKnownHosts | undefined;
    })
  | ClassicClientOptions;

const scripts: ClientScriptPlatform = {
  backend: defaultBackend,
  loadBackend: async ({ protocol }) =>
    protocol === 'sealed' && isDefaultEnough ? defaultBackend : loadWholeBackend(),
  openKnownHosts: async (source) => {
    if (typeof source === 'object' && !isUrl(source) && !('path' in source)) {
      const { PortableKnownHosts: KnownHosts } = await fetched(import('../trust/known-hosts.js'));
      return new KnownHosts(source);
    }
    throw badOption('knownHosts must be { storage, key } or { load, save } here, where there are no files');
  },
  protectMemory: undefined,
};

const platform: ClientPlatform = {
  backend: defaultBackend,
  plan: (settings, target) => planClient(scripts, settings, target),
};

/**
 * An encrypted connection that carries whole messages in both directions: the client's end, and what a server's
 * `accept()` returns. Iterating over it gives the messages received, until the peer has ended its side in order.
 */
export class SecureClient extends PortableClient {
  /** Throws BAD_OPTION. */
  constructor(options: ClientOptions = {}) {
    super(options, platform);
  }
}

/** A client that a server has accepted: it is connected already, and has no `connect`. */
export type AcceptedClient<Client = SecureClient> = Accepted<Client>;
