import { BodyBudget } from './body-budget.js';

describe('the budget for bodies', () => {
  it('is one per address and one for all, and comes back', () => {
    const budget = new BodyBudget(100, 60);
    expect(budget.take('a', 50)).toBe(true);
    expect(budget.take('a', 11)).toBe(false);
    expect(budget.take('a', 10)).toBe(true);
    expect(budget.take('b', 41)).toBe(false);
    expect(budget.take('b', 40)).toBe(true);
    budget.give('a', 50);
    expect(budget.take('b', 20)).toBe(true);
    expect(budget.take('a', 50)).toBe(false);
    expect(budget.take('a', 30)).toBe(true);
  });
});
