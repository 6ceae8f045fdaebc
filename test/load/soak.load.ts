import { writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { pairings, type Summary, soak } from '../faults/soak.js';
import type { Carrier } from '../faults/stand.js';

const seconds = Number(process.env.SOAK_SECONDS ?? 20);
const connections = Number(process.env.SOAK_CONNECTIONS ?? 24);
const seed = Number(process.env.SOAK_SEED ?? Date.now() % 2 ** 31);
/** Where to write the whole account to, if anywhere. */
const output = process.env.SOAK_OUTPUT;
const carriers: readonly Carrier[] = ['tcp', 'websocket'];

it(
  `${seconds} seconds of damaged connections, seed ${seed}`,
  async () => {
    const summary = await soak({
      ...{ seconds, connections, seed, carriers },
      ways: ['reset', 'reset', 'half-close', 'close', 'blackhole'],
      progress: { every: 10, tell: (state) => process.stdout.write(`${line(state)}\n`) },
    });
    const account = JSON.stringify({ seconds, connections, seed, ...summary }, null, 2);
    if (output) writeFileSync(output, `${account}\n`);
    process.stdout.write(`${line(summary)}\n${account}\n`);
    expect(summary.offences).toEqual([]);
    expect(Object.keys(summary.opened).length).toBe(pairings(carriers).length);
    expect(summary.endings.end).toBeGreaterThan(0);
  },
  1000 * seconds + 60_000,
);

function line({ messages, endings, offences, memory }: Summary): string {
  const ended = Object.values(endings).reduce((sum, count) => sum + count, 0);
  return `${messages} messages, ${ended} ends (${endings.end ?? 0} in order), ${offences.length} offences, ${memory.at(-1)?.heapMiB} MiB`;
}
