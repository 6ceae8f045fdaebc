import { checkOptions, refuseMore } from '../arguments.js';
import { badArgument, kindOf } from '../errors.js';
import type { ServerOptions } from '../options/options.js';
import { SecureServer } from './server.node.js';

/** Where to listen, and the options of the server. */
export type ListenOptions = ServerOptions & {
  /** The port to listen at; 0 for a free one. This or `path` is needed. */
  readonly port?: number | undefined;
  /** The address to listen at. Default: every one. */
  readonly host?: string | undefined;
  /** The Unix domain socket to listen at. */
  readonly path?: string | undefined;
  /** With `path`: whether to remove a socket that a server has left there, if no one listens at it. Default false. */
  readonly unlink?: boolean | undefined;
};

/**
 * A server that listens: `new SecureServer(options)` and its `listen()` in one. A number is a port.
 *
 * Rejects as these do.
 */
export async function listen(to: number | ListenOptions, ...more: []): Promise<SecureServer> {
  refuseMore('listen()', more, 'options stand beside the port, { port, ...options }');
  const options: ListenOptions = typeof to === 'number' ? { port: to } : to;
  if (typeof options !== 'object' || options === null)
    throw badArgument(`listen() takes a port or an object of options, not ${kindOf(options)}`);
  checkOptions(options, 'listen()');
  const { port, host, path, unlink, ...serverOptions } = options;
  const server = new SecureServer(serverOptions);
  await server.listen({ port, host, path, unlink } as Parameters<SecureServer['listen']>[0]);
  return server;
}
