import { channel } from 'node:diagnostics_channel';
import type { Connection } from './connection/connection.js';
import type { HandshakeDiagnostics, Side, Tracer } from './diagnostics.js';

const handshakeStart = channel('secure-sockets:handshake:start');
const handshakeEnd = channel('secure-sockets:handshake:end');
const handshakeError = channel('secure-sockets:handshake:error');
const opened = channel('secure-sockets:open');
const closed = channel('secure-sockets:close');
const limited = channel('secure-sockets:limit');

function traceHandshake(side: Side, connection: Connection): void {
  if (!handshakeStart.hasSubscribers && !handshakeEnd.hasSubscribers && !handshakeError.hasSubscribers)
    return;
  const { remoteAddress, remotePort } = connection.transport;
  const facts: HandshakeDiagnostics = { side, remoteAddress, remotePort };
  handshakeStart.publish(facts);
  connection.ready.then(
    () => handshakeEnd.publish(facts),
    (error: unknown) => handshakeError.publish({ ...facts, error }),
  );
}

function traceConnection(side: Side, client: object, connection: Connection): void {
  if (!opened.hasSubscribers && !closed.hasSubscribers) return;
  const facts = { side, client };
  opened.publish(facts);
  void connection.closed.then(() => closed.publish(facts));
}

function traceLimit(facts: object): void {
  if (limited.hasSubscribers) limited.publish(facts);
}

/** Publishes on Node's channels. Costs almost nothing without subscribers. */
export const channels: Tracer = { traceHandshake, traceConnection, traceLimit };
