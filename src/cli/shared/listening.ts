import { lstat, unlink } from 'node:fs/promises';
import type { Server } from 'node:net';
import { hasCode } from '../../errors.js';
import { isLeftBehind } from '../../transports/unix-path.node.js';
import type { ListenAddress } from './address.js';
import { CommandError, exitCodes } from './failure.js';
import { unusable } from './inherited.js';

/** Flags of a command that listens. */
export const listenFlags = { unlink: { type: 'boolean' } } as const;

/** What the flags hold. */
export interface ListenFlags {
  readonly unlink?: boolean | undefined;
}

/**
 * Starts listening at an address. The file of a Unix domain socket outlives a killed process: with `unlink`, a socket
 * at which no one listens is removed first; otherwise the error says what to do.
 */
export async function listenWhereFree(
  address: ListenAddress,
  flags: ListenFlags,
  begin: () => Promise<void>,
): Promise<void> {
  if (flags.unlink && 'path' in address && (await isLeftBehind(address.path))) await unlink(address.path);
  try {
    await begin();
  } catch (error) {
    if ('fd' in address) throw unusable(address, error);
    throw 'path' in address && hasCode(error, 'EADDRINUSE') ? await inTheWay(address.path, error) : error;
  }
}

/** Starts listening for plain connections. Resolves to the address, with the real port. */
export function listenPlain(listener: Server, address: ListenAddress): Promise<ListenAddress> {
  return new Promise((resolve, reject) => {
    listener.once('error', reject);
    listener.listen(address, () => {
      listener.off('error', reject);
      const at = listener.address();
      resolve(at === null || typeof at === 'string' ? address : { host: at.address, port: at.port });
    });
  });
}

async function inTheWay(path: string, cause: unknown): Promise<CommandError> {
  if (await isLeftBehind(path)) {
    const text = `${path} is the socket of a program that no longer runs`;
    return new CommandError(
      exitCodes.network,
      text,
      ['remove it, or give --unlink to have it removed'],
      cause,
    );
  }
  const isSocket = (await lstat(path)).isSocket();
  const text = isSocket ? `another program listens at ${path}` : `${path} is there, and is no socket`;
  return new CommandError(exitCodes.network, text, ['choose another path'], cause);
}
