import { bridge as bridgeMessages, SecureClient, SecureServer } from '../index.js';
import { acceptUntil, CLOSE_TIME, stopAccepting } from './shared/accept.js';
import { type Address, formatAddress, isLocal, parseAddress } from './shared/address.js';
import { announceClient, announceListening } from './shared/announce.js';
import { type Command, parse, wholeNumber } from './shared/arguments.js';
import { clientFlags, clientOptions, endpointFlags, serverFlags, serverOptions } from './shared/endpoint.js';
import { usageError } from './shared/failure.js';
import {
  clientHelp,
  endpointHelp,
  headed,
  listenHelp,
  metricsHelp,
  serverHelp,
  without,
} from './shared/help.js';
import { GRACE, Links } from './shared/links.js';
import { listenFlags, listenWhereFree } from './shared/listening.js';
import { type MetricsValues, metricsFlags, serveMetrics } from './shared/metrics.js';
import { type Report, reportAs } from './shared/output.js';
import { announceService } from './shared/service.js';
import { ignoreHangup, stopSignal } from './shared/signals.js';
import { type Dialler, diallerFor } from './shared/trust.js';

/** `secure-sockets bridge`. */
export const bridge: Command = {
  name: 'bridge',
  summary: 'connect programs of the old Python library to sealed ones',
  help: `Usage: secure-sockets bridge inward [OPTION]... LISTEN TARGET
   or: secure-sockets bridge outward [OPTION]... LISTEN SERVER

Stands beside a program of the old Python library, on its machine, and carries
message for message. inward: accepts sealed clients at LISTEN and dials the
classic server TARGET for each, once it is authenticated. outward: accepts a
classic client at LISTEN, an address of this machine, and dials the sealed
SERVER. Ends, cuts and back-pressure pass through; the end of a classic peer,
which may have been killed, is told with close code 16386.

${headed(without(clientHelp, '--min-modulus-bits'), 'Options of bridge outward:')}
  --any-address           listen at an address that other machines can reach
${headed(serverHelp, 'Options of bridge inward, which takes one of the first two:')}  --any-client            let in every client that can reach LISTEN
  --min-modulus-bits N    take a TARGET with a key from N bits on, default 2048;
                          the Python library makes keys of 512

Options of both:
  --max-message BYTES     the longest message that a classic peer is sent, default
                          16384: the Python library reads one with one recv
  --max-connections N     turn away connections beyond N at a time, default 1024
${metricsHelp}${listenHelp}${headed(without(endpointHelp, '--protocol'))}
Examples:
  secure-sockets bridge inward --identity server.pem --authorized-keys keys \\
    --min-modulus-bits 512 :9000 127.0.0.1:8000
  secure-sockets bridge outward --identity me.pem --server-key SHA256:... \\
    127.0.0.1:8000 server.example:9000
`,
  run,
};

const bridgeFlags = {
  ...endpointFlags,
  ...listenFlags,
  'max-message': { type: 'string' },
  ...metricsFlags,
  'max-connections': { type: 'string' },
} as const;

async function run([direction, ...args]: string[]): Promise<number> {
  if (direction === 'inward') await runInward(args);
  else if (direction === 'outward') await runOutward(args);
  else
    throw usageError('bridge is either "bridge inward" or "bridge outward"', 'secure-sockets bridge --help');
  return 0;
}

async function runInward(args: string[]): Promise<void> {
  const { values, positionals } = parse('bridge', args, {
    ...bridgeFlags,
    ...serverFlags,
    'any-client': { type: 'boolean' },
    'min-modulus-bits': { type: 'string' },
  });
  const [from, to] = twoAddresses(positionals, 'TARGET');
  if ((values['authorized-keys'] === undefined) !== (values['any-client'] === true))
    throw usageError('bridge inward takes either --authorized-keys FILE or --any-client');
  checkProtocol(values);
  const report = reportAs(values);
  const { 'key-length': _, ...sealed } = values;
  const options = { ...(await serverOptions(sealed, report)), maxMessage: maxMessage(values) };
  const { identity: __, 'passphrase-file': ___, ...classic } = values;
  const towards = await clientOptions({ ...classic, protocol: 'classic' });
  const dial: Dialler = async (signal) => {
    const client = new SecureClient(towards);
    await client.connect(to, { signal });
    return client;
  };
  await serve(new SecureServer(options), { from, dial, report, values });
}

async function runOutward(args: string[]): Promise<void> {
  const { values, positionals } = parse('bridge', args, {
    ...bridgeFlags,
    ...clientFlags,
    'any-address': { type: 'boolean' },
  });
  const [from, to] = twoAddresses(positionals, 'SERVER');
  checkProtocol(values);
  if (!values['any-address']) checkLocal(from);
  const report = reportAs(values);
  const { 'key-length': keyLength, 'min-modulus-bits': _, ...sealed } = values;
  const stop = new AbortController();
  const dial = await diallerFor(to, sealed, stop.signal, { maxMessage: maxMessage(values) });
  const { identity: __, 'passphrase-file': ___, ...common } = values;
  const options = await serverOptions({ ...common, 'key-length': keyLength, protocol: 'classic' }, report);
  await serve(new SecureServer(options), { from, dial, report, values });
}

interface Stand {
  readonly from: Address;
  readonly dial: Dialler;
  readonly report: Report;
  readonly values: MetricsValues & {
    readonly 'max-connections'?: string | undefined;
    readonly unlink?: boolean | undefined;
  };
}

/** Accepts at one side and dials the other, until stopped. */
async function serve(server: SecureServer, { from, dial, report, values }: Stand): Promise<void> {
  const limit = wholeNumber('max-connections', values['max-connections'], 1, 1_000_000) ?? 1024;
  const links = new Links(report, limit);
  const stop = stopSignal(GRACE);
  ignoreHangup();
  await listenWhereFree(from, values, () => server.listen(from));
  await serveMetrics(values, { links, server }, report, stop);
  announceListening(server, report);
  announceService(report, stop);
  for (;;) {
    const client = await acceptUntil(stop, server);
    if (client === undefined) break;
    announceClient(client, report);
    links.add(client, () => carry(client, dial, links.cut));
  }
  stopAccepting(server);
  await links.end();
  await server.close({ timeout: CLOSE_TIME });
}

async function carry(client: SecureClient, dial: Dialler, stop: AbortSignal): Promise<void> {
  try {
    await bridgeMessages(client, await dial(stop), { signal: stop });
  } catch (error) {
    client.destroy();
    throw error;
  }
}

/** Classic protects nothing: what it carries must not leave the machine. */
function checkLocal(address: Address): void {
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

function twoAddresses(positionals: readonly string[], target: string): [Address, Address] {
  const [from, to, ...more] = positionals;
  if (from !== undefined && to !== undefined && more.length === 0)
    return [parseAddress(from, 'listen'), parseAddress(to, 'connect')];
  throw usageError(`the bridge takes LISTEN and ${target}, two addresses`, 'secure-sockets bridge --help');
}
