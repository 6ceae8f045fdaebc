import type { ErrorCode } from '../errors.js';

/** A server's counters. */
export interface ServerStats {
  /** Handshakes under way. */
  readonly pending: number;
  /** Clients whose handshake is done and that have not been accepted yet. */
  readonly waiting: number;
  /** Connections whose handshake is done and that are not over. */
  readonly open: number;
  /** Handshakes done since the start. */
  readonly handshakesCompleted: number;
  /** Connections that did not become clients, by error code; `SYSTEM` counts errors of the system. */
  readonly rejected: Readonly<Partial<Record<ErrorCode | 'SYSTEM', number>>>;
  /** RSA private operations since the start. */
  readonly privateKeyOperations: number;
  /** RSA private operations that wait for their turn. */
  readonly privateKeyOperationsWaiting: number;
  /** Bytes held for all connections, in both directions. */
  readonly buffered: number;
  /** Bytes received on the wire. */
  readonly bytesRead: number;
  /** Bytes written to the wire. */
  readonly bytesWritten: number;
}
