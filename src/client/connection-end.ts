import type { Connection } from '../connection/connection.js';

/** How a connection has ended. */
export interface ConnectionEnd {
  /** Why, unless both ends have ended it in order. */
  readonly error: Error | undefined;
  /** The code with which the peer has ended its side; `undefined` if it has not. */
  readonly closeCode: number | undefined;
}

/** Tells how the connection of a client ends: the one that it has, or the one that it will have. */
export class EndOfConnection {
  readonly promise: Promise<ConnectionEnd>;
  #resolve: (end: ConnectionEnd) => void = () => {};

  constructor() {
    this.promise = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** It ends when this connection does. */
  follow(connection: Connection): void {
    void connection.closed.then(() => {
      const error = connection.failure as Error | undefined;
      this.#resolve({ error, closeCode: connection.peerCloseCode });
    });
  }

  /** There will be no connection. */
  giveUp(error: Error | undefined): void {
    this.#resolve({ error, closeCode: undefined });
  }
}
