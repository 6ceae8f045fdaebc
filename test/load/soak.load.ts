import { expect, it } from 'vitest';
import { type Summary, soak } from '../faults/soak.js';
import { backends } from '../helpers/backends.js';

const seconds = Number(process.env.SOAK_SECONDS ?? 20);
const connections = Number(process.env.SOAK_CONNECTIONS ?? 24);
const seed = Number(process.env.SOAK_SEED ?? Date.now() % 2 ** 31);

it(
  `${seconds} seconds of damaged connections, seed ${seed}`,
  async () => {
    const summary = await soak({
      ...{ seconds, connections, seed },
      ways: ['reset', 'reset', 'half-close', 'close', 'blackhole'],
      progress: { every: 10, tell: (state) => process.stdout.write(`${line(state)}\n`) },
    });
    process.stdout.write(`${line(summary)}\n${JSON.stringify(summary, null, 2)}\n`);
    expect(summary.offences).toEqual([]);
    expect(Object.keys(summary.opened).length).toBe(2 * backends.length);
    expect(summary.endings.end).toBeGreaterThan(0);
  },
  1000 * seconds + 60_000,
);

function line({ messages, endings, offences }: Summary): string {
  const ended = Object.values(endings).reduce((sum, count) => sum + count, 0);
  return `${messages} messages, ${ended} ends (${endings.end ?? 0} in order), ${offences.length} offences`;
}
