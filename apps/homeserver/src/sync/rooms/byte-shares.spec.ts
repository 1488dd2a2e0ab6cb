import fc from 'fast-check';
import { byteShare, fittingCount } from './byte-shares.js';

it('shares bytes so that they do not exceed what there is, and that nothing is left while somebody wants more', () => {
  fc.assert(fc.property(fc.array(fc.nat(1_000), { maxLength: 50 }), fc.nat(5_000), (wanted, max) => {
    const share = byteShare(wanted, max);
    const given = wanted.reduce((sum, bytes) => sum + Math.min(bytes, share), 0);
    expect(given).toBeLessThanOrEqual(max);
    if (share === Infinity) return;
    expect(wanted.some((bytes) => bytes > share)).toBe(true);
    expect(wanted.reduce((sum, bytes) => sum + Math.min(bytes, share + 1), 0)).toBeGreaterThan(max);
  }));
});

it.each([
  [[], 10, 0], [[10], 10, 1], [[11], 10, 0], [[4, 6, 1], 10, 2], [[4, 7, 1], 10, 1], [[0, 0], 0, 2],
] as const)('of %j as many fit into %d bytes as do', (sizes, max, count) => {
  expect(fittingCount(sizes, max)).toBe(count);
});
