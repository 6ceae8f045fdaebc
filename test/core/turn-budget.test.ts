import { describe, expect, it } from 'vitest';
import { TurnBudget } from '../../src/core/turn-budget.js';

describe('the budget of a turn', () => {
  it.each([
    ['asks', 512],
    ['bytes', 65_536],
    ['messages', 4096],
  ] as const)('is spent by its %s alone, and says how much of it was', (what, all) => {
    const budget = new TurnBudget();
    budget[what] = all - 1;
    expect(budget.isSpent).toBe(false);
    budget[what] = all;
    expect([budget.isSpent, budget.load]).toEqual([true, 0]);
    budget.refill();
    expect([budget.isSpent, budget.load, budget[what]]).toEqual([false, 1, 0]);
    budget[what] = all / 4;
    budget.refill();
    expect(budget.load).toBe(1 / 4);
    budget.refill();
    expect(budget.load).toBe(0);
  });

  it.each([
    ['many', 2 ** 20, 512],
    ['fewer', 2 ** 20 - 1, 64],
  ])('has %s requests where %d bytes are worth decrypting at once', (_, partLength, asks) => {
    const budget = new TurnBudget();
    budget.suit({ partLength });
    budget.asks = asks;
    expect([budget.isSpent, budget.maxBytes]).toEqual([true, partLength]);
    budget.asks--;
    expect(budget.isSpent).toBe(false);
  });
});
