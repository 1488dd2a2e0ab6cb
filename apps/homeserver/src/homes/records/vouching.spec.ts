import type { HomeRecord } from '#federation';
import { discountedBy, isVouched } from './vouching.js';

const record = (homes: string[], retired: string[] = []): HomeRecord => {
  const entries = (names: string[]) => names.map((name) => ({ server_name: name, key_id: 'ed25519:h', key: name }));
  return { homes: entries(homes), retired: entries(retired) } as unknown as HomeRecord;
};
const vouched = (homes: string[], asked: string, answered: string, discounted: string[]): boolean =>
  isVouched(record(homes), asked.split(' '), new Set(answered.split(' ')), discounted);

describe('what confirms a record', () => {
  it('is not the word of who brought it, or of a home that it or the one before dropped', () => {
    const discounted = (now: HomeRecord, before: HomeRecord | undefined, from?: string): string[] => discountedBy(now.homes, [now, before], from);
    expect(discounted(record(['a', 'x', 'y']), undefined, 'x')).toEqual(['x']);
    expect(discounted(record(['a'], ['x']), record(['a', 'x', 'y'], ['z']), 'client').sort()).toEqual(['x', 'y', 'z']);
    expect(discounted(record(['a', 'x']), record(['a'], ['x']))).toEqual([]);
    const [one, other] = [record(['a', 'x']), record(['a', 'y'])];
    expect(discountedBy(record(['a']).homes, [one, other, undefined], undefined).sort()).toEqual(['x', 'y']);
  });

  it('is a stranger, two homes, or everybody there is', () => {
    expect(vouched(['a', 'x', 'y'], 'a x y', 'x y', ['x'])).toBe(false);
    expect(vouched(['a', 'x', 'y'], 'a x y', 'a y', ['x'])).toBe(true);
    expect(vouched(['a', 'x', 'y'], 'a x y d', 'x d', ['x'])).toBe(true);
    expect(vouched(['a', 'b'], 'a b z', 'z b', ['z'])).toBe(false);
    expect(vouched(['a'], 'a', 'a', ['a'])).toBe(true);
    expect(vouched(['a', 'b'], 'a b', 'b', [])).toBe(false);
  });
});
