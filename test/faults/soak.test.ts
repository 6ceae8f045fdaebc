import { expect, it } from 'vitest';
import { pairings, soak } from './soak.js';

it('a few seconds of damaged connections lose, double, move and change nothing, and all of them end', async () => {
  const summary = await soak({
    seconds: 4,
    connections: 12,
    seed: 20261122,
    ways: ['reset', 'reset', 'half-close', 'close'],
    carriers: ['tcp'],
  });
  expect(summary.offences).toEqual([]);
  expect(Object.keys(summary.opened).length).toBe(pairings(['tcp']).length);
  expect(summary.endings.end).toBeGreaterThan(10);
  expect(Object.keys(summary.endings).length).toBeGreaterThan(1);
}, 60_000);
