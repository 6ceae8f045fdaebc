import type { Connection } from './connection/connection.js';

/** Which side of a connection this process is. */
export type Side = 'client' | 'server';

/** What is told of a handshake. The peer's address is absent on Unix domain sockets and transports of one's own. */
export interface HandshakeDiagnostics {
  /** Which end this process is. */
  readonly side: Side;
  /** The peer's address. */
  readonly remoteAddress: string | undefined;
  /** The peer's port. */
  readonly remotePort: number | undefined;
  /** Why it failed, on the error channel. */
  readonly error?: unknown;
}

/** Who wants to know of connections. */
export interface Tracer {
  /** A handshake begins. */
  traceHandshake(side: Side, connection: Connection): void;
  /** A connection is open. */
  traceConnection(side: Side, client: object, connection: Connection): void;
  /** A limit was met. */
  traceLimit(facts: object): void;
}

let tracer: Tracer | undefined;

/** Has all connections observed, where there are channels for it: not in a page. */
export function traceBy(observer: Tracer): void {
  tracer = observer;
}

/** Reports the start and end of a handshake. */
export function traceHandshake(side: Side, connection: Connection): void {
  tracer?.traceHandshake(side, connection);
}

/** Tells of an open connection, and later of its end. */
export function traceConnection(side: Side, client: object, connection: Connection): void {
  tracer?.traceConnection(side, client, connection);
}

/** Tells that a limit was met. */
export function traceLimit(facts: object): void {
  tracer?.traceLimit(facts);
}
