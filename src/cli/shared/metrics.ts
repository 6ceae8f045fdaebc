import { createServer, type RequestListener, type Server } from 'node:http';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { SecureServer } from '../../index.js';
import { formatAddress, isLocal, type ListenAddress, parseAddress } from './address.js';
import { CommandError, explain, usageError } from './failure.js';
import type { Links } from './links.js';
import { listenPlain, listenWhereFree } from './listening.js';
import type { Outgoing, OutgoingCounts } from './outgoing.js';
import type { Report } from './output.js';

/** Flags of a command that offers metrics. */
export const metricsFlags = { metrics: { type: 'string' }, 'metrics-public': { type: 'boolean' } } as const;

/** What the flags hold. */
export interface MetricsValues {
  readonly metrics?: string | undefined;
  readonly 'metrics-public'?: boolean | undefined;
}

/** What is measured. */
export interface Measured {
  readonly links: Links;
  /** Absent at an end that does not accept sealed connections. */
  readonly server?: SecureServer;
  /** Absent at an end that opens no sealed or classic connections. */
  readonly outgoing?: Outgoing | undefined;
  /** How many streams are open on carriers; absent at an end that opens none. */
  readonly streams?: number | undefined;
}

/** Several, by name; the name is empty if there is only one. */
export type AllMeasured = ReadonlyMap<string, Measured>;

/** A metric: name, type, description, and values by label. */
interface Metric {
  readonly name: string;
  readonly type: 'counter' | 'gauge';
  readonly help: string;
  readonly values: readonly (readonly [labels: string, value: number])[];
}

/** A metrics server that runs. */
export interface MetricsServer {
  /** Where it listens, with the real port. */
  readonly address: string;
  /** Frees the address at once. */
  close(): void;
}

/**
 * Answers `GET /metrics` with the text format of Prometheus (version 0.0.4) and `GET /healthz` with 200, or 503 once
 * it is stopping. Does nothing without `--metrics`. Clients are not authenticated, so it listens on this machine
 * only, unless `--metrics-public` is given.
 */
export async function serveMetrics(
  values: MetricsValues,
  measured: () => AllMeasured,
  report: Report,
  stop: AbortSignal,
): Promise<MetricsServer | undefined> {
  const address = checkMetrics(values);
  if (address === undefined) return undefined;
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION });
  delay.enable();
  const server = createServer(
    limits,
    answer(() => [...metricsOfAll(measured()), eventLoop(delay)], stop),
  );
  server.maxConnections = 32;
  const at = await listenForMetrics(server, address).catch((error: unknown) => {
    delay.disable();
    const { message, hints, exitCode } = explain(error);
    throw new CommandError(exitCode, `metrics: ${message}`, hints, error);
  });
  // neither the server nor its connections keep the process running
  server.unref();
  server.on('connection', (socket) => socket.unref());
  report.event('metrics', `metrics at http://${at}/metrics`, { address: at });
  const close = (): void => {
    delay.disable();
    server.close();
    server.closeAllConnections();
  };
  return { address: at, close };
}

/** Resolves to the address, with the real port. The socket file of a process that was killed is removed. */
async function listenForMetrics(server: Server, address: ListenAddress): Promise<string> {
  let at = address;
  await listenWhereFree(address, { unlink: true }, async () => {
    at = await listenPlain(server, address);
  });
  return formatAddress(at);
}

/** The address for metrics, if any. Throws if other machines can reach it and `--metrics-public` is missing. */
export function checkMetrics(values: MetricsValues): ListenAddress | undefined {
  if (values.metrics === undefined) return undefined;
  const address = parseAddress(values.metrics, 'listen');
  if (values['metrics-public'] || isLocal(address)) return address;
  throw usageError(
    `metrics are given to every client that asks, and ${formatAddress(address)} can be reached from other machines`,
    'listen at 127.0.0.1, or give --metrics-public',
  );
}

/**
 * A scraper makes a request now and then: slow connections, or more than there may be, are not from a scraper. By default
 * Node looks every 30 s whether one is too slow.
 */
const limits = {
  headersTimeout: 5000,
  requestTimeout: 5000,
  keepAliveTimeout: 5000,
  connectionsCheckingInterval: 1000,
};

