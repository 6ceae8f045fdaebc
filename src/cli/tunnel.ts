import { SecureServer, Sessions } from '../index.js';
import { announceListening } from './shared/announce.js';
import { type Command, parse, wholeNumber } from './shared/arguments.js';
import { clientFlags, endpointFlags, serverFlags, serverOptions } from './shared/endpoint.js';
import { usageError } from './shared/failure.js';
import { clientHelp, headed, without } from './shared/help.js';
import { GRACE, Links } from './shared/links.js';
import { listenFlags, listenWhereFree } from './shared/listening.js';
import { metricsFlags, serveMetrics } from './shared/metrics.js';
import { reportAs } from './shared/output.js';
import { announceService } from './shared/service.js';
import { ignoreHangup, stopSignal } from './shared/signals.js';
import { readTunnel } from './shared/targets.js';
import { diallerFor } from './shared/trust.js';
import { carrierCount, runTunnelClient } from './shared/tunnel-client.js';
import { runTunnelServer } from './shared/tunnel-server.js';

/** `secure-sockets tunnel`. */
export const tunnel: Command = {
  name: 'tunnel',
  summary: 'carry plain TCP connections over sealed ones',
  help: `Usage: secure-sockets tunnel client [OPTION]... LISTEN SERVER
   or: secure-sockets tunnel server [OPTION]... LISTEN TARGET

The client accepts plain connections at LISTEN and carries them over a few
sealed ones to SERVER, which is a tunnel server. That dials the plain TARGET for
each, once the client is authenticated and not before. All are addresses:
HOST:PORT, [IPV6]:PORT, unix:PATH or /PATH; names are looked up anew for every
connection. What one side ends the other sees ended, what is cut off it sees
reset. Runs until stopped; then open connections have five seconds to end.

${headed(without(clientHelp, '--min-modulus-bits'), 'Options of a tunnel client:')}
Options of a tunnel server, which takes one of the first two:
  --authorized-keys FILE  let in the clients in FILE only
  --any-client            let in every client that can reach LISTEN
  --settle MS             for targets of the old Python library: what is sent first
                          is kept apart for MS milliseconds; as --carriers 0
Options of both:
  --target NAME=ADDRESS   instead of TARGET, and of the client's LISTEN: one of
                          several, the same NAME on both ends
  --carriers N            sealed connections that carry plain ones, default 1;
                          0: each plain connection has a sealed one of its own
  --max-connections N     turn away connections beyond N at a time, default 1024
  --metrics ADDRESS       Prometheus text at /metrics, health at /healthz
  --metrics-public        at other than local addresses too
  --unlink                remove a Unix domain socket that a killed program left
  --identity FILE         the private key of this end, made by keygen
  --passphrase-file FILE  its passphrase is the first line of FILE
  --protocol NAME         sealed (default) or classic, the same on both ends
  --key-length N          classic: session keys of 16, 24 or 32 (default) bytes
  --min-modulus-bits N    classic: the client takes keys from N bits on
  --backend NAME          who computes: node (default), sodium, forge or noble
  --timeout SECONDS       for connecting and the handshake together, default 10
  -v, --verbose           say on standard error what happens
  --json                  say it as one JSON object a line
  -h, --help              this text

Examples:
  secure-sockets tunnel server --identity server.pem --authorized-keys keys \\
    :9000 127.0.0.1:6379
  secure-sockets tunnel client --identity me.pem --server-key SHA256:... \\
    127.0.0.1:6379 server.example:9000
`,
  run,
};

/** What a connection may hold for a slow reader goes by the longest message, and the tunnel's own have a quarter of this. */
const MAX_MESSAGE = 2 ** 20;

const tunnelFlags = {
  ...endpointFlags,
  ...listenFlags,
  ...metricsFlags,
  target: { type: 'string', multiple: true },
  carriers: { type: 'string' },
  'max-connections': { type: 'string' },
} as const;

async function run([side, ...args]: string[]): Promise<number> {
  if (side === 'client') await runClient(args);
  else if (side === 'server') await runServer(args);
  else
    throw usageError('tunnel is either "tunnel client" or "tunnel server"', 'secure-sockets tunnel --help');
  return 0;
}

async function runClient(args: string[]): Promise<void> {
  const { values, positionals } = parse('tunnel', args, { ...tunnelFlags, ...clientFlags });
  const { targets, peer } = readTunnel(positionals, values.target, 'client');
  const carriers = carrierCount(values.carriers, values.protocol);
  const report = reportAs(values);
  const links = new Links(report, maxConnections(values));
  const stop = stopSignal(GRACE);
  ignoreHangup();
  // whoever dials again and again resumes, where the protocol can
  const sessions = values.protocol === 'classic' ? {} : { sessions: new Sessions() };
  const dial = await diallerFor(peer, values, stop, { maxMessage: MAX_MESSAGE, ...sessions });
  await serveMetrics(values, { links }, report, stop);
  await runTunnelClient({ targets, dial, links, report, carriers, unlink: values.unlink === true }, stop);
}

async function runServer(args: string[]): Promise<void> {
  const { values, positionals } = parse('tunnel', args, {
    ...tunnelFlags,
    ...serverFlags,
    'any-client': { type: 'boolean' },
    'keep-revoked': { type: 'boolean' },
    settle: { type: 'string' },
  });
  const { targets, peer } = readTunnel(positionals, values.target, 'server');
  if ((values['authorized-keys'] === undefined) !== (values['any-client'] === true))
    throw usageError(
      'a tunnel server lets in the clients in a file, or everybody: give either --authorized-keys FILE or --any-client',
    );
  const settle = wholeNumber('settle', values.settle, 0, 10_000) ?? 0;
  // streams join what came apart
  const takesStreams = carrierCount(values.carriers, values.protocol) > 0 && settle === 0;
  const report = reportAs(values);
  const links = new Links(report, maxConnections(values));
  const common = { ...(await serverOptions(values, report)), maxMessage: MAX_MESSAGE };
  const isEnding = values['authorized-keys'] !== undefined && !values['keep-revoked'];
  // classic has no such option, not even switched off
  const options = isEnding ? { ...common, disconnectRevoked: true } : common;
  const server = new SecureServer(options);
  const stop = stopSignal(GRACE);
  ignoreHangup();
  await listenWhereFree(peer, values, () => server.listen(peer));
  await serveMetrics(values, { links, server }, report, stop);
  announceListening(server, report);
  announceService(report, stop);
  const timeout = options.handshakeTimeout ?? DIAL_TIMEOUT;
  await runTunnelServer(server, { targets, links, report, timeout, settle, takesStreams }, stop);
}

/** Milliseconds for a connection to the target, without --timeout. */
const DIAL_TIMEOUT = 10_000;

function maxConnections(values: { readonly 'max-connections'?: string | undefined }): number {
  return wholeNumber('max-connections', values['max-connections'], 1, 1_000_000) ?? 1024;
}
