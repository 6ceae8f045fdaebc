import { createServer } from 'node:net';
import PQueue from 'p-queue';
import { type SecureClient, SecureServer } from '../index.js';
import { acceptUntil } from './shared/accept.js';
import { type Address, formatAddress, parseAddress } from './shared/address.js';
import { announceClient, announceListening } from './shared/announce.js';
import { type Command, parse, wholeNumber } from './shared/arguments.js';
import { clientFlags, endpointFlags, serverFlags, serverOptions } from './shared/endpoint.js';
import { usageError } from './shared/failure.js';
import { clientHelp, endpointHelp, listenHelp, serverHelp } from './shared/help.js';
import { GRACE, Links } from './shared/links.js';
import { listenFlags, listenPlain, listenWhereFree } from './shared/listening.js';
import { reportAs } from './shared/output.js';
import { acceptedPlain, dialPlain, type Plain } from './shared/plain.js';
import { type RelayOptions, relay } from './shared/relay.js';
import { ignoreHangup, stopSignal } from './shared/signals.js';
import { type Dialler, diallerFor } from './shared/trust.js';

/** `secure-sockets tunnel`. */
export const tunnel: Command = {
  name: 'tunnel',
  summary: 'carry plain TCP connections over sealed ones',
  help: `Usage: secure-sockets tunnel client [OPTION]... LISTEN SERVER
   or: secure-sockets tunnel server [OPTION]... LISTEN TARGET

The client accepts plain connections at LISTEN and carries each over a sealed
one to SERVER, which is a tunnel server. That accepts sealed connections at
LISTEN and carries each, once the client is authenticated and not before, to
the plain TARGET. All are addresses: HOST:PORT, [IPV6]:PORT, unix:PATH or
/PATH. Names are looked up anew for every connection. What one side ends the
other sees ended, and what is cut off it sees reset. Failures and limits are
written to standard error. Runs until stopped; then open connections have five
seconds to end.

${clientHelp.replace('Options:', 'Options of a tunnel client:')}
${serverHelp.replace('Options:', 'Options of a tunnel server, which takes one of these two:')}  --any-client            let anybody through who can reach LISTEN
  --keep-revoked          let connections go on whose client is removed from FILE
  --settle MS             for programs of the old Python library at TARGET: keep
                          what a client sends first apart from what follows,
                          until TARGET answers or for MS milliseconds

Options of both:
  --max-connections N     turn away connections beyond N at a time, default 1024
${listenHelp}${endpointHelp.replace(/^.*\n/, '')}
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

const tunnelFlags = { ...endpointFlags, ...listenFlags, 'max-connections': { type: 'string' } } as const;

async function run([side, ...args]: string[]): Promise<number> {
  if (side === 'client') await runClient(args);
  else if (side === 'server') await runServer(args);
  else
    throw usageError('tunnel is either "tunnel client" or "tunnel server"', 'secure-sockets tunnel --help');
  return 0;
}

async function runClient(args: string[]): Promise<void> {
  const { values, positionals } = parse('tunnel', args, { ...tunnelFlags, ...clientFlags });
  const [from, to] = twoAddresses(positionals, 'SERVER');
  const report = reportAs(values);
  const links = new Links(report, maxConnections(values));
  const stop = stopSignal(GRACE);
  ignoreHangup();
  const dial = schedule(await diallerFor(to, values, stop, { maxMessage: MAX_MESSAGE }));
  const listener = createServer({
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: true,
    pauseOnConnect: true,
  });
  listener.on('connection', (socket) => {
    const plain = acceptedPlain(socket);
    links.add(plain, () => carryToServer(plain, dial, links));
  });
  let at = from;
  await listenWhereFree(from, values, async () => {
    at = await listenPlain(listener, from);
  });
  const address = formatAddress(at);
  report.event('listening', `listening at ${address}`, { address });
  await aborted(stop);
  listener.close();
  await links.end();
}

/** A server admits 32 handshakes of one address at a time, unless told otherwise, and counts them a little longer than we do. */
const MOST_HANDSHAKES = 24;

/** The same, for any number at once: those beyond what a server admits wait. */
function schedule(dial: Dialler): Dialler {
  const queue = new PQueue({ concurrency: MOST_HANDSHAKES });
  return (signal) => queue.add(() => dial(signal), { signal });
}

async function carryToServer(plain: Plain, dial: Dialler, links: Links): Promise<void> {
  try {
    await relay(plain, await dial(links.cut), { stop: links.cut });
  } catch (error) {
    plain.destroy();
    throw error;
  }
}

async function runServer(args: string[]): Promise<void> {
  const { values, positionals } = parse('tunnel', args, {
    ...tunnelFlags,
    ...serverFlags,
    'any-client': { type: 'boolean' },
    'keep-revoked': { type: 'boolean' },
    settle: { type: 'string' },
  });
  const [from, to] = twoAddresses(positionals, 'TARGET');
  if ((values['authorized-keys'] === undefined) !== (values['any-client'] === true))
    throw usageError(
      'a tunnel server lets in the clients in a file, or everybody: give either --authorized-keys FILE or --any-client',
    );
  const report = reportAs(values);
  const links = new Links(report, maxConnections(values));
  const disconnectRevoked = values['authorized-keys'] !== undefined && !values['keep-revoked'];
  const options = { ...(await serverOptions(values, report)), maxMessage: MAX_MESSAGE, disconnectRevoked };
  const dialling = {
    timeout: options.handshakeTimeout ?? DIAL_TIMEOUT,
    settle: wholeNumber('settle', values.settle, 0, 10_000) ?? 0,
    stop: links.cut,
  };
  const server = new SecureServer(options);
  const stop = stopSignal(GRACE);
  ignoreHangup();
  await listenWhereFree(from, values, () => server.listen(from));
  announceListening(server, report);
  for (;;) {
    const sealed = await acceptUntil(stop, server);
    if (sealed === undefined) break;
    announceClient(sealed, report);
    links.add(sealed, () => carryToTarget(sealed, to, dialling));
  }
  await links.end();
  await server.close();
}

interface Dialling extends RelayOptions {
  /** Milliseconds for a connection to the target. */
  readonly timeout: number;
}

async function carryToTarget(sealed: SecureClient, to: Address, dialling: Dialling): Promise<void> {
  try {
    await relay(await dialPlain(to, dialling), sealed, dialling);
  } catch (error) {
    sealed.destroy();
    throw error;
  }
}

/** Milliseconds for a connection to the target, without --timeout. */
const DIAL_TIMEOUT = 10_000;

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function maxConnections(values: { readonly 'max-connections'?: string | undefined }): number {
  return wholeNumber('max-connections', values['max-connections'], 1, 1_000_000) ?? 1024;
}

function twoAddresses(positionals: readonly string[], target: string): [Address, Address] {
  const [from, to, ...more] = positionals;
  if (from !== undefined && to !== undefined && more.length === 0)
    return [parseAddress(from, 'listen'), parseAddress(to, 'connect')];
  throw usageError(`the tunnel takes LISTEN and ${target}, two addresses`, 'secure-sockets tunnel --help');
}
