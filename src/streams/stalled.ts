import type { Connection } from '../connection/connection.js';

/**
 * Calls `tell` with the error of a connection that has failed, once nothing of what it has left is read any more: for
 * `closeTimeout`. A program that reads on gets all messages first, and then the error from the connection itself; one
 * that waits for room elsewhere, such as a pipe to a target that does not read, would never ask again and never know.
 */
export function whenStalled(
  connection: Connection,
  reads: () => number,
  tell: (error: unknown) => void,
): void {
  const watch = (error: unknown): void => {
    const before = reads();
    const timer = setTimeout(() => {
      if (reads() === before) tell(error);
      else watch(error);
    }, connection.closeTimeout);
    timer.unref?.();
  };
  void connection.closed.then(() => {
    if (connection.failure !== undefined) watch(connection.failure);
  });
}
