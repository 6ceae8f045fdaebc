import { lstat, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { platform } from 'node:process';
import { badArgument, quote } from '../errors.js';

/** `sizeof sun_path` less the byte that ends it: 108 on Linux, 104 on the BSDs and macOS. */
const MAX_BYTES = platform === 'linux' ? 107 : 103;

/** Throws BAD_ARGUMENT if the system cannot hold the path of a Unix domain socket. */
export function checkUnixPath(path: string): void {
  const problem = problemOfUnixPath(path);
  if (problem !== undefined) throw badArgument(problem);
}

/**
 * Why the system cannot hold the path of a Unix domain socket, if it cannot. Node 20 cuts a path off without a word, where
 * it is too long and at a zero byte, so that two paths may meet in one socket. A zero byte that comes first stands for
 * Linux's abstract names.
 */
export function problemOfUnixPath(path: string): string | undefined {
  // a named pipe of Windows is no file
  if (platform === 'win32') return undefined;
  if (path.includes('\0', platform === 'linux' ? 1 : 0))
    return `the path of a Unix domain socket has no zero byte: ${quote(path)}`;
  const length = new TextEncoder().encode(path).length;
  if (length <= MAX_BYTES) return undefined;
  return `the path of a Unix domain socket has at most ${MAX_BYTES} bytes here, and this one ${length}: ${path}`;
}

/** What to tell of an address in use: the same, unless it is a file that a server has left behind. */
export async function explainInUse(error: NodeJS.ErrnoException, path: string): Promise<Error> {
  if (error.code !== 'EADDRINUSE' || !(await isLeftBehind(path))) return error;
  const text = `${path} is a socket at which no one listens any more: a server that was killed has left it. Remove it, or listen with unlink: true`;
  return Object.assign(new Error(text, { cause: error }), { code: error.code, errno: error.errno, path });
}

/** Removes the socket file of a server that is gone; leaves everything else alone. */
export async function unlinkIfLeftBehind(path: string): Promise<void> {
  if (await isLeftBehind(path)) await unlink(path);
}

/** Whether it is a socket, and refuses connections. One whose queue is full, or that may not be asked, has a server. */
export async function isLeftBehind(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  return found?.isSocket() === true && (await refuses(path));
}

function refuses(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'ECONNREFUSED'));
  });
}
