/**
 * A reliable, ordered byte stream in both directions, as a connection needs it. TCP and Unix domain sockets and any
 * `node:stream` Duplex have one through {@link fromDuplex}.
 */
export interface Transport {
  /** Starts reading and reports to `events` from then on. Called once. */
  start(events: TransportEvents): void;
  /** Writes the chunks in order. They must not change until written. Never throws: a failure arrives as `close`. */
  write(chunks: readonly Uint8Array[]): void;
  /** Bytes written but not yet taken by the system. */
  readonly pending: number;
  /** The same as exactly as the transport can tell, if it sees a write while it is under way. */
  readonly unsent?: number;
  /** Stops reading until `resume`; a chunk under way may still arrive. */
  pause(): void;
  /** Goes on reading. */
  resume(): void;
  /**
   * Asks whether the peer has reset the connection, for one that is not read from, where the system tells that no other
   * way; if so `close` follows, with its error.
   */
  probe?(): void;
  /** Ends the writing half, after everything written. */
  end(): void;
  /** Gives everything up at once; `close` follows. */
  destroy(error?: Error): void;
  /**
   * The same, in a way that the peer does not take for an end of ours, where an end and a loss would look alike otherwise.
   */
  reset?(): void;
  /** The peer's address, if there is such a thing. */
  readonly remoteAddress?: string | undefined;
  /** The peer's port. */
  readonly remotePort?: number | undefined;
  /** This side's address. */
  readonly localAddress?: string | undefined;
  /** This side's port. */
  readonly localPort?: number | undefined;
  /** Keeps the process alive while open (the default), or not. */
  ref?(): void;
  /** Lets the process end although it is open. */
  unref?(): void;
}

/** What a transport reports. */
export interface TransportEvents {
  /**
   * Bytes arrived. The view is valid during the call only, unless its whole memory is given away (`isGiven`): then
   * nothing else may use that memory from the call on, and the receiver may detach it.
   */
  data(bytes: Uint8Array, isGiven?: boolean): void;
  /** The peer ended its half. */
  end(): void;
  /** A write completed; `pending` is up to date. */
  written(): void;
  /** All is over, with the error if it was not orderly. The last call. */
  close(error?: Error): void;
  /** Where the next bytes may be read to, if the receiver wants them in a place of its own. `data` then gets a view of it. Asked for before every read, and not written to once `data` was called for that read. */
  target?(): Uint8Array | undefined;
}

/** Whether something given by the application has what a transport has. */
export function isTransport(value: unknown): value is Transport {
  return typeof value === 'object' && value !== null && 'start' in value && typeof value.start === 'function';
}

const methods = ['start', 'write', 'pause', 'resume', 'end', 'destroy'] as const;

/** A method that it has to have and has not. */
export function missingMethod(transport: Transport): string | undefined {
  return methods.find((name) => typeof transport[name] !== 'function');
}
