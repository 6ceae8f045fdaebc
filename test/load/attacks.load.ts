import { type ProtocolName, SecureClient } from 'secure-sockets';
import { afterEach, describe, expect, it } from 'vitest';
import { pause, protocols } from '../helpers/sockets.js';
import { type Address, Program, startServer } from './programs.js';

/** Rounds without and with the attack, in turns: the median of each makes up for what else the machine does. */
const ROUNDS = 5;
const ROUND_MS = 1000;

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

async function connected(protocol: ProtocolName, { port, fingerprint }: Address): Promise<SecureClient> {
  const settle = protocol === 'classic' ? { settleMs: 0 } : {};
  const client = new SecureClient({ protocol, serverKey: fingerprint, ...settle });
  await client.connect({ port, host: '127.0.0.1' });
  running.push({ [Symbol.asyncDispose]: async () => client.destroy() });
  return client;
}

/** The medians of what 99 of 100 round trips take, without and with an attack. */
async function compare(
  protocol: ProtocolName,
  attack: string,
  options: Record<string, unknown> = {},
): Promise<{ calm: number; attacked: number; stats: Record<string, unknown> }> {
  const { program, address } = await startServer(protocol, options);
  running.push(program);
  const client = await connected(protocol, address);
  await pingPong(client, 500);
  const calm: number[] = [];
  const attacked: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    calm.push(await pingPong(client, ROUND_MS));
    const attacker = await Program.start('attacker', { attack, protocol, ...address });
    attacked.push(await pingPong(client, ROUND_MS));
    await attacker.program[Symbol.asyncDispose]();
    await pause(100);
  }
  const result = { calm: median(calm), attacked: median(attacked), stats: JSON.parse(await program.ask()) };
  process.stdout.write(
    `${protocol} ${attack}: p99 ${result.calm.toFixed(2)} ms without, ${result.attacked.toFixed(2)} ms with; ${JSON.stringify(result.stats)}\n`,
  );
  return result;
}

describe.each(protocols)('an open %s connection goes on as before during', (protocol) => {
  // defences: caps on pending handshakes, private operations off the main thread and bounded, work per turn, deadline
  it.each(['silent', 'slowloris', 'gone', 'garbage', 'storm'])('%s', async (attack) => {
    const { calm, attacked } = await compare(protocol, attack);
    expect(attacked).toBeLessThanOrEqual(3 * calm + 1);
  });

  // defence: work per connection and turn
  it('a flood of empty messages', async () => {
    const { attacked } = await compare(protocol, 'empty');
    expect(attacked).toBeLessThan(50);
  });
});

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}
