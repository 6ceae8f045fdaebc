import { createServer, type Server } from 'node:net';
import PQueue from 'p-queue';
import { type SecureClient, SecureServer } from '../index.js';
import { type Address, formatAddress, parseAddress } from './shared/address.js';
import { announceClient, announceListening } from './shared/announce.js';
import { type Command, parse, wholeNumber } from './shared/arguments.js';
import { clientFlags, endpointFlags, serverFlags, serverOptions } from './shared/endpoint.js';
import { usageError } from './shared/failure.js';
import { clientHelp, endpointHelp, serverHelp } from './shared/help.js';
import { Links } from './shared/links.js';
import { reportAs } from './shared/output.js';
import { acceptedPlain, dialPlain, type Plain } from './shared/plain.js';
import { relay } from './shared/relay.js';
import { stopSignal } from './shared/signals.js';
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

Options of both:
  --max-connections N     turn away connections beyond N at a time, default 1024
${endpointHelp.replace(/^.*\n/, '')}
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

const tunnelFlags = { ...endpointFlags, 'max-connections': { type: 'string' } } as const;

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
  const stop = stopSignal();
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
  const address = formatAddress(await listenAt(listener, from));
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
    await relay(plain, await dial(links.cut));
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
  });
  const [from, to] = twoAddresses(positionals, 'TARGET');
  if ((values['authorized-keys'] === undefined) !== (values['any-client'] === true))
    throw usageError(
      'a tunnel server lets in the clients in a file, or everybody: give either --authorized-keys FILE or --any-client',
    );
  const report = reportAs(values);
  const links = new Links(report, maxConnections(values));
  const options = { ...(await serverOptions(values, report)), maxMessage: MAX_MESSAGE };
  const server = new SecureServer(options);
  const stop = stopSignal();
  await server.listen(from);
  announceListening(server, report);
  for (;;) {
    const sealed = await acceptUntil(stop, server);
    if (sealed === undefined) break;
    announceClient(sealed, report);
    links.add(sealed, () => carryToTarget(sealed, to, options.handshakeTimeout ?? DIAL_TIMEOUT));
  }
  await links.end();
  await server.close();
}

/** The next client; `undefined` after `stop`. Closing the server instead would close its clients. */
async function acceptUntil(stop: AbortSignal, server: SecureServer): Promise<SecureClient | undefined> {
  try {
    return await server.accept({ signal: stop });
  } catch (error) {
    if (stop.aborted) return undefined;
    throw error;
  }
}

async function carryToTarget(sealed: SecureClient, to: Address, timeout: number): Promise<void> {
  try {
    await relay(await dialPlain(to, timeout), sealed);
  } catch (error) {
    sealed.destroy();
    throw error;
  }
}

/** Milliseconds for a connection to the target, without --timeout. */
const DIAL_TIMEOUT = 10_000;

function listenAt(listener: Server, address: Address): Promise<Address> {
  return new Promise((resolve, reject) => {
    listener.once('error', reject);
    listener.listen(address, () => {
      const at = listener.address();
      resolve(at === null || typeof at === 'string' ? address : { host: at.address, port: at.port });
    });
  });
}

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
