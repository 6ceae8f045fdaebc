import { Connection, type ConnectionSettings } from '../connection/connection.js';
import { onAbort } from '../connection/on-abort.js';
import type { HandshakeResult } from '../core/script.js';
import { traceHandshake } from '../diagnostics.js';
import { SecureSocketError } from '../errors.js';
import type { ClientPlan } from '../options/client-scripts.js';
import type { ClientSettings } from '../options/settings.js';
import type { Cancellation } from '../transports/cancellation.js';
import { guardTransport } from '../transports/guarded.js';
import type { Transport } from '../transports/transport.js';
import type { Target } from '../trust/trust.js';

/** How to connect. */
export interface ConnectOptions {
  /** Aborts the connection attempt, the handshake included; `connect` rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** With a {@link Transport}: the host to look up in a known-hosts file. */
  readonly host?: string | undefined;
  /** With a {@link Transport}: the port to look up in a known-hosts file. */
  readonly port?: number | undefined;
}

/** Where to connect to, and how. */
export interface Destination {
  /** What a known-hosts file calls it; absent where it has no name. */
  readonly target: Target | undefined;
  /** Opens the transport. */
  readonly open: (giveUp: Cancellation, settings: ClientSettings) => Transport | Promise<Transport>;
  /** Lets go of what was given to be used, however far the attempt has come. */
  readonly giveUp?: () => void;
}

/** The destination that a transport of the application's own leads to. */
export function useTransport(transport: Transport, { host, port }: ConnectOptions): Destination {
  const own = guardTransport(transport, 'connect()');
  return {
    target: host === undefined ? undefined : { host, port: port ?? 0 },
    open: () => own,
    giveUp: () => own.destroy(),
  };
}

/** Makes the script of one connection. */
export type Planner = (settings: ClientSettings, target: Target | undefined) => Promise<ClientPlan>;

/** What an attempt to connect goes by. */
export interface Attempt {
  readonly settings: ClientSettings;
  readonly plan: Planner;
  readonly destination: Destination;
}

/**
 * Dials and does the handshake, within one deadline from the first to the last. `giveUp` ends it from outside, as the
 * signal of the options does; a transport that was given is destroyed then.
 */
export async function establish(
  toDo: Attempt,
  options: ConnectOptions,
  giveUp: Cancellation,
): Promise<{ connection: Connection; handshake: HandshakeResult }> {
  const { handshakeTimeout } = toDo.settings;
  const late = (): SecureSocketError =>
    new SecureSocketError('HANDSHAKE_TIMEOUT', `not connected within ${handshakeTimeout} ms`);
  const deadline = setTimeout(() => giveUp.cancel(late()), handshakeTimeout);
  const { signal } = options;
  const follow = (): void => giveUp.cancel(signal?.reason);
  if (signal?.aborted) follow();
  const unfollow = signal && onAbort(signal, follow);
  try {
    return await attempt(toDo, giveUp);
  } catch (error) {
    toDo.destination.giveUp?.();
    throw error;
  } finally {
    clearTimeout(deadline);
    unfollow?.();
  }
}

async function attempt(
  { settings, plan, destination }: Attempt,
  giveUp: Cancellation,
): Promise<{ connection: Connection; handshake: HandshakeResult }> {
  const { script, confirm } = await giveUp.unlessCancelled(plan(settings, destination.target));
  const transport = await destination.open(giveUp, settings);
  const connection = new Connection(transport, script, connectionSettings(settings));
  const stop = giveUp.onCancel((reason) => connection.destroy(reason));
  try {
    traceHandshake('client', connection);
    // the deadline of the whole attempt is this one's too
    connection.start(Number.POSITIVE_INFINITY);
    const handshake = await connection.ready;
    if (giveUp.isCancelled) throw giveUp.reason;
    if (confirm && handshake.peer) await giveUp.unlessCancelled(confirm(handshake.peer.fingerprint));
    return { connection, handshake };
  } catch (error) {
    connection.destroy(error);
    throw error;
  } finally {
    stop();
  }
}

/** By name: to copy all of the settings costs more than all else here. */
function connectionSettings(settings: ClientSettings): ConnectionSettings {
  return {
    handshakeTimeout: settings.handshakeTimeout,
    closeTimeout: settings.closeTimeout,
    allowHalfOpen: settings.allowHalfOpen,
    highWaterMark: settings.highWaterMark,
    maxSendQueue: settings.maxSendQueue,
    pingInterval: settings.pingInterval,
    pingTimeout: settings.pingTimeout,
    idleTimeout: settings.idleTimeout,
    readAhead: settings.maxMessage + settings.maxRecord,
    run: async (task) => task(),
  };
}
