import type { Backend, ProtocolName } from 'secure-sockets';
import { backends } from '../helpers/backends.js';
import type { Break } from '../helpers/proxy.js';
import { Random } from '../helpers/random.js';
import { protocols } from '../helpers/sockets.js';
import { type Account, someLengths } from './conversation.js';
import { roughDamage, Stand } from './stand.js';

/** How long, how much at once, and with which luck. */
export interface SoakOptions {
  readonly seconds: number;
  readonly connections: number;
  readonly seed: number;
  /** How connections break. */
  readonly ways: readonly Break[];
  /** Told how it stands, every so many seconds. */
  readonly progress?: { readonly every: number; readonly tell: (summary: Summary) => void };
}

/** What a soak has seen so far. */
export interface Summary {
  /** By protocol and backends. */
  readonly opened: Record<string, number>;
  /** Messages that arrived, at either end. */
  messages: number;
  /** How connections ended, counted at both ends. */
  readonly endings: Record<string, number>;
  /** What must never happen. */
  readonly offences: string[];
}

/** What a connection may end with: in order, or by the one error that its break leads to. */
const possible = /^(end|TRUNCATED|HANDSHAKE_FAILED|IDLE_TIMEOUT|HANDSHAKE_TIMEOUT|PEER_CLOSED)$/;

/**
 * Conversations through damaging proxies, many at a time, over both protocols and with every backend at either end:
 * nothing may be lost, doubled, moved or changed, and every connection has to end.
 */
export async function soak(options: SoakOptions): Promise<Summary> {
  const summary: Summary = { opened: {}, messages: 0, endings: {}, offences: [] };
  const random = new Random(options.seed);
  const stands = await Promise.all(pairings().map((pairing) => standFor(pairing, options, random.fork())));
  const deadline = performance.now() + 1000 * options.seconds;
  const { progress } = options;
  const timer = progress && setInterval(() => progress.tell(summary), 1000 * progress.every);
  await Promise.all(
    Array.from({ length: options.connections }, async (_, worker) => {
      const luck = random.fork();
      for (let turn = worker; performance.now() < deadline || turn === worker; turn++) {
        const { name, stand } = stands[turn % stands.length] as NamedStand;
        const lengths = someLengths(luck, 1 + luck.below(30));
        note(summary, `${name} client`, await stand.ask(lengths), lengths.length);
      }
    }),
  );
  clearInterval(timer);
  await Promise.all(stands.map((stand) => finish(summary, stand)));
  return summary;
}

interface Pairing {
  readonly protocol: ProtocolName;
  readonly server: Backend;
  readonly client: Backend;
}

interface NamedStand {
  readonly name: string;
  readonly stand: Stand;
}

/** Every backend at either end, each with another than itself. */
function pairings(): Pairing[] {
  return protocols.flatMap((protocol) =>
    backends.map((server, i) => ({
      protocol,
      server,
      client: backends[(i + 1) % backends.length] as Backend,
    })),
  );
}

async function standFor(pairing: Pairing, { ways, seed }: SoakOptions, random: Random): Promise<NamedStand> {
  const { protocol, server, client } = pairing;
  const limits = { idleTimeout: 4000, closeTimeout: 2000 };
  const stand = await Stand.open({
    protocol,
    seed,
    server: { backend: server, ...limits },
    client: { backend: client, ...limits },
    damage: () => roughDamage(random, ways),
  });
  return { name: `${protocol} ${client.name} to ${server.name}`, stand };
}

async function finish(summary: Summary, { name, stand }: NamedStand): Promise<void> {
  await stand[Symbol.asyncDispose]();
  const results = await stand.results();
  for (const result of results) note(summary, `${name} server`, result, 0);
  const { open, pending, buffered } = stand.server.stats;
  if (open + pending + buffered > 0)
    summary.offences.push(`${name}: ${open} open, ${pending} pending, ${buffered} bytes left`);
}

function note(summary: Summary, name: string, result: Account | string, expected: number): void {
  const ending = typeof result === 'string' ? result : result.ending;
  summary.endings[ending] = (summary.endings[ending] ?? 0) + 1;
  const mayBeCut = name.startsWith('classic') && ending === 'CLOSED';
  if (!possible.test(ending) && !mayBeCut) summary.offences.push(`${name}: ended with ${ending}`);
  if (typeof result === 'string') return;
  summary.messages += result.received;
  for (const offence of result.offences) summary.offences.push(`${name}: ${offence}`);
  if (expected > 0 && result.received === expected) summary.opened[name] = (summary.opened[name] ?? 0) + 1;
}
