import { RemovalBudget } from './removal-budget.js';

describe('removals of homes', () => {
  it('are told at once, a few of an account, and then in turn', () => {
    const budget = new RemovalBudget(3, 6_000);
    expect([1, 2, 3, 4, 5].map(() => budget.take('@a', 0, 1_000))).toEqual([0, 0, 0, 6_000, 6_000]);
    expect(budget.take('@b', 0, 1_000)).toBe(0);
    expect(budget.take('@a', 0, 4_000)).toBe(3_000);
    expect(budget.take('@a', 0, 7_000)).toBe(0);
    expect(budget.take('@a', 0, 7_000)).toBe(6_000);
  });

  it('are told at once when the recovery key has spoken', () => {
    const budget = new RemovalBudget(1, 6_000);
    expect([0, 0, 1, 1, 2].map((epoch) => budget.take('@a', epoch, 0) === 0)).toEqual([true, false, true, false, true]);
  });
});
