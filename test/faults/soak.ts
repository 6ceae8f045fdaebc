import {
  type Backend,
  type ClientOptions,
  type ProtocolName,
  Sessions,
  type SuiteName,
} from 'secure-sockets';
import { vi } from 'vitest';
import { backends } from '../helpers/backends.js';
import type { Break } from '../helpers/proxy.js';
import { Random } from '../helpers/random.js';
import { protocols } from '../helpers/sockets.js';
import { type Account, someLengths } from './conversation.js';
import { type Carrier, roughDamage, Stand } from './stand.js';

/** How long, how much at once, and with which luck. */
export interface SoakOptions {
  readonly seconds: number;
  readonly connections: number;
  readonly seed: number;
  /** How connections break. */
  readonly ways: readonly Break[];
  /** What carries them. */
  readonly carriers: readonly Carrier[];
  /** Told how it stands, every so many seconds. */
  readonly progress?: { readonly every: number; readonly tell: (summary: Summary) => void };
}

/** What a soak has seen so far. */
export interface Summary {
  /** Conversations that were had to their end, by protocol, carrier and backends. */
  readonly opened: Record<string, number>;
  /** Clients that resumed. */
  resumed: number;
  /** Messages that arrived, at either end. */
  messages: number;
  /** How connections ended, counted at both ends. */
  readonly endings: Record<string, number>;
  /** What must never happen. */
  readonly offences: string[];
  /** How much memory the process with both ends had, over time. */
  readonly memory: MemorySample[];
}

/** Taken after a full collection where V8 lets one be asked for. */
export interface MemorySample {
  readonly seconds: number;
  readonly heapMiB: number;
  readonly residentMiB: number;
}

/** Milliseconds. */
const MORE_TIME = 20_000;

/** Milliseconds: a handshake's limit of time, and then some for a busy machine. */
const LONGEST_END = 20_000;

/** What a connection may end with: in order, or by the one error that its break leads to. */
const possible = /^(end|TRUNCATED|HANDSHAKE_FAILED|IDLE_TIMEOUT|HANDSHAKE_TIMEOUT|PEER_CLOSED)$/;

/**
 * Conversations through damaging proxies, many at a time, over both protocols and with every backend at either end:
 * nothing may be lost, doubled, moved or changed, and every connection has to end.
 */
export async function soak(options: SoakOptions): Promise<Summary> {
  const summary: Summary = { opened: {}, resumed: 0, messages: 0, endings: {}, offences: [], memory: [] };
  const random = new Random(options.seed);
  const stands = await Promise.all(
    pairings(options.carriers).map((pairing) => standFor(pairing, options, random.fork(), summary)),
  );
  const deadline = performance.now() + 1000 * options.seconds;
  // a busy machine, or bad luck, may need more time for one conversation of each pairing
  const isWanting = (): boolean =>
    Object.keys(summary.opened).length < stands.length && performance.now() < deadline + MORE_TIME;
  const { progress } = options;
  const begun = performance.now();
  const timer = setInterval(
    () => {
      summary.memory.push(sampleMemory((performance.now() - begun) / 1000));
      progress?.tell(summary);
    },
    1000 * (progress?.every ?? 1),
  );
  await Promise.all(
    Array.from({ length: options.connections }, async (_, worker) => {
      const luck = random.fork();
      for (let turn = worker; performance.now() < deadline || isWanting(); turn++) {
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

function sampleMemory(seconds: number): MemorySample {
  globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  const MiB = (bytes: number): number => Number((bytes / 2 ** 20).toFixed(1));
  return { seconds: Math.round(seconds), heapMiB: MiB(heapUsed + external), residentMiB: MiB(rss) };
}

/** Two backends, and what is between them. */
export interface Pairing {
  readonly protocol: ProtocolName;
  readonly carrier: Carrier;
  readonly server: Backend;
  readonly client: Backend;
}

interface NamedStand {
  readonly name: string;
  readonly stand: Stand;
}

/** Every backend at either end, each with another than itself, by every carrier. */
export function pairings(carriers: readonly Carrier[]): Pairing[] {
  return carriers.flatMap((carrier) =>
    protocols.flatMap((protocol) =>
      backends.map((server, i) => ({
        protocol,
        carrier,
        server,
        client: backends[(i + 1) % backends.length] as Backend,
      })),
    ),
  );
}

const suites: readonly SuiteName[] = [
  'X25519MLKEM768',
  'X25519',
  'X25519MLKEM768-CHACHA20',
  'X25519-CHACHA20',
];

async function standFor(
  pairing: Pairing,
  { ways, seed }: SoakOptions,
  random: Random,
  summary: Summary,
): Promise<NamedStand> {
  const { protocol, carrier, server, client } = pairing;
  const limits = { idleTimeout: 4000, closeTimeout: 2000 };
  const sessions = new Sessions();
  const choices = (index: number): ClientOptions => ({
    suites: [suites[index % suites.length] as SuiteName],
    ...(index % 3 === 0 ? {} : { sessions }),
    ...(index % 5 === 0 ? { padding: 512 } : {}),
  });
  const name = `${protocol} ${carrier} ${client.name} to ${server.name}`;
  const stand = await Stand.open({
    ...{ protocol, carrier, seed, onServerResult: (result) => note(summary, `${name} server`, result, 0) },
    server: { backend: server, ...limits, ...(protocol === 'sealed' ? { suites } : {}) },
    client: (index) => ({ backend: client, ...limits, ...(protocol === 'sealed' ? choices(index) : {}) }),
    damage: () => roughDamage(random, ways),
  });
  return { name, stand };
}

/** Every connection ends by itself, its server's end too: none is left for the server's close to end. */
async function finish(summary: Summary, { name, stand }: NamedStand): Promise<void> {
  const isIdle = (): boolean => stand.server.stats.open + stand.server.stats.pending === 0;
  await vi
    .waitUntil(isIdle, { timeout: LONGEST_END, interval: 20 })
    .catch(() => summary.offences.push(`${name}: a connection has not ended`));
  await stand[Symbol.asyncDispose]();
  await stand.settle();
  const { open, pending, buffered } = stand.server.stats;
  if (open + pending + buffered > 0)
    summary.offences.push(`${name}: ${open} open, ${pending} pending, ${buffered} bytes left`);
}

function note(summary: Summary, name: string, result: Account | string, expected: number): void {
  const ending = typeof result === 'string' ? result : result.ending;
  summary.endings[ending] = (summary.endings[ending] ?? 0) + 1;
  const mayBeCut = name.startsWith('classic') && ending === 'CLOSED';
  // a WebSocket that was cut before or in the handshake
  const neverWas = result === 'TRANSPORT_FAILED' && name.includes(' websocket ');
  if (!possible.test(ending) && !mayBeCut && !neverWas)
    summary.offences.push(`${name}: ended with ${ending}`);
  if (typeof result === 'string') return;
  summary.messages += result.received;
  if (expected > 0 && result.resumed) summary.resumed++;
  for (const offence of result.offences) summary.offences.push(`${name}: ${offence}`);
  if (expected > 0 && result.received === expected) summary.opened[name] = (summary.opened[name] ?? 0) + 1;
}
