import { SecureServer, type ServerOptions } from '../../index.js';
import { type ServerValues, serverKey, serverOptions } from './endpoint.js';
import type { Report } from './output.js';

/** A server that reads its key and list of clients from files. */
export interface FileServer {
  readonly server: SecureServer;
  /** Reads them again. Rejects, and then nothing has changed. */
  reload(): Promise<void>;
}

/** Flags of a server whose clients stay connected for long. */
export const revocationFlags = { 'keep-revoked': { type: 'boolean' } } as const;

/** Clients that are removed from the list are cut off, unless `--keep-revoked` is given. Classic refuses the option. */
export function revocation(values: ServerValues & { readonly 'keep-revoked'?: boolean | undefined }): {
  readonly disconnectRevoked?: true;
} {
  const isEnding = values['authorized-keys'] !== undefined && !values['keep-revoked'];
  return isEnding ? { disconnectRevoked: true } : {};
}

/**
 * Makes a server from the flags. A reload that finds the same key keeps the ticket keys, so that clients can still
 * resume; with another key it makes new ones. Whether a client is authorised is checked at resumption too.
 */
export async function makeServer(
  values: ServerValues,
  report: Report,
  more: Partial<ServerOptions> = {},
): Promise<FileServer> {
  const key = serverKey(values);
  const server = new SecureServer({
    ...(await serverOptions(values, key, report)),
    ...more,
  } as ServerOptions);
  const reload = async (): Promise<void> => {
    const identity = await key?.readChanged(server.fingerprint);
    await server.reload({ identity });
  };
  return { server, reload };
}
