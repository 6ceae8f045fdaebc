import { Connection, type ConnectionSettings } from '../connection/connection.js';
import type { HandshakeResult } from '../core/script.js';
import { traceHandshake } from '../diagnostics.node.js';
import { SecureSocketError } from '../errors.js';
import type { ClientSettings } from '../options/options.js';
import { planClient } from '../options/scripts.node.js';
import { readAddress } from '../transports/address.js';
import { dial, type TcpAddress, type UnixAddress } from '../transports/tcp.node.js';
import { isTransport, type Transport } from '../transports/transport.js';
import type { Target } from '../trust/trust.node.js';

/** How to connect. */
export interface ConnectOptions {
  /** Aborts the connection attempt, the handshake included; `connect` rejects with its reason. */
  readonly signal?: AbortSignal;
  /** With a {@link Transport}: the host to look up in a known-hosts file. */
  readonly host?: string;
  /** With a {@link Transport}: the port to look up in a known-hosts file. */
  readonly port?: number;
}

/**
 * Dials and does the handshake, within one deadline from the first to the last. `giveUp` ends it from outside, as the
 * signal of the options does; a transport that was given is destroyed then.
 */
export async function establish(
  settings: ClientSettings,
  to: TcpAddress | UnixAddress | Transport,
  options: ConnectOptions,
  giveUp: AbortController,
): Promise<{ connection: Connection; opening: HandshakeResult }> {
  const { handshakeTimeout } = settings;
  const late = (): SecureSocketError =>
    new SecureSocketError('HANDSHAKE_TIMEOUT', `not connected within ${handshakeTimeout} ms`);
  const deadline = setTimeout(() => giveUp.abort(late()), handshakeTimeout);
  const follow = (): void => giveUp.abort(options.signal?.reason);
  if (options.signal?.aborted) follow();
  else options.signal?.addEventListener('abort', follow, { once: true });
  try {
    return await attempt(settings, to, options, giveUp.signal);
  } catch (error) {
    if (isTransport(to)) to.destroy();
    throw error;
  } finally {
    clearTimeout(deadline);
    options.signal?.removeEventListener('abort', follow);
  }
}

async function attempt(
  settings: ClientSettings,
  to: TcpAddress | UnixAddress | Transport,
  options: ConnectOptions,
  signal: AbortSignal,
): Promise<{ connection: Connection; opening: HandshakeResult }> {
  const address = isTransport(to) ? to : readAddress(to, 1);
  const { script, confirmed } = await abortable(planClient(settings, targetOf(address, options)), signal);
  const transport = isTransport(address) ? address : await dial(settings, address, signal);
  const connection = new Connection(transport, script, connectionSettings(settings));
  const abort = (): void => connection.destroy(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    traceHandshake('client', connection);
    connection.start();
    const opening = await connection.ready;
    signal.throwIfAborted();
    if (confirmed && opening.peer) await abortable(confirmed(opening.peer.fingerprint), signal);
    return { connection, opening };
  } catch (error) {
    connection.destroy(error);
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** The promise, unless the signal comes first. */
async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let abort: () => void = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

function connectionSettings(settings: ClientSettings): ConnectionSettings {
  return { ...settings, readAhead: settings.maxMessage + settings.maxRecord, run: async (task) => task() };
}

function targetOf(
  to: TcpAddress | UnixAddress | Transport,
  { host, port }: ConnectOptions,
): Target | undefined {
  if (isTransport(to)) return host === undefined ? undefined : { host, port: port ?? 0 };
  return 'path' in to
    ? { host: `unix:${to.path}`, port: 0 }
    : { host: to.host ?? 'localhost', port: to.port };
}
