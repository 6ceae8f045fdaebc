import { defaultSuites, hasHybrid } from '../core/sealed/suites.js';
import { type Backend, Identity, SecureClient, SecureServer } from '../index.js';
import { type Command, commonFlags, parse, refuseMore, wholeNumber } from './shared/arguments.js';
import { backendNames, loadBackend } from './shared/backends.js';
import { CommandError } from './shared/failure.js';
import { reportAs } from './shared/output.js';

/** `secure-sockets bench`. */
export const bench: Command = {
  name: 'bench',
  summary: 'compare the backends on this machine',
  help: `Usage: secure-sockets bench [OPTION]...

Measures each backend over 127.0.0.1, both ends in this one process, with an
RSA key of 2048 bits and X25519: connections per second, messages of 64 bytes
per second, and the throughput of messages of 64 KiB and of 1 MiB. Takes about
half a minute.

Options:
  --backend NAME          only this one: node, sodium, web, forge or noble
  --seconds N             for each measurement, default 1
  --json                  print one JSON object per backend
  -h, --help              this text

Examples:
  secure-sockets bench
  secure-sockets bench --backend node --seconds 5
`,
  flags: () => ({ bench: flags }),
  run,
};

const flags = {
  ...commonFlags,
  backend: { type: 'string' },
  seconds: { type: 'string' },
} as const;

async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse('bench', args, flags);
  refuseMore('bench takes no arguments', positionals, 'secure-sockets bench --help');
  const milliseconds = 1000 * (wholeNumber('seconds', values.seconds, 1, 3600) ?? 1);
  const report = reportAs(values);
  if (values.backend !== undefined) await loadBackend(values.backend);
  const identity = await Identity.generate({ modulusLength: 2048 });
  if (!report.json) report.result('backend  connections/s  64 B msg/s  64 KiB MB/s  1 MiB MB/s', {});
  for (const name of values.backend === undefined ? backendNames : [values.backend]) {
    const backend = await backendOrReason(name, values.backend !== undefined);
    if (typeof backend === 'string') {
      report.event('skipped', `${name}: ${backend}`, { backend: name, reason: backend });
      continue;
    }
    const figures = await measure(backend, identity, milliseconds);
    report.result(row(name, figures), { backend: name, ...figures });
  }
  return 0;
}

/** A backend that is not installed is left out, unless it was asked for. */
async function backendOrReason(name: string, isAskedFor: boolean): Promise<Backend | string> {
  try {
    return (await loadBackend(name)) as Backend;
  } catch (error) {
    if (isAskedFor || !(error instanceof CommandError)) throw error;
    return error.message;
  }
}

interface Figures {
  readonly connectionsPerSecond: number;
  readonly messagesPerSecond: number;
  readonly megabytesPerSecond64KiB: number;
  readonly megabytesPerSecond1MiB: number;
}

function row(name: string, figures: Figures): string {
  const { connectionsPerSecond, messagesPerSecond, megabytesPerSecond64KiB, megabytesPerSecond1MiB } =
    figures;
  return [
    name.padEnd(7),
    connectionsPerSecond.toFixed(1).padStart(15),
    messagesPerSecond.toFixed(0).padStart(12),
    megabytesPerSecond64KiB.toFixed(1).padStart(13),
    megabytesPerSecond1MiB.toFixed(1).padStart(12),
  ].join('');
}

async function measure(backend: Backend, identity: Identity, milliseconds: number): Promise<Figures> {
  const server = new SecureServer({ backend, identity, clientAuth: 'none' });
  await server.listen({ host: '127.0.0.1', port: 0 });
  const draining = drainAll(server);
  const rate = (size: number): Promise<number> => messagesPerSecond(backend, server, size, milliseconds);
  const figures = {
    connectionsPerSecond: await connectionsPerSecond(backend, server, milliseconds),
    messagesPerSecond: await rate(64),
    megabytesPerSecond64KiB: ((await rate(65_536)) * 65_536) / 1e6,
    megabytesPerSecond1MiB: ((await rate(2 ** 20)) * 2 ** 20) / 1e6,
  };
  await server.close();
  await draining;
  return figures;
}

/** Reads from every client until it ends. */
async function drainAll(server: SecureServer): Promise<void> {
  const draining: Promise<void>[] = [];
  for await (const client of server) draining.push(drain(client));
  await Promise.all(draining);
}

async function drain(client: SecureClient): Promise<void> {
  for await (const _ of client);
}

async function connectTo(backend: Backend, server: SecureServer): Promise<SecureClient> {
  const { address } = server;
  if ('path' in address) throw new Error('the bench listens on TCP');
  const suites = defaultSuites(backend).filter((name) => !hasHybrid([name]));
  const client = new SecureClient({ backend, serverKey: server.fingerprint, suites });
  await client.connect(address);
  return client;
}

async function connectionsPerSecond(
  backend: Backend,
  server: SecureServer,
  milliseconds: number,
): Promise<number> {
  const begun = performance.now();
  let count = 0;
  while (performance.now() - begun < milliseconds) {
    await (await connectTo(backend, server)).close();
    count++;
  }
  return (1000 * count) / (performance.now() - begun);
}

/** Until the other end has read the last message. */
async function messagesPerSecond(
  backend: Backend,
  server: SecureServer,
  size: number,
  milliseconds: number,
): Promise<number> {
  const client = await connectTo(backend, server);
  const message = new Uint8Array(size);
  const begun = performance.now();
  let count = 0;
  while (performance.now() - begun < milliseconds) {
    for (let i = 0; i < 16; i++) await client.send(message);
    count += 16;
  }
  await client.close();
  return (1000 * count) / (performance.now() - begun);
}