function answer(metrics: () => Metric[], stop: AbortSignal): RequestListener {
  return ({ method, url }, response) => {
    const path = url?.replace(/\?.*/, '');
    const isRead = method === 'GET' || method === 'HEAD';
    const [status, text] = !isRead
      ? [405, 'only GET\n']
      : path === '/metrics'
        ? [200, metrics().map(format).join('')]
        : path === '/healthz'
          ? health(stop)
          : [404, '/metrics or /healthz\n'];
    response.writeHead(status, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(text);
  };
}

function health(stop: AbortSignal): [number, string] {
  return stop.aborted ? [503, 'stopping\n'] : [200, 'ok\n'];
}

/** Each metric once, with the values of all services. */
function metricsOfAll(all: AllMeasured): Metric[] {
  const metrics = new Map<string, Metric>();
  for (const [service, measured] of all) {
    for (const metric of metricsOf(measured)) {
      const values = metric.values.map(([labels, value]) => [addLabel(labels, service), value] as const);
      const before = metrics.get(metric.name)?.values ?? [];
      metrics.set(metric.name, { ...metric, values: [...before, ...values] });
    }
  }
  return [...metrics.values()];
}

function addLabel(labels: string, service: string): string {
  if (service === '') return labels;
  return `{${[`service="${service}"`, labels.slice(1, -1)].filter(Boolean).join(',')}}`;
}

function metricsOf({ links, server, outgoing, streams }: Measured): Metric[] {
  const { open, carried, lost, refused } = links.counts;
  const plain = [
    one('connections_open', 'gauge', 'Connections being carried.', open),
    one('connections_total', 'counter', 'Connections carried to their end.', carried),
    one('connections_lost_total', 'counter', 'Connections that were cut off, or never came about.', lost),
    one('connections_refused_total', 'counter', 'Connections beyond --max-connections.', refused),
  ];
  return [
    ...plain,
    ...(server === undefined ? [] : statsOf(server)),
    ...(outgoing === undefined ? [] : outgoingOf(outgoing.counts)),
    ...(streams === undefined ? [] : [one('streams_open', 'gauge', 'Streams open on carriers.', streams)]),
  ];
}

function statsOf({ stats }: SecureServer): Metric[] {
  const rejected = Object.entries(stats.rejected).map(
    ([code, count]) => [`{code="${code}"}`, count ?? 0] as const,
  );
  return [
    one('handshakes_total', 'counter', 'Handshakes done.', stats.handshakesCompleted),
    one('handshakes_pending', 'gauge', 'Handshakes under way.', stats.pending),
    {
      name: 'rejected_total',
      type: 'counter',
      help: 'Sealed connections that did not become clients, by error code.',
      values: rejected,
    },
    one('sealed_connections_open', 'gauge', 'Sealed connections.', stats.open),
    one('received_bytes_total', 'counter', 'Bytes received on the wire.', stats.bytesRead),
    one('sent_bytes_total', 'counter', 'Bytes written to the wire.', stats.bytesWritten),
    one('buffered_bytes', 'gauge', 'Bytes held for sealed connections.', stats.buffered),
    one('private_key_operations_total', 'counter', 'RSA private operations.', stats.privateKeyOperations),
    one(
      'private_key_operations_waiting',
      'gauge',
      'RSA private operations that wait.',
      stats.privateKeyOperationsWaiting,
    ),
  ];
}

function outgoingOf({ full, resumed, pending, failed, open, received, sent }: OutgoingCounts): Metric[] {
  return [
    {
      name: 'outgoing_handshakes_total',
      type: 'counter',
      help: 'Connections made to the server or target, and whether with a ticket.',
      values: [
        ['{resumed="false"}', full],
        ['{resumed="true"}', resumed],
      ],
    },
    one('outgoing_handshakes_pending', 'gauge', 'Connections being made.', pending),
    {
      name: 'outgoing_failed_total',
      type: 'counter',
      help: 'Connections that could not be made, by error code.',
      values: [...failed].map(([code, count]) => [`{code="${code}"}`, count] as const),
    },
    one('outgoing_connections_open', 'gauge', 'Connections to the server or target.', open),
    one('outgoing_received_bytes_total', 'counter', 'Bytes received on them, on the wire.', received),
    one('outgoing_sent_bytes_total', 'counter', 'Bytes written to them, on the wire.', sent),
  ];
}

/** How often the delay is looked at, in milliseconds. */
const RESOLUTION = 20;

/**
 * Since the last request. Node's figures are the times from one look to the next, which are {@link RESOLUTION} in a loop
 * without any delay. Two scrapers would take each other's figures away; a histogram over the whole life of the
 * process would hide what happens now.
 */
function eventLoop(delay: ReturnType<typeof monitorEventLoopDelay>): Metric {
  const seconds = (nanoseconds: number): number =>
    Number.isFinite(nanoseconds) ? Math.max(0, nanoseconds / 1e9 - RESOLUTION / 1000) : 0;
  const values = [0.5, 0.99].map(
    (share) => [`{quantile="${share}"}`, seconds(delay.percentile(100 * share))] as const,
  );
  delay.reset();
  return {
    name: 'event_loop_delay_seconds',
    type: 'gauge',
    help: 'Delay of the event loop since the last scrape.',
    values,
  };
}

function one(name: string, type: Metric['type'], help: string, value: number): Metric {
  return { name, type, help, values: [['', value]] };
}

function format({ name, type, help, values }: Metric): string {
  const full = `secure_sockets_${name}`;
  const lines = values.map(([labels, value]) => `${full}${labels} ${value}\n`);
  return `# HELP ${full} ${help}\n# TYPE ${full} ${type}\n${lines.join('')}`;
}
