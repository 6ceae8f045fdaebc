import { bridge as bridgeMessages, SecureClient, Sessions } from '../../index.js';
import { formatAddress, isLocal, type ListenAddress, parseAddress, parsePeerAddress } from './address.js';
import { type Flags, parse, refuseMore, wholeNumber } from './arguments.js';
import { clientFlags, clientOptions, endpointFlags, serverFlags } from './endpoint.js';
import { usageError } from './failure.js';
import { type FileServer, makeServer, revocation, revocationFlags } from './file-server.js';
import { schedule } from './handshake-queue.js';
import { Links, maxConnections } from './links.js';
import { listenFlags } from './listening.js';
import { metricsFlags } from './metrics.js';
import { Outgoing } from './outgoing.js';
import type { Report } from './output.js';
import { planEither, type StationContext, type StationPlan } from './run-station.js';
import type { SealedListening } from './sealed-listening.js';
import { ServerStation, type Station } from './station.js';
import { type Dialler, diallerFor } from './trust.js';

const bridgeFlags = {
  ...endpointFlags,
  ...listenFlags,
  'max-message': { type: 'string' },
  ...metricsFlags,
  'max-connections': { type: 'string' },
} as const;

const inwardFlags = {
  ...bridgeFlags,
  ...serverFlags,
  'any-client': { type: 'boolean' },
  ...revocationFlags,
  'min-modulus-bits': { type: 'string' },
} as const;

const outwardFlags = { ...bridgeFlags, ...clientFlags, 'any-address': { type: 'boolean' } } as const;

/** The flags of each direction. */
export const flagsOfBridge: Readonly<Record<'inward' | 'outward', Flags>> = {
  inward: inwardFlags,
  outward: outwardFlags,
};

/** The station that the arguments of `bridge inward` or `bridge outward` describe. */
export function planBridge(args: readonly string[]): StationPlan {
  return planEither('bridge', { inward: planInward, outward: planOutward }, args);
}

function planInward(args: string[]): StationPlan {
  const { values, positionals } = parse('bridge inward', args, inwardFlags);
  const [from, to] = twoAddresses(positionals, 'TARGET', (text) => parseAddress(text, 'connect'));
  if ((values['authorized-keys'] === undefined) !== (values['any-client'] === true))
    throw usageError('bridge inward takes either --authorized-keys FILE or --any-client');
  checkProtocol(values);
  const [limit, longest] = [maxConnections(values), maxMessage(values)];
  const prepare = async ({ report }: StationContext): Promise<Station> => {
    const { 'key-length': _, ...sealed } = values;
    const files = await makeServer(sealed, report, { maxMessage: longest, ...revocation(values) });
    const { identity: __, 'passphrase-file': ___, ...classic } = values;
    const towards = await clientOptions({ ...classic, protocol: 'classic' });
    const outgoing = new Outgoing();
    const dial = outgoing.counted(async (signal) => {
      const client = new SecureClient(towards);
      await client.connect(to, { signal });
      return client;
    });
    return station(files, dial, { address: from, values, limit, report, outgoing });
  };
  return { values, listens: [from], prepare };
}

function planOutward(args: string[]): StationPlan {
  const { values, positionals } = parse('bridge outward', args, outwardFlags);
  const [from, to] = twoAddresses(positionals, 'SERVER', parsePeerAddress);
  checkProtocol(values);
  if (!values['any-address']) checkLocal(from);
  const [limit, longest] = [maxConnections(values), maxMessage(values)];
  const prepare = async ({ report, stop }: StationContext): Promise<Station> => {
    const { 'key-length': keyLength, 'min-modulus-bits': _, ...sealed } = values;
    // each classic client is a connection to the same server
    const more = { maxMessage: longest, sessions: new Sessions() };
    const { dial, reload } = await diallerFor(to, sealed, stop, more);
    const { identity: __, 'passphrase-file': ___, ...common } = values;
    const classic = { ...common, 'key-length': keyLength, protocol: 'classic' };
    const { server } = await makeServer(classic, report, handshakesAt(from, limit));
    // the key for this run stays; only the one towards the sealed server can change
    const files = { server, reload: async () => void (await reload()) };
    const outgoing = new Outgoing();
    const place = { address: from, values, limit, report, outgoing };
    return station(files, schedule(outgoing.counted(dial)), place);
  };
  return { values, listens: [from], prepare };
}

/**
 * At an address of this machine as many as there may be connections: a server drops some at random from half of its room
 * on, which is for addresses that strangers can reach.
 */
function handshakesAt(address: ListenAddress, limit: number): { maxPendingHandshakes?: number } {
  return isLocal(address) ? { maxPendingHandshakes: 2 * limit } : {};
}

interface BridgePlace {
  readonly address: ListenAddress;
  readonly values: SealedListening;
  /** The maximum number of connections at the same time. */
  readonly limit: number;
  readonly report: Report;
  /** Counts what is dialled. */
  readonly outgoing: Outgoing;
}

/** Connects to the other side for each client. */
function station(files: FileServer, dial: Dialler, place: BridgePlace): ServerStation {
  const { address, values, limit, report, outgoing } = place;
  const links = new Links(report, limit);
  const serving = {
    serve: (client: SecureClient) => links.add(client, () => carry(client, dial, links.cut)),
    goAway: async () => {},
    cut: () => {},
  };
  const [unlink, websocket] = [values.unlink === true, values.websocket === true];
  return new ServerStation(files, serving, { address, unlink, websocket, links, report, outgoing });
}

async function carry(client: SecureClient, dial: Dialler, stop: AbortSignal): Promise<void> {
  try {
    await bridgeMessages(client, await dial(stop), { signal: stop });
  } catch (error) {
    client.destroy();
    throw error;
  }
}

/** Classic protects nothing: its data must not leave the machine. */
function checkLocal(address: ListenAddress): void {
  if (isLocal(address)) return;
  throw usageError(
    `bridge outward speaks classic at LISTEN, which protects nothing: ${formatAddress(address)} can be reached from other machines`,
    'listen at 127.0.0.1, or give --any-address',
  );
}

function checkProtocol({ protocol }: { readonly protocol?: string | undefined }): void {
  if (protocol === undefined) return;
  throw usageError('a bridge speaks classic on one side and sealed on the other: leave out --protocol');
}

function maxMessage(values: { readonly 'max-message'?: string | undefined }): number {
  return wholeNumber('max-message', values['max-message'], 1024, 999_999_967) ?? 16_384;
}

function twoAddresses<To>(
  positionals: readonly string[],
  target: string,
  parseTarget: (text: string) => To,
): [ListenAddress, To] {
  const [from, to, ...more] = positionals;
  const usage = `the bridge takes LISTEN and ${target}, two addresses`;
  refuseMore(usage, more, 'secure-sockets bridge --help');
  if (from !== undefined && to !== undefined) return [parseAddress(from, 'listen'), parseTarget(to)];
  throw usageError(usage, 'secure-sockets bridge --help');
}
