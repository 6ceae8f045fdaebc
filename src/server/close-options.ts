import { type ArgumentRules, integer } from '../arguments.js';

/** How to close a server. */
export interface ServerCloseOptions {
  /**
   * How long the program may go on serving the clients that are connected, in milliseconds: 0, the default, closes them
   * at once. A client is closed as soon as it waits in `recv()` or a loop for a message that has not begun to arrive.
   */
  readonly drain?: number | undefined;
  /** How long clients may then take to end in order, in milliseconds, before they are destroyed. Default 5000. */
  readonly timeout?: number | undefined;
}

/** What they have to be. */
export const closeRules: ArgumentRules<ServerCloseOptions> = {
  drain: integer(0, 2 ** 31 - 1, 'milliseconds'),
  timeout: integer(0, 2 ** 31 - 1, 'milliseconds'),
};
