import { Sessions } from '../../index.js';
import { type Flags, parse, wholeNumber } from './arguments.js';
import { clientFlags, endpointFlags, serverFlags } from './endpoint.js';
import { usageError } from './failure.js';
import { makeServer, revocation, revocationFlags } from './file-server.js';
import { Links, maxConnections } from './links.js';
import { listenFlags } from './listening.js';
import { metricsFlags } from './metrics.js';
import { planEither, type StationContext, type StationPlan } from './run-station.js';
import { ServerStation, type Station } from './station.js';
import { readTunnelClient, readTunnelServer } from './targets.js';
import { diallerFor } from './trust.js';
import { carrierCount, TunnelClient } from './tunnel-client.js';
import { TunnelServing } from './tunnel-server.js';

/**
 * The memory of a connection for a slow reader depends on the longest message; the tunnel's own have a quarter of
 * this.
 */
const MAX_MESSAGE = 2 ** 20;

/** Milliseconds for a connection to the target, without --timeout. */
const DIAL_TIMEOUT = 10_000;

const tunnelFlags = {
  ...endpointFlags,
  ...listenFlags,
  ...metricsFlags,
  target: { type: 'string', multiple: true },
  carriers: { type: 'string' },
  'max-connections': { type: 'string' },
} as const;

const tunnelClientFlags = { ...tunnelFlags, ...clientFlags } as const;

const tunnelServerFlags = {
  ...tunnelFlags,
  ...serverFlags,
  'any-client': { type: 'boolean' },
  ...revocationFlags,
  settle: { type: 'string' },
} as const;

/** The flags of both sides. */
export const flagsOfTunnel: Readonly<Record<'client' | 'server', Flags>> = {
  client: tunnelClientFlags,
  server: tunnelServerFlags,
};

/** The station that the arguments of `tunnel client` or `tunnel server` describe. */
export function planTunnel(args: readonly string[]): StationPlan {
  return planEither('tunnel', { client: planClient, server: planServer }, args);
}

function planClient(args: string[]): StationPlan {
  const { values, positionals } = parse('tunnel client', args, tunnelClientFlags);
  const { listens, server } = readTunnelClient(positionals, values.target);
  const carriers = carrierCount(values.carriers, values.protocol);
  const limit = maxConnections(values);
  const prepare = async ({ report, stop }: StationContext): Promise<Station> => {
    // repeated connections resume, where the protocol can
    const sessions = values.protocol === 'classic' ? {} : { sessions: new Sessions() };
    const dialler = await diallerFor(server, values, stop, { maxMessage: MAX_MESSAGE, ...sessions });
    const links = new Links(report, limit);
    return new TunnelClient({ listens, dialler, links, report, carriers, unlink: values.unlink === true });
  };
  return { values, listens: [...listens.values()], prepare };
}

function planServer(args: string[]): StationPlan {
  const { values, positionals } = parse('tunnel server', args, tunnelServerFlags);
  const { targets, listen } = readTunnelServer(positionals, values.target);
  if ((values['authorized-keys'] === undefined) !== (values['any-client'] === true))
    throw usageError(
      'a tunnel server lets in the clients in a file, or every client: give either --authorized-keys FILE or --any-client',
    );
  const settle = wholeNumber('settle', values.settle, 0, 10_000) ?? 0;
  // HTTP/2 streams join data of several messages again
  const takesStreams = carrierCount(values.carriers, values.protocol) > 0 && settle === 0;
  const limit = maxConnections(values);
  const more = { maxMessage: MAX_MESSAGE, ...revocation(values) };
  const timeout = 1000 * (wholeNumber('timeout', values.timeout, 1, 86_400) ?? DIAL_TIMEOUT / 1000);
  const prepare = async ({ report }: StationContext): Promise<Station> => {
    const links = new Links(report, limit);
    const serving = new TunnelServing({ targets, links, report, timeout, settle, takesStreams });
    const [unlink, websocket] = [values.unlink === true, values.websocket === true];
    const place = { address: listen, unlink, websocket, links, report };
    return new ServerStation(await makeServer(values, report, more), serving, place);
  };
  return { values, listens: [listen], prepare };
}
