import { lifetimeOf } from './lifetime-of.js';

const open = { lifetime: null, limits: null };

describe('lifetimeOf', () => {
  it.each([
    [undefined, open, null],
    [{ max_lifetime: 1_000 }, open, 1_000],
    [{ max_lifetime: '1000' }, open, null],
    [{ max_lifetime: -1 }, open, null],
    [{ max_lifetime: 1.5 }, open, null],
    [{ min_lifetime: 500 }, open, null],
    [{ min_lifetime: 500 }, { lifetime: 100, limits: null }, 500],
    [{ min_lifetime: 5_000, max_lifetime: 1_000 }, open, null],
    [undefined, { lifetime: 100, limits: null }, 100],
    [{ max_lifetime: 1_000 }, { lifetime: 100, limits: null }, 1_000],
    [{ max_lifetime: 1_000 }, { lifetime: null, limits: [2_000, 3_000] }, 2_000],
    [{ max_lifetime: 9_000 }, { lifetime: null, limits: [2_000, 3_000] }, 3_000],
    [undefined, { lifetime: null, limits: [2_000, 3_000] }, null],
  ] as const)('of %j with %j is %j', (content, rule, lifetime) => {
    expect(lifetimeOf(content, rule)).toBe(lifetime);
  });
});
