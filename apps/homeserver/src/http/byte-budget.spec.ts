import { ByteBudget } from './byte-budget.js';

describe('a budget of bytes', () => {
  it('is one per party and one for all, and comes back', () => {
    const budget = new ByteBudget(100, 60);
    expect(budget.take('a', 50)).toBe(true);
    expect(budget.take('a', 11)).toBe(false);
    expect(budget.take('a', 10)).toBe(true);
    expect(budget.take('b', 41)).toBe(false);
    expect(budget.take('b', 40)).toBe(true);
    budget.give('a', 50);
    expect(budget.take('b', 20)).toBe(true);
    expect(budget.take('a', 50)).toBe(false);
    expect(budget.take('a', 30)).toBe(true);
    const other = new ByteBudget(100, 60);
    expect(other.take('a', 70)).toBe(true);
    expect(other.take('a', 1)).toBe(false);
  });
});
