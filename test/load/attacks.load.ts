import { spawnSync } from 'node:child_process';
import { setPriority } from 'node:os';
import { type ProtocolName, SecureClient } from 'secure-sockets';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { pause, protocols } from '../helpers/sockets.js';
import { slack } from './bounds.js';
import { type Address, ask, Program, startServer } from './programs.js';

/** Rounds without and with the attack, in turns: the median of each makes up for what else the machine does. */
const ROUNDS = 5;
const ROUND_MS = 600;
/** How far the rounds without an attack may be apart, as a factor, and how often it is tried until they are not. */
const SPREAD = 3;
const ATTEMPTS = 2;

/**
 * The client has a machine of its own as the attackers have, so it must not wait for a processor that the server's threads
 * are on: what it measures is how long the server takes. Where the system lets it go first, it does; elsewhere it goes
 * before what else the machine does, as the server itself.
 */
beforeAll(() => {
  const realTime = ['--rr', '--all-tasks', '--pid', '1', String(process.pid)];
  if (spawnSync('chrt', realTime).status === 0) return;
  try {
    setPriority(-10);
  } catch (error) {
    const { info } = error as { info?: { code?: string } };
    if (info?.code !== 'EACCES' && info?.code !== 'EPERM') throw error;
  }
});

const running: AsyncDisposable[] = [];
afterEach(async () => {
  for (const program of running.splice(0).reverse()) await program[Symbol.asyncDispose]();
});

/** The time that 99 of 100 round trips of an open connection do not exceed, in milliseconds. */
async function pingPong(client: SecureClient, milliseconds: number): Promise<number> {
  const times: number[] = [];
  const until = performance.now() + milliseconds;
  while (performance.now() < until) {
    const begun = performance.now();
    await client.send(Uint8Array.of(1));
    await client.recv();
    times.push(performance.now() - begun);
    // a client that thinks in between: it must not take the server's whole time itself
    if (times.length % 10 === 0) await pause(1);
  }
  times.sort((a, b) => a - b);
  return times[Math.floor(times.length * 0.99)] as number;
}

async function connectTo(protocol: ProtocolName, { port, fingerprint }: Address): Promise<SecureClient> {
  const settle = protocol === 'classic' ? { settleMs: 0 } : {};
  const client = new SecureClient({ protocol, serverKey: fingerprint, ...settle });
  await client.connect({ port, host: '127.0.0.1' });
  running.push({ [Symbol.asyncDispose]: async () => client.destroy() });
  return client;
}

/** Times in milliseconds. */
interface Comparison {
  /** The medians of what 99 of 100 round trips take, without and with an attack. */
  readonly calm: number;
  readonly attacked: number;
  /** The medians of what 99 of 100 timers of the server wait, without and with it. */
  readonly calmLoop: number;
  readonly loopDelay: number;
}

/** The same of one round. */
type Round = Comparison;

/**
 * Rounds without an attack that do not agree tell of a machine with other things to do. Then there are as many rounds
 * once again, and if they are not quiet either, the medians of all of them count.
 */
async function compare(protocol: ProtocolName, attack: string): Promise<Comparison> {
  const { program, address } = await startServer(protocol);
  running.push(program);
  const client = await connectTo(protocol, address);
  await pingPong(client, 500);
  const all: Round[] = [];
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const rounds: Round[] = [];
    while (rounds.length < ROUNDS)
      rounds.push(await playRound(client, program, { attack, protocol, ...address }));
    const calm = rounds.map((round) => round.calm);
    const isQuiet = Math.max(...calm) <= SPREAD * Math.min(...calm);
    report(`${protocol} ${attack}${isQuiet ? '' : ', unquiet'}`, rounds);
    if (isQuiet) return summary(rounds);
    all.push(...rounds);
  }
  report(`${protocol} ${attack}, all rounds`, all);
  return summary(all);
}

async function playRound(client: SecureClient, server: Program, attack: object): Promise<Round> {
  await ask(server);
  const calm = await pingPong(client, ROUND_MS);
  const { loopDelay: calmLoop } = await ask(server);
  const attacker = await Program.start('attacker', attack);
  await ask(server);
  const attacked = await pingPong(client, ROUND_MS);
  const { loopDelay } = await ask(server);
  await attacker.program[Symbol.asyncDispose]();
  await pause(100);
  return { calm, attacked, calmLoop, loopDelay };
}

function summary(rounds: readonly Round[]): Comparison {
  const medianOf = (name: keyof Round): number => median(rounds.map((round) => round[name]));
  return {
    ...{ calm: medianOf('calm'), attacked: medianOf('attacked') },
    ...{ calmLoop: medianOf('calmLoop'), loopDelay: medianOf('loopDelay') },
  };
}

function report(what: string, rounds: readonly Round[]): void {
  const { calm, attacked, calmLoop, loopDelay } = summary(rounds);
  const show = (name: 'calm' | 'attacked'): string => rounds.map((round) => round[name].toFixed(2)).join(' ');
  const without = `${calm.toFixed(2)} (${show('calm')}) ms without`;
  const during = `${attacked.toFixed(2)} (${show('attacked')}) ms with`;
  process.stdout.write(
    `${what}: p99 ${without}, ${during}; loop ${calmLoop.toFixed(1)}, ${loopDelay.toFixed(1)} ms\n`,
  );
}

const attacks: Record<ProtocolName, readonly string[]> = {
  sealed: ['silent', 'slowloris', 'gone', 'garbage', 'ciphertexts', 'storm'],
  // any bytes are a ciphertext there: garbage is what costs the most
  classic: ['silent', 'slowloris', 'gone', 'garbage', 'storm'],
};

describe.each(protocols)('an open %s connection goes on as before during', (protocol) => {
  // defences: caps on pending handshakes, private operations off the main thread and bounded, work per turn, deadline
  it.each(attacks[protocol])('%s', async (attack) => {
    const { calm, attacked, calmLoop, loopDelay } = await compare(protocol, attack);
    expect(attacked).toBeLessThanOrEqual(slack * (3 * calm + 1));
    expect(loopDelay).toBeLessThan(slack * Math.max(50, 3 * calmLoop));
  });

  // defence: work per connection and turn
  it('a flood of empty messages', async () => {
    const { calm, attacked } = await compare(protocol, 'empty');
    expect(attacked).toBeLessThan(slack * Math.max(50, 3 * calm));
  });
});

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}
