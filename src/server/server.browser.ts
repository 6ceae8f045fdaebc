import { SecureClient } from '../client/client.browser.js';
import { wholeBackend } from '../defaults-server.browser.js';
import { badOption } from '../errors.js';
import { Identity } from '../identity/identity.browser.js';
import type { ClassicServerOptions, PortableSealedServerOptions } from '../options/options.js';
import { planServer, type ServerScriptPlatform } from '../options/server-scripts.js';
import { AuthorizedKeys } from '../trust/authorized-keys.browser.js';
import type { PortableAuthorizedKeys } from '../trust/authorized-keys.js';
import { PortableServer, type ServerPlatform } from './server.js';

/** Options of a {@link SecureServer}: those of every platform, without files. */
export type ServerOptions =
  | (PortableSealedServerOptions & {
      /** The clients let in: fingerprints, or `AuthorizedKeys`. Sealed only. */
      authorizedKeys?: string | readonly string[] | PortableAuthorizedKeys | undefined;
    })
  | ClassicServerOptions;

const scripts: ServerScriptPlatform = {
  generateIdentity: (options) => Identity.generate(options),
  openAuthorizedKeys: (source) => {
    if (typeof source === 'string' || Array.isArray(source)) return new AuthorizedKeys(source as string[]);
    throw badOption('authorizedKeys must be fingerprints or AuthorizedKeys here, where there are no files');
  },
  protectMemory: undefined,
};

const platform: ServerPlatform<SecureClient> = {
  backend: wholeBackend,
  plan: (settings, queue) => planServer(scripts, settings, queue),
  client: () => new SecureClient(),
};

/**
 * Does the handshakes over transports that are attached, side by side, and hands out connected clients, in the order in
 * which they became ready. Iterating over it accepts until it is closed.
 */
export class SecureServer extends PortableServer<SecureClient> {
  /** Throws BAD_OPTION. */
  constructor(options: ServerOptions = {}) {
    super(options, platform);
  }
}
