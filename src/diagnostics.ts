import type { Connection } from './connection/connection.js';
import { printable, reasonOf } from './errors.js';

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

/** The part of `node:diagnostics_channel` that is used here. */
interface Channel {
  readonly hasSubscribers: boolean;
  publish(message: unknown): void;
}

interface ProcessLike {
  getBuiltinModule?(id: string): { channel(name: string): Channel } | undefined;
  emitWarning?(text: string, options: { type?: string; code: string }): void;
}

const platformProcess: ProcessLike | undefined = (globalThis as { process?: ProcessLike }).process;
// asked for and not imported: bundlers for places without it find nothing to complain about
const diagnosticsChannel = platformProcess?.getBuiltinModule?.('node:diagnostics_channel');

function channel(name: string): Channel {
  return diagnosticsChannel?.channel(name) ?? { hasSubscribers: false, publish: () => {} };
}

const handshakeStart = channel('secure-sockets:handshake:start');
const handshakeEnd = channel('secure-sockets:handshake:end');
const handshakeError = channel('secure-sockets:handshake:error');
const opened = channel('secure-sockets:open');
const closed = channel('secure-sockets:close');
const limited = channel('secure-sockets:limit');

/** Reports the start and end of a handshake. Costs almost nothing without subscribers. */
export function traceHandshake(side: Side, connection: Connection): void {
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

/** Tells of an open connection, and later of its end. */
export function traceConnection(side: Side, client: object, connection: Connection): void {
  if (!opened.hasSubscribers && !closed.hasSubscribers) return;
  const facts = { side, client };
  opened.publish(facts);
  void connection.closed.then(() => closed.publish(facts));
}

/** Tells that a limit was met. */
export function traceLimit(facts: object): void {
  if (limited.hasSubscribers) limited.publish(facts);
}

/**
 * Calls what the application gave to be told of something. What it throws, or rejects with, is a warning, once for each
 * name: the caller is not concerned, and neither is the process.
 */
export function callSafely(name: string, call: () => unknown): void {
  const warn = (thrown: unknown): void => {
    if (warned.has(name)) return;
    warned.add(name);
    emitWarning(`${name} threw: ${reasonOf(thrown)}`, { code: 'SECURE_SOCKETS_CALLBACK' });
  };
  try {
    const result = call();
    if (typeof result === 'object' && result !== null) Promise.resolve(result).catch(warn);
  } catch (thrown) {
    warn(thrown);
  }
}

/** Asks something of the application that is true or false; what throws or is neither is `otherwise`, and a warning. */
export function askSafely(name: string, ask: () => unknown, otherwise: boolean): boolean {
  try {
    const answer = ask();
    if (typeof answer === 'boolean') return answer;
    if (typeof answer === 'object' && answer !== null) Promise.resolve(answer).catch(() => {});
    throw new TypeError(`it must return true or false, not ${typeof answer}`);
  } catch (thrown) {
    callSafely(name, () => {
      throw thrown;
    });
    return otherwise;
  }
}

const warned = new Set<string>();

/** A warning of the process, or on the console where there is no process to warn. */
export function emitWarning(warning: string, options: { type?: string; code: string }): void {
  const text = printable(warning);
  if (platformProcess?.emitWarning) platformProcess.emitWarning(text, options);
  else console.warn(`[${options.code}] ${text}`);
}
