import { SecureServer, type ServerOptions } from '../../index.js';
import { type ServerValues, serverKey, serverOptions } from './endpoint.js';
import type { Report } from './output.js';

/** A server whose key and list of clients come from files. */
export interface FileServer {
  readonly server: SecureServer;
  /** Reads them again. Rejects, and then nothing has changed. */
  reload(): Promise<void>;
}

/**
 * Makes a server as the flags say. A reload that finds the same key keeps its ticket keys, so that clients go on
 * resuming; with another key the server has others. Whether a client is let in is looked up when it resumes, too.
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
